"""The errors that psim raises, in one tree.

::

    PsimError                 exit code
    ├── InputError                2   what the user gave is wrong: one line, with the fix
    │   ├── ConfigError           2   a config file, a --set, a command-line value
    │   ├── DataError             2   a data file: names the file, the line and what was found
    │   └── UsageError            2   a misuse of the Python interface
    ├── WireError                 1   bytes that are no psim message
    │   └── VersionError          2   a peer speaks another version of the protocol
    ├── PeerError                 1   a peer failed, vanished or broke the protocol
    │   └── Departed              1   the master is gone; another may take its place
    ├── RoundTimeout              1   a wait reached its deadline; says what it waited for
    └── AuditError                1   counted bytes differ from the kernel's
    Interrupted                 130   SIGINT or SIGTERM (a KeyboardInterrupt)

A message names the value, the limit and the fix, in one line.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PsimError(Exception):
    """Anything that psim itself reports; ``exit_code`` is the process's."""

    exit_code = 1


class InputError(PsimError):
    """What the user gave is wrong."""

    exit_code = 2


class ConfigError(InputError, ValueError):
    """A config file, an override or a command-line value is wrong; ``path`` is the dotted key."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.message, self.path = message, path

    def within(self, path: str) -> ConfigError:
        """The same error, seen from further out."""
        return ConfigError(self.message, ".".join(part for part in (path, self.path) if part))

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class DataError(InputError):
    """A data file is missing, damaged or not what the config says."""


class UsageError(InputError):
    """The Python interface was called in a way that it does not support."""


class WireError(PsimError):
    """Bytes that are no well-formed psim message."""


class VersionError(WireError):
    """A message of another version of the protocol."""

    exit_code = 2


class PeerError(PsimError):
    """A peer failed, vanished, or broke the protocol. ``exit_code`` is 2 where the peer says that
    its input was wrong (say, its copy of the data differs).
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Departed(PeerError):
    """The master's connection ended, or it was interrupted. Before the run has begun a worker may
    wait for another one.
    """


class RoundTimeout(PsimError):
    """A wait reached its deadline."""


class AuditError(PsimError):
    """The bytes counted differ from the kernel's own counters."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM, whose name is the message."""

    exit_code = 130


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the nearest match, then all that are known."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
