"""What a process holds of the machine's memory, by the kernel's own account (Linux)."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_PEAK_ONLY = "5"
"""Linux's Documentation/filesystems/proc.rst: sets the peak back to what is resident now."""


def resident() -> int | None:
    """Bytes in memory now; None where the kernel doesn't say."""
    return _field("VmRSS")


def peak() -> int | None:
    """The most bytes in memory since the process began, or since `forget_peak`."""
    return _field("VmHWM")


def forget_peak() -> None:
    """Count the peak anew from here, where the kernel lets a process do so."""
    try:
        _RESET.write_text(_PEAK_ONLY)
    except OSError:
        return


def _field(name: str) -> int | None:
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(found[0][1]) if found else None
