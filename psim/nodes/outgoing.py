"""The broadcast that begins a round, in the form that the method's downlink gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from psim.nodes.naming import pack
from psim.vectors import Dense
from psim.wire.encode import Encoded, encode
from psim.wire.messages import Kind, Packet
from psim.wire.size import Size

if TYPE_CHECKING:
    from psim.methods.base import Iterate, Message
    from psim.nodes.setup import Setup


class Outgoing:
    """What is sent at x^t: the model, the update that leads to it, or all ranks' messages.

    The model is there in any case, for ranks that don't have the iterate before it.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._dtype = setup.dtype(setup.model)

    def prepare(
        self, round: int, iterate: Iterate, update: Message | None, messages: Mapping[int, Message]
    ) -> None:
        """Round t begins: ``update`` and ``messages`` led to x^t; x^0 has none. Where x is rounded
        for the wire, the iterate keeps what is sent.
        """
        downlink = self._setup.method.downlink
        self._after: list[Encoded] = []
        if update is None or downlink == "model":
            self._lead = self._model = self._rounded(round, iterate, update)
            return
        self._model = Packet(Kind.MODEL, round, 0, (Dense(iterate.x),))
        if downlink == "update":
            self._lead = pack(update, self._setup.traits.update, Kind.UPDATE, round)
            return
        self._lead = Packet(Kind.GATHERED, round)
        uplink = self._setup.traits.uplink
        self._after = [
            self._encoded(pack(messages[rank], uplink, Kind.PASSED_ON, round, rank))
            for rank in sorted(messages)
        ]

    def common(self) -> Encoded:
        """For all ranks alike."""
        return self._whole(self._lead)

    def model(self) -> Encoded:
        """For those that don't have x^{t-1}."""
        return self._encoded(self._model)

    def copy(self, rank: int, behind: bool) -> Encoded:
        """For one rank alone. Its size is counted as the common one's: only beyond rank 126 the
        address takes a byte or two more.
        """
        if behind:
            return self._encoded(replace(self._model, rank=rank + 1))
        return self._whole(replace(self._lead, rank=rank + 1))

    def _whole(self, lead: Packet) -> Encoded:
        if not self._after:
            return self._encoded(lead)
        parts = [self._encoded(lead), *self._after]
        size = Size(sum(p.size.payload for p in parts), sum(p.size.framed for p in parts))
        return Encoded([frame for part in parts for frame in part.frames], size)

    def _encoded(self, packet: Packet) -> Encoded:
        return encode(packet, self._setup.indices)

    def _rounded(self, round: int, iterate: Iterate, update: Message | None) -> Packet:
        """x^t, and what workers are sent beside it."""
        # Where all take part, x moves only once all of them have it, and is sent as it is.
        x, own = iterate.x, self._setup.participation.partial
        if own or x.dtype != self._dtype:
            x = iterate.x.to(self._dtype, copy=own)
        if x.dtype != iterate.x.dtype:
            iterate.x.copy_(x)
        packet = Packet(Kind.MODEL, round, 0, (Dense(x),))
        schema = self._setup.traits.beside
        if update is None or schema.empty:
            return packet
        beside = pack(update, schema, Kind.MODEL, round)
        payloads = (*packet.payloads, *beside.payloads)
        return replace(packet, payloads=payloads, scalars=beside.scalars)
