"""ACCORDION (Agarwal et al. 2021, "Accordion: adaptive gradient communication via critical learning
regime identification"), Algorithm 1, around another method.

``levels: [low, high]`` stand in for the compressor's main parameter. A layer is at ``high`` in
critical regimes, and at ``low`` outside of them. Every ``window`` rounds, for each layer:

    Δ_i ← the sum of the gradients g_i of the window's rounds, as the inner method asks for them
          first, before any feedback; worker i sends ‖Δ_i‖ with its last message of the window
    D   ← (1/n) Σ ‖Δ_i‖
    critical where |D_before - D| ≥ η D_before        or where the step size falls (all layers)

The answer comes beside x and holds from the next round on. The first two windows are critical:
there is nothing to compare the first one with. Norms and answers are counted. (The paper's program
lets worker 0's norm decide for all, and its window is an epoch.)

A layer is what the compressor compresses by itself: with ``scope: model`` all of x is one. Levels
change indices that all ranks share (rbgs, shared Rand-k), so that these travel here. Step-size
rules follow the compressor as the config gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationInfo,
    model_validator,
)

from psim.compressors.base import Compressor, Level, Read
from psim.errors import ConfigError
from psim.methods.base import (
    Array,
    Compress,
    Iterate,
    Master,
    Message,
    Method,
    Schema,
    Traits,
    Whole,
    Worker,
)
from psim.methods.levels import at_each, check_leveled, with_indices
from psim.registry import build
from psim.vectors import torch

if TYPE_CHECKING:
    from psim.step import Step


@dataclass(slots=True)
class Adapting(Worker):
    """The inner worker; the gradients' sum in this window; and which layers are critical: bool,
    shape (layers,), None where all are. ``step_size`` is the last round's.
    """

    inner: Worker
    low: Level
    high: Level
    window: int
    total: torch.Tensor
    critical: torch.Tensor | None = None
    step_size: float = 0.0

    def queries(self, x: torch.Tensor, step: Step) -> tuple[torch.Tensor | Whole, ...]:
        return self.inner.queries(x, step)

    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        self.total.add_(gradients[0])
        if _falls(self.step_size, step, self.window):
            self.critical = None
        self.step_size = step.step_size
        sent = self.inner.message(gradients, step, self._leveled(compress))
        payloads = {name: with_indices(payload) for name, payload in sent.payloads.items()}
        if (step.round + 1) % self.window:
            return Message(payloads, sent.scalars)
        norms = [float(torch.linalg.vector_norm(part)) for part in compress.split(self.total)]
        self.total.zero_()
        return Message(payloads, sent.scalars, tuple(norms))

    def _leveled(self, compress: Compress) -> Compress:
        if self.critical is None:
            return compress.leveled(self.high)
        levels = [self.high if critical else self.low for critical in self.critical.tolist()]
        return compress.leveled(levels if len(levels) > 1 else levels[0])

    def receive(self, beside: Message, step: Step) -> None:
        if beside.by_layer:
            self.critical = torch.tensor(beside.by_layer, dtype=torch.bool)
        if beside.payloads or beside.scalars:
            self.inner.receive(replace(beside, by_layer=()), step)

    def estimate_of_gradient(self) -> torch.Tensor | None:
        return self.inner.estimate_of_gradient()

    def error_kept(self) -> torch.Tensor | None:
        return self.inner.error_kept()

    def residual(self) -> torch.Tensor | None:
        return self.inner.residual()


@dataclass(slots=True)
class Deciding(Master):
    """The inner master; the mean norms of the last window, shape (layers,), and what follows from
    them as in `Adapting`; empty before the first window is over.
    """

    inner: Master
    eta: float
    window: int
    norms: torch.Tensor
    critical: torch.Tensor
    step_size: float = 0.0

    def aggregate(self, messages: Mapping[int, Message], step: Step) -> Message:
        update = self.inner.aggregate(messages, step)
        if _falls(self.step_size, step, self.window):
            self.critical = torch.ones_like(self.critical)
        self.step_size = step.step_size
        if (step.round + 1) % self.window:
            return update
        measured = [messages[rank].by_layer for rank in sorted(messages)]
        norms = torch.tensor(measured, dtype=torch.float64).mean(0)
        if self.norms.numel():
            self.critical = (self.norms - norms).abs() >= self.eta * self.norms
        else:
            self.critical = torch.ones_like(norms, dtype=torch.bool)
        self.norms = norms
        return Message(update.payloads, update.scalars, tuple(self.critical.tolist()))

    def observed(self, messages: Mapping[int, Message], step: Step) -> Mapping[str, float]:
        every = not self.critical.numel() or _falls(self.step_size, step, self.window)
        levels = [1.0] if every else self.critical.double().tolist()
        return {
            **self.inner.observed(messages, step),
            "level": sum(levels) / len(levels),
            **({} if every else {f"level_{layer}": each for layer, each in enumerate(levels)}),
        }


def _falls(before: float, step: Step, window: int) -> bool:
    """Whether a window begins with a smaller step size than the last round's."""
    return step.round % window == 0 and step.step_size < before


def _method(value: object, info: ValidationInfo) -> object:
    return value if isinstance(value, Method) else build("methods", value, info.context)


AnyMethod = Annotated[
    SerializeAsAny[Method],
    BeforeValidator(_method),
    PlainSerializer(lambda method: method.document()),
]


class Accordion(Method):
    """Two levels of compression, the higher one while gradients' norms change fast."""

    name: ClassVar[str] = "accordion"
    paper: ClassVar[str] = "Agarwal et al. 2021, Algorithm 1"

    inner: AnyMethod
    levels: tuple[Level, Level]
    eta: float = Field(0.5, ge=0)
    window: int = Field(ge=1)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        name, inner = self.inner.name, self.inner.traits()
        if self.inner.compressors() or inner.uplink.by_layer:
            raise ConfigError(
                f"{name!r} has compressors or levels of its own: use a method with one compressor, "
                "like ef, ef_sgd, def or ef21",
                "inner",
            )
        if self.downlink not in get_args(type(self.inner).model_fields["downlink"].annotation):
            raise ConfigError(f"{self.downlink!r}: method {name!r} does not have it", "downlink")
        return self

    def traits(self) -> Traits:
        inner = self.inner.traits()
        return replace(
            inner,
            uplink=_by_layer(inner.uplink),
            update=_by_layer(inner.update),
            beside=_by_layer(inner.beside),
            partial=False,
        )

    def check(self, compressor: Compressor) -> None:
        check_leveled(compressor)
        self.inner.check(compressor)
        if len(self.inner.at_levels(compressor)) > 1:
            raise ConfigError(
                f"{self.inner.name!r} changes the compressor's level too: leave out its warmup",
                "method.inner",
            )

    def at_levels(self, compressor: Compressor) -> tuple[Compressor, ...]:
        return at_each(compressor, self.levels, "method.levels")

    def opened(self, read: Read, optimum: Callable[[], Array], size: int) -> Self:
        return self.model_copy(update={"inner": self.inner.opened(read, optimum, size)})

    def iterate(self, x0: torch.Tensor) -> Iterate:
        return self.inner.iterate(x0)

    def worker(self, x0: torch.Tensor) -> Worker:
        low, high = self.levels
        return Adapting(self.inner.worker(x0), low, high, self.window, torch.zeros_like(x0))

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        inner, unknown = self.inner.master(x0, workers), x0.new_zeros(0, dtype=torch.float64)
        return Deciding(inner.total, inner, self.eta, self.window, unknown, unknown.bool())


def _by_layer(schema: Schema) -> Schema:
    return replace(schema, by_layer=True)
