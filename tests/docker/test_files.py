"""What the images and the compose file promise, read without an engine."""

from pathlib import Path

from psim import documents

ROOT = Path(__file__).parents[2]
SHARED_END = "COPY --from=package"


def stages(folder):
    """The part that both images share: from the first ARG to the environment that is copied."""
    lines = (ROOT / folder / "Dockerfile").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("ARG"))
    end = next(i for i, line in enumerate(lines) if line.startswith(SHARED_END))
    return lines[start : end + 1], lines[end + 1 :]


def test_both_images_share_their_large_layers():
    assert stages("master")[0] == stages("workers")[0]


def test_no_image_runs_as_root():
    for folder in ("master", "workers"):
        assert "USER psim" in stages(folder)[1]


def test_as_many_workers_as_the_config_asks_for():
    services = documents.read(ROOT / "docker-compose.yml")["services"]
    config = documents.read(ROOT / "configs" / "compose.yaml")
    assert services["worker"]["scale"] == config["workers"]


def test_the_config_is_the_quickstarts_ef21():
    ours = documents.read(ROOT / "configs" / "compose.yaml")
    quickstart = documents.read(ROOT / "configs" / "quickstart.yaml")
    varied = {"name", "workers", "variants"}
    assert {key: ours[key] for key in quickstart.keys() - varied} == {
        key: quickstart[key] for key in quickstart.keys() - varied
    }
