# A worker whose PyTorch has CUDA: psim, started by workers/entry.py. From the repository's root:
#   docker build -f workers/cuda.Dockerfile -t psim-worker-cuda .
# The machine needs NVIDIA's driver and container toolkit; CUDA's libraries come with PyTorch.
ARG PYTHON_IMAGE=python:3.11-slim

FROM $PYTHON_IMAGE AS needed
ARG REPORTING="matplotlib|polars|rich"
WORKDIR /src
COPY pyproject.toml ./
RUN python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
    | grep -vE "^($REPORTING)\b" > computing

FROM $PYTHON_IMAGE AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=/src/constraints.txt
WORKDIR /src
RUN python3 -m venv /opt/psim
COPY constraints.txt ./
COPY --from=needed /src/computing ./
# pip's default build of torch for Linux is the one with CUDA, which scripts/install avoids.
RUN xargs /opt/psim/bin/python -m pip install < computing

FROM dependencies AS package
COPY README.md LICENSE pyproject.toml ./
COPY psim psim
RUN /opt/psim/bin/python -m pip install --no-deps --prefix /opt/package .

# Without what only builds or tests the libraries.
FROM dependencies AS environment
RUN /opt/psim/bin/python -m pip uninstall --yes --quiet pip \
    && cd /opt/psim/lib/python3*/site-packages \
    && rm -rf torch/include torch/test torch/bin/test_* torch/bin/*Test torch/bin/protoc* \
    && find . -type d -name tests -prune -exec rm -r {} +

FROM $PYTHON_IMAGE
RUN useradd --no-create-home psim
# The last asks for large pages: psim/launch/pages.py.
ENV PATH=/opt/psim/bin:$PATH HOME=/tmp NUMBA_CACHE_DIR=/opt/psim/cache \
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=environment /opt/psim /opt/psim
COPY --from=package /opt/package /opt/psim
RUN python -c 'from psim.kernels import warm; warm.prepare(1 << 20)' && chmod -R a+rwX $NUMBA_CACHE_DIR
COPY workers/*.py workers/settings.yaml /opt/psim/workers/
LABEL org.opencontainers.image.title="psim worker with CUDA" \
      org.opencontainers.image.description="A worker of a psim run" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /work
USER psim
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["/opt/psim/bin/python", "/opt/psim/workers/health.py"]
ENTRYPOINT ["/opt/psim/bin/python", "/opt/psim/workers/entry.py"]
