"""Between a worker's device and the host: only what is sent, and what is received, crosses.

On the host all of this is nothing: what is there already is passed on as it is.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from psim.methods.base import Message
from psim.vectors import Coded, Dense, Payload, torch

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "cpu"


def to_host(message: Message) -> Message:
    """The message with its payloads in the host's memory: through pinned memory from CUDA, all
    copies under way at once.
    """
    devices = {_device(payload) for payload in message.payloads.values()}
    if all(device.type == HOST for device in devices):
        return message
    payloads = {name: _each(p, _pinned) for name, p in message.payloads.items()}
    for device in devices:
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
    return replace(message, payloads=payloads)


def to_device(message: Message, device: torch.device) -> Message:
    """The message with its payloads on the device."""
    if device.type == HOST:
        return message
    payloads = {
        name: _each(payload, lambda tensor: tensor.to(device, non_blocking=True))
        for name, payload in message.payloads.items()
    }
    return replace(message, payloads=payloads)


def _device(payload: Payload) -> torch.device:
    return payload.device if isinstance(payload, Coded) else payload.values.device


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy on the host, which is there once the stream has been waited for."""
    if tensor.device.type != "cuda":
        return tensor.to(HOST)
    copy = torch.empty_like(tensor, device=HOST, pin_memory=True)
    return copy.copy_(tensor, non_blocking=True)


def _each(payload: Payload, move: Callable[[torch.Tensor], torch.Tensor]) -> Payload:
    """The payload with all its tensors moved."""
    if isinstance(payload, Dense):
        return Dense(move(payload.values))
    tensors = {
        each.name: move(value)
        for each in fields(payload)  # type: ignore[arg-type]
        if isinstance(value := getattr(payload, each.name), torch.Tensor)
    }
    return replace(payload, **tensors)  # type: ignore[type-var]
