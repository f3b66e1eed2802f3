"""What ranks keep back from the model reported, collected at the master."""

from __future__ import annotations

from psim.errors import WireError
from psim.vectors import Dense, Shared, torch
from psim.wire.messages import Packet


class KeptBack:
    """The ranks' answers to one COLLECT: their ``residuals`` r_i, and their ``statistics``, what
    they keep beside x; as far as these are asked for.
    """

    def __init__(self, residuals: bool = False, statistics: bool = False) -> None:
        self._wanted = (Dense,) * residuals + (Shared,) * statistics
        self._residuals: dict[int, torch.Tensor] = {}
        self._statistics: dict[int, torch.Tensor] = {}

    def check(self, packet: Packet) -> None:
        """Raise WireError where an answer has another form."""
        if packet.scalars or tuple(map(type, packet.payloads)) != self._wanted:
            raise WireError("a residual is one vector, densely, or what is kept beside x")

    def take(self, packet: Packet) -> None:
        """A rank's answer, which has been checked."""
        for payload in packet.payloads:
            kept = self._residuals if isinstance(payload, Dense) else self._statistics
            kept[packet.rank] = payload.values

    def reported(self, x: torch.Tensor) -> torch.Tensor:
        """x - (1/n) Σ r_i, summed in rank order, once all n have answered."""
        total = torch.zeros_like(x)
        for rank in sorted(self._residuals):
            total += self._residuals[rank]
        return x - total / len(self._residuals)

    def averages(self) -> torch.Tensor | None:
        """The mean of the statistics; None where none were asked for. Raises WireError."""
        if not self._statistics:
            return None
        ranked = [self._statistics[rank] for rank in sorted(self._statistics)]
        if len({values.numel() for values in ranked}) > 1:
            raise WireError("ranks keep different numbers beside x")
        return torch.stack(ranked).mean(0)
