"""What the images hold, and what they don't."""

import subprocess
import sys
import tomllib

import pytest
from containers import ROOT, inspect, missing

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

BASE = "python:3.11-slim"
LARGEST_WORKER = 1.2e9
"""Bytes beyond the base."""


@pytest.fixture(scope="module")
def images(project):
    return {role: project.image(role) for role in ("master", "worker")}


def inside(image, *line):
    """What a program of the image's prints, as the image's user."""
    command = ["docker", "run", "--rm", "--entrypoint", line[0], image, *line[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_workers_size(images, capsys):
    base, *sizes = (int(size) for size in inspect("{{.Size}}", BASE, *images.values()))
    with capsys.disabled():
        for role, size in zip(images, sizes, strict=True):
            sys.stdout.write(f"\n{role} image: {(size - base) / 1e9:.2f} GB beyond {BASE}")
    assert sizes[1] - base < LARGEST_WORKER


def test_they_share_their_large_layers(images):
    one, other = (
        inspect('{{join .RootFS.Layers " "}}', name)[0].split() for name in images.values()
    )
    shared = [layer for layer, same in zip(one, other, strict=False) if layer == same]
    base = inspect("{{len .RootFS.Layers}}", BASE)[0]
    assert len(shared) == int(base) + 4, "tools, environment, psim, and what is compiled of it"


def test_users_labels_and_health(images):
    for role, image in images.items():
        template = "{{.Config.User}} {{len .Config.Healthcheck.Test}} {{json .Config.Labels}}"
        user, parts, labels = inspect(template, image)[0].split(" ", 2)
        assert (user, parts) == ("psim", "3")
        assert f'"org.opencontainers.image.title":"psim {role}"' in labels
        assert inside(image, "id", "-u") == "1000"


@pytest.mark.parametrize("role", ["master", "worker"])
def test_nothing_that_builds_or_tests_is_left(images, role):
    find = "command -v gcc cc make git pip pip3; ls /opt/psim/bin | grep -x pip; ls -A /root/.cache"
    assert inside(images[role], "sh", "-c", f"{find}; ls /src; true") == ""


def test_versions_are_the_pinned_ones(images):
    pinned = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    )
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [line.split(">=")[0] for line in document["project"]["dependencies"]]
    show = "import importlib.metadata as m, sys; print(*(m.version(n) for n in sys.argv[1:]))"
    found = inside(images["master"], "python", "-c", show, *needed).split()
    assert [version.partition("+")[0] for version in found] == [pinned[name] for name in needed]


def test_a_worker_needs_nothing_that_makes_reports(images):
    absent = "import importlib.util as u; print([n for n in %r if u.find_spec(n)])"
    names = ["matplotlib", "polars", "rich"]
    assert inside(images["worker"], "python", "-c", absent % names) == "[]"
    assert inside(images["master"], "python", "-c", absent % names) == str(names)
