"""A master container's entry: shape its interface where that is asked for, become the user whose
folder is mounted, then ``psim master``.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import NoReturn

from psim.errors import ConfigError
from psim.launch.identity import Identity
from psim.launch.settings import Settings, start
from psim.launch.shaping import Links


def prepare(settings: Settings) -> list[str]:
    """Make the container ready; the arguments of ``psim``. Raises ConfigError."""
    owner = Identity.owner_of(Path.cwd())
    if settings["shape"]:
        with owner.acting():
            links = Links.read(Path(settings["config"]))
        links.shape(settings["shape"], links.egress, links.ingress)
        tell(f"{settings['shape']} shaped: egress {links.egress}, ingress {links.ingress}")
    owner.become()  # so that what the run writes there is theirs
    return command(settings)


def command(settings: Settings) -> list[str]:
    """``psim master`` with what the settings say. Raises ConfigError."""
    line = [
        "master",
        settings["config"],
        "--bind",
        settings["bind"],
        "--health",
        settings["health"],
    ]
    if settings["clock"]:
        line += ["--set", f"network.clock={settings['clock']}"]
    if settings["workers"]:
        line += ["--set", f"workers={workers(settings['workers'], settings['count'])}"]
    return line


def workers(given: str, count: str) -> str:
    """The number of workers: as given, or ``count`` for each address that a name has now. Compose
    starts all containers of the service of that name before the master's.
    """
    if given.isdecimal():
        return given
    try:
        found = {each[4][0] for each in socket.getaddrinfo(given, None, type=socket.SOCK_STREAM)}
        number = len(found) * int(count)
    except OSError as error:
        raise ConfigError(
            f"workers {given}: is no number, nor a name with an address for each worker ({error}): "
            "are they started?"
        ) from None
    except ValueError:
        raise ConfigError(f"count {count}: give a number of ranks from 1 up") from None
    tell(f"{len(found)} worker containers with {count} ranks each: workers = {number}")
    return str(number)


def tell(line: str) -> None:
    """One line for the container's log."""
    sys.stderr.write(f"{line}\n")


def main() -> NoReturn:
    """The working folder is the mounted one."""
    start(Path(__file__).with_name("settings.yaml"), prepare)


if __name__ == "__main__":
    main()
