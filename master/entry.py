"""A master container's entry: become the user whose folder is mounted, then ``psim master``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from psim.launch.settings import Settings, start


def become_owner(folder: Path) -> None:
    """Give root up for the folder's owner, so that what a run writes there is theirs.

    A process that isn't root stays who it is. So does root in a folder of root's own, which is
    also how a rootless engine shows the folder of the user it runs for.
    """
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def command(settings: Settings) -> list[str]:
    """The arguments of ``psim``."""
    return ["master", settings["config"], "--bind", settings["bind"]]


def main() -> NoReturn:
    """The working folder is the mounted one."""
    become_owner(Path.cwd())
    start(Path(__file__).with_name("settings.yaml"), command)


if __name__ == "__main__":
    main()
