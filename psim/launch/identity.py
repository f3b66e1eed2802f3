"""Who a container's process is: root until it need not be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and a group, by number."""

    uid: int
    gid: int

    @classmethod
    def owner_of(cls, folder: Path) -> Identity:
        """Whose a folder is."""
        found = folder.stat()
        return cls(found.st_uid, found.st_gid)

    def become(self) -> None:
        """Give root up for good, and with it what root may do. A process that isn't root stays who
        it is. So does root that would become root: in a folder of root's own, which is also how a
        rootless engine shows the folder of the user it runs for.
        """
        if not self._other():
            return
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Inside, files are opened as this user: root without capabilities can't read all."""
        if not self._other():
            yield
            return
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def _other(self) -> bool:
        return os.geteuid() == 0 and self.uid != 0
