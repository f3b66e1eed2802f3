"""A worker container's entry: settings, then ``psim worker``."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from psim.launch.settings import Settings, start


def command(settings: Settings) -> list[str]:
    """The arguments of ``psim``: every setting is a flag of ``psim worker``."""
    return ["worker", *(word for name in settings for word in (f"--{name}", settings[name]))]


def main() -> NoReturn:
    """A worker writes nothing, so it needs no folder and stays the image's own user."""
    start(Path(__file__).with_name("settings.yaml"), command)


if __name__ == "__main__":
    main()
