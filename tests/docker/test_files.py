"""What the images and the compose file promise, read without an engine."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from containers import command

from psim import documents

ROOT = Path(__file__).parents[2]
SHARED_END = "RUN python -c "
IMAGES = ("master/Dockerfile", "workers/Dockerfile", "workers/cuda.Dockerfile")
ROLES = {"master": "master", "worker": "workers"}
PROFILES = {"plain": "", "shaped": "shaped-", "gpu": "gpu-"}
"""And what their services' names begin with."""


def lines(image):
    return (ROOT / image).read_text(encoding="utf-8").splitlines()


def shared(image):
    """From the first ARG to the environment that is copied."""
    found = lines(image)
    start = next(i for i, line in enumerate(found) if line.startswith("ARG"))
    end = next(i for i, line in enumerate(found) if line.startswith(SHARED_END))
    return found[start : end + 1]


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def test_both_images_share_their_large_layers():
    assert shared("master/Dockerfile") == shared("workers/Dockerfile")


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_runs_as_root_and_each_asks_its_process(image):
    found = lines(image)
    last = max(i for i, line in enumerate(found) if line.startswith("FROM"))
    assert "USER psim" in found[last:]
    folder = image.split("/", maxsplit=1)[0]
    assert f'    CMD ["/opt/psim/bin/python", "/opt/psim/{folder}/health.py"]' in found[last:]


@pytest.mark.parametrize("prefix", PROFILES.values(), ids=PROFILES)
def test_every_profile_has_a_master_and_four_workers_that_find_each_other(services, prefix):
    master, worker = services[f"{prefix}master"], services[f"{prefix}worker"]
    assert master["profiles"] == worker["profiles"] == [prefix.removesuffix("-") or "plain"]
    assert master["depends_on"] == [f"{prefix}worker"], "it is stopped first, and counts them"
    assert worker["scale"] == documents.read(ROOT / "configs" / "compose.yaml")["workers"]
    assert [each["networks"]["default"]["aliases"] for each in (master, worker)] == [
        ["master"],
        ["worker"],
    ]


def test_only_the_shaped_profile_may_touch_interfaces(services):
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"]
        rights = {"SETUID", "SETGID", "KILL"}
        if name.startswith("shaped-"):
            rights.add("NET_ADMIN")
        assert set(service["cap_add"]) == rights, name


def test_every_variable_is_a_setting(services):
    """But for where data are, which psim itself reads."""
    for name, service in services.items():
        folder = ROLES[name.removeprefix("shaped-").removeprefix("gpu-")]
        settings = documents.read(ROOT / folder / "settings.yaml")
        known = {f"PSIM_{each.upper()}" for each in settings} | {"PSIM_DATA"}
        assert service["environment"].keys() <= known, name


@pytest.mark.parametrize("role", ROLES.values())
def test_every_setting_is_documented(role):
    readme = (ROOT / role / "README.md").read_text(encoding="utf-8")
    for name in documents.read(ROOT / role / "settings.yaml"):
        assert f"| `{name}` | `PSIM_{name.upper()}` | `--{name}` |" in readme


@pytest.mark.skipif(not command(), reason="no docker compose or docker-compose is installed")
@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_compose_resolves_it(profile):
    """A dry run, without an engine: which services there are, and that the GPUs are asked for."""
    chosen = [] if profile is None else ["--profile", profile]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("COMPOSE_", "PSIM_"))}
    whole = subprocess.run(
        [*command(), *chosen, "config"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    names = subprocess.run(
        [*command(), *chosen, "config", "--services"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    prefix = PROFILES[profile or "plain"]
    assert {f"{prefix}master", f"{prefix}worker"} <= set(names)
    asked = "driver: nvidia" in whole.stdout
    assert asked or profile != "gpu"


def test_the_config_is_the_quickstarts_ef21():
    ours = documents.read(ROOT / "configs" / "compose.yaml")
    quickstart = documents.read(ROOT / "configs" / "quickstart.yaml")
    varied = {"name", "workers", "variants"}
    assert {key: ours[key] for key in quickstart.keys() - varied} == {
        key: quickstart[key] for key in quickstart.keys() - varied
    }
