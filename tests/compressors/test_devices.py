"""What compressors do on other devices is what they do on the host.

There, float32 and float64 vectors that lie in one piece go through numpy and compiled loops. The
code for other devices is torch's alone, and runs on the CPU for vectors that do not lie in one
piece: so it is held against the host's here too, where there is no GPU.
"""

from dataclasses import fields

import pytest
import torch
from pieces import every, label

from psim.compressors.base import Compressor
from psim.step import Step
from psim.vectors import Payload, densify, on_host

SIZES = (50, 30_000)
"""Short vectors go through numpy, long ones through compiled loops."""
DEVICES = ("cpu", "cuda", "mps")


def elsewhere(vector: torch.Tensor, device: str) -> torch.Tensor:
    """The same vector where the host's code can't take it."""
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device != "cpu":
        if not available[device]():
            pytest.skip(f"this machine has no {device} device")
        return vector.to(device)
    return torch.stack([vector, vector], dim=1)[:, 0]


def compressed(piece: Compressor, vector: torch.Tensor) -> Payload:
    payload, _ = piece.compress(vector, None, Step(3, 0.1, 2, 0, 1))
    return payload


def tensors(payload: Payload) -> dict[str, torch.Tensor]:
    found = {each.name: getattr(payload, each.name) for each in fields(payload)}
    return {name: part for name, part in found.items() if isinstance(part, torch.Tensor)}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", every("compressors"), ids=label)
def test_a_message_is_the_hosts_and_stays_on_the_device(
    piece: Compressor, size: int, device: str
) -> None:
    vector = torch.randn(size, generator=torch.Generator().manual_seed(1))
    there = elsewhere(vector, device)
    assert not on_host(there)
    mine, other = compressed(piece, vector), compressed(piece, there)
    assert type(mine) is type(other)
    for name, part in tensors(other).items():
        assert part.device.type == device, name
    assert torch.equal(densify(mine, vector.dtype), densify(other, vector.dtype).cpu())
