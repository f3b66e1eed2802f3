"""A worker container's entry: shape its interface where that is asked for, become the user whose
folder is mounted, then ``psim worker``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

from psim.errors import ConfigError
from psim.launch.identity import Identity
from psim.launch.settings import Settings, start
from psim.launch.shaping import Links

FLAGS = ("connect", "count", "device", "join", "health")
"""Settings that are flags of ``psim worker``."""


def prepare(settings: Settings) -> list[str]:
    """Make the container ready; the arguments of ``psim``. Raises ConfigError."""
    owner = Identity.owner_of(Path.cwd())
    if settings["shape"]:
        if settings["count"] != "1":
            raise ConfigError(
                f"count {settings['count']}: ranks that share an interface share its bandwidth: "
                "where it is shaped, use 1"
            )
        with owner.acting():
            links = Links.read(Path(settings["config"]))
        links.shape(settings["shape"], links.uplink, links.downlink)
        told = f"uplink {links.uplink}, downlink {links.downlink}"
        sys.stderr.write(f"{settings['shape']} shaped: {told}\n")
    owner.become()  # who may read what the config names
    return command(settings)


def command(settings: Settings) -> list[str]:
    """``psim worker`` with what the settings say."""
    return ["worker", *(word for name in FLAGS for word in (f"--{name}", settings[name]))]


def main() -> NoReturn:
    """The working folder is the mounted one, where there is one; it is only read."""
    start(Path(__file__).with_name("settings.yaml"), prepare)


if __name__ == "__main__":
    main()
