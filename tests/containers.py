"""docker-compose as the tests use it: a checkout of its own, and the containers and images of its
own name, which go at the end. The engine's build cache stays: the next time takes seconds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
STRANGER = 4321
"""A user that no image knows, where the test may give files away."""
BUILD = 1500.0
"""Seconds for a first build, which fetches and compiles everything."""


@cache
def command() -> list[str]:
    """Compose, new or old."""
    for found in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(found[0]) and _answers([*found, "version"]):
            return found
    return []


@cache
def missing() -> str | None:
    """Why nothing can be tried here, or None."""
    if not command():
        return "neither docker compose nor docker-compose is installed"
    return None if _answers(["docker", "info"]) else "no container engine answers docker info"


class Project:
    """A checkout, and what Compose makes of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"psim-test-{os.getpid()}"
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PSIM_", "COMPOSE_"))
        }

    def compose(
        self, *arguments: str, profile: str | None = None, timeout: float = 600, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a Compose command; output and errors together."""
        chosen = [] if profile is None else ["--profile", profile]
        return subprocess.run(
            [*command(), "--ansi", "never", "-p", self.name, *chosen, *arguments],
            cwd=self.folder,
            env=self.environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def containers(self, profile: str | None = None) -> dict[str, str]:
        """Ids of the containers that there are, by ``master`` and ``worker_1``, ``worker_2``, …"""
        ids = self.compose("ps", "-a", "-q", profile=profile).stdout.split()
        names = inspect("{{.Name}}", *ids)
        short = [name.removeprefix(f"/{self.name}")[1:].replace("-", "_") for name in names]
        return dict(zip(short, ids, strict=True))

    def ended(self, profile: str | None = None, timeout: float = 300) -> dict[str, int]:
        """Exit codes, once all containers have ended."""
        found = self.containers(profile)
        waited = ["docker", "wait", *found.values()]
        codes = subprocess.run(
            waited, capture_output=True, text=True, check=True, timeout=timeout
        ).stdout
        return dict(zip(found, map(int, codes.split()), strict=True))

    def image(self, service: str) -> str:
        """The image's name: the old Compose writes an underscore, the new one a hyphen."""
        names = [f"{self.name}_{service}", f"{self.name}-{service}"]
        return next(name for name in names if _answers(["docker", "image", "inspect", name]))

    def logs(self, container: str) -> str:
        """What a container wrote, both streams."""
        done = subprocess.run(
            ["docker", "logs", container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    def down(self, profile: str | None = None) -> None:
        """Remove a profile's containers and the network."""
        self.compose("down", "-v", "--remove-orphans", profile=profile)

    def remove(self) -> None:
        """Remove all that was made, images too."""
        for profile in ("plain", "shaped"):
            self.compose("down", "-v", "--rmi", "local", "--remove-orphans", profile=profile)


def checkout(folder: Path) -> None:
    """Copy all files that git knows or would add, and give them to a stranger."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    give_away(folder)


def give_away(folder: Path) -> None:
    """Where the test may, make a stranger the owner of a folder and all in it."""
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, STRANGER, STRANGER)


def inspect(template: str, *names: str) -> list[str]:
    """``docker inspect``: a line for each container or image."""
    found = subprocess.run(
        ["docker", "inspect", "--format", template, *names],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.splitlines()


def _answers(line: list[str]) -> bool:
    try:
        return subprocess.run(line, capture_output=True, timeout=30, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
