"""Health checks that a process answers itself, on a Unix socket.

Whoever connects is sent one JSON object and nothing else::

    {"doing": "round 12", "turned": 0.03}

what the process is at, and how many seconds ago its loop last came round.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from psim.errors import ConfigError, InputError
from psim.launch.settings import read
from psim.runtime.pulse import Pulse
from psim.units import duration

ANSWER = 5.0
"""Seconds that a process has to answer: its loop may compute for longer, the thread does not."""
LONGEST_ANSWER = 4096


@contextmanager
def answering(path: Path | None, pulse: Pulse) -> Iterator[None]:
    """Inside, a thread answers at ``path``; a socket that is there already is replaced. None: no
    thread. Raises ConfigError where there can be no socket.
    """
    if path is None:
        yield
        return
    with _listening(path) as listener:
        thread = threading.Thread(target=_answer, args=(listener, pulse), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink(missing_ok=True)


def ask(path: Path) -> dict[str, object]:
    """What the process at ``path`` answers. Raises OSError, ValueError where it doesn't."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER)
        line.connect(str(path))
        with line.makefile("rb") as answer:
            found: dict[str, object] = json.loads(answer.read(LONGEST_ANSWER))
    return found


def check(settings: Path, arguments: Sequence[str] = ()) -> NoReturn:
    """A container's health check: print what the process is at, and end with 0 where it is well.

    Its settings are ``health``, the socket, and ``patience``, how long the loop may be away.
    """
    try:
        chosen, _ = read(settings, arguments)
        patience = duration(chosen["patience"])
    except InputError as error:
        sys.exit(f"psim: {error}")
    path = Path(chosen["health"])
    try:
        answer = ask(path)
        doing, turned = str(answer["doing"]), float(str(answer["turned"]))
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"no answer at {path}: {error}")
    if turned > patience:
        sys.exit(f"{doing}, and its loop has not come round for {turned:.0f} s")
    sys.stdout.write(f"{doing}\n")
    sys.exit(0)


def _listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o666)  # an engine asks as root, which without its capabilities is a stranger
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigError(f"--health {path}: {error}: name a file in a writable folder") from None
    return listener


def _answer(listener: socket.socket, pulse: Pulse) -> None:
    """Until the listener is shut down."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the main thread has them
    while True:
        try:
            caller, _ = listener.accept()
        except OSError:
            return
        with caller:
            answer = {"doing": pulse.doing, "turned": time.monotonic() - pulse.turned}
            try:
                caller.sendall(json.dumps(answer).encode())
            except OSError:
                continue
