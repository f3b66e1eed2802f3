"""A ZeroMQ socket's monitor: connections that come and go, with their descriptors."""

from __future__ import annotations

import contextlib

import zmq
from zmq.utils.monitor import recv_monitor_message


class Monitor:
    """Events of a socket, read when asked for. Close it before the context is terminated."""

    def __init__(self, socket: zmq.Socket[bytes], events: int) -> None:
        self._socket = socket
        self._pair = socket.get_monitor_socket(events)

    def poll(self, timeout: float = 0.0) -> list[tuple[int, int]]:
        """(event, descriptor) of all events so far, waiting up to ``timeout`` seconds for one."""
        found = []
        wait = round(1000 * timeout)
        while self._pair.poll(wait):
            message = recv_monitor_message(self._pair)
            found.append((int(message["event"]), int(message["value"])))
            wait = 0
        return found

    def close(self) -> None:
        with contextlib.suppress(zmq.ZMQError):
            self._socket.disable_monitor()
        self._pair.close(linger=0)
