"""What a method is: three small state machines that a file declares.

An `Iterate`, a `Worker` and a `Master` are dataclasses: their fields are the whole state, and so
the checkpoint; their methods are arithmetic. In round t, at x^t:

    Worker.queries, gradients, Worker.message    compress what is to be sent, update the state
    Master.aggregate                             one update of all messages, in rank order
    Master.compress                              what of it is broadcast, where that is compressed
    Iterate.advance                              from x^t to x^{t+1}
    Worker.receive                               what comes beside x^{t+1}, where anything does

`Iterate.advance` is the only code that moves an iterate, at the master and at workers that are sent
updates, so that all hold the same floats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from psim import vectors
from psim.compressors.base import Compressor, Level, Read
from psim.registry import Piece
from psim.vectors import Dense, Payload, subtract_scaled_, torch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from psim.optimizer import Rule
    from psim.step import Step

Scalar = bool | int | float
Array = NDArray[np.float64]
Downlink = Literal["model", "update", "gather"]
Theorems = Literal["ef21", "feedback", "detached"] | None
MAIN = "compressor"
"""The name of the config's own compressor beside those that a method has as its keys."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The names of what travels, in the order in which it travels.

    The last ``optional`` payloads may be left out, from the end. ``by_layer``: the named scalars
    are followed by one for each layer that is compressed by itself, or by none. ``compressed``
    names the compressor whose rule gives a payload's indices, where it is not the config's own.
    """

    payloads: tuple[str, ...]
    scalars: tuple[str, ...] = ()
    optional: int = 0
    by_layer: bool = False
    compressed: Mapping[str, str] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing travels."""
        return not (self.payloads or self.scalars or self.by_layer)


@dataclass(frozen=True, slots=True)
class Message:
    """Named payloads and scalars: a worker's message of a round, or the master's update."""

    payloads: Mapping[str, Payload]
    scalars: Mapping[str, Scalar] = field(default_factory=dict)
    by_layer: tuple[Scalar, ...] = ()


class Together(ABC, Mapping[int, Message]):
    """Messages of many ranks that are kept in another form than one by one."""

    @abstractmethod
    def mean(self, count: int, total: torch.Tensor) -> Payload:
        """`vectors.mean` of their payloads in rank order, to the bit."""


def mean(messages: Mapping[int, Message], name: str, count: int, total: torch.Tensor) -> Payload:
    """(1/count) Σ of the messages' payloads of that name, in rank order; the rest is as for
    `vectors.mean`.
    """
    if not isinstance(messages, dict) and isinstance(messages, Together):  # an ABC is slow to ask
        return messages.mean(count, total)
    return vectors.mean([messages[rank].payloads[name] for rank in sorted(messages)], count, total)


@dataclass(frozen=True, slots=True)
class Whole:
    """A point at which f_i itself is wanted, and not its minibatch."""

    point: torch.Tensor


class Compress(Protocol):
    """A compressor as a method sees it: state and type on the wire are taken care of."""

    def __call__(self, vector: torch.Tensor) -> Payload:
        """C(vector), as it will arrive."""

    def difference(self, target: torch.Tensor, kept: torch.Tensor) -> Payload:
        """C(target - kept), as it will arrive."""

    def after_adding(self, kept: torch.Tensor, vector: torch.Tensor, factor: float) -> Payload:
        """kept ← kept + factor · vector, in place, a product, then a sum; and C(kept), as it will
        arrive.
        """

    def whole(self, vector: torch.Tensor) -> Dense:
        """The vector uncompressed, as it will arrive."""

    def leveled(self, level: Level | Sequence[Level] | None) -> Compress:
        """The same compressor, of the same state, at another level; of one a layer with a list."""

    def by(self, key: str) -> Compress:
        """Another compressor of the method: the one that is its ``key``."""

    def split(self, vector: torch.Tensor) -> Sequence[torch.Tensor]:
        """Views of the layers that it compresses by themselves: those that may have a level each.
        The vector itself where it is compressed as a whole.
        """


@dataclass(slots=True)
class Iterate(ABC):
    """What master and workers hold bit for bit alike: x, and what the update needs with it.

    ``optimizer`` is the rule of the config's ``optimizer``, for methods that take one.
    """

    x: torch.Tensor
    optimizer: Rule | None = field(default=None, kw_only=True)

    @abstractmethod
    def advance(self, update: Message, step: Step) -> None:
        """Move from x^t to x^{t+1}, in place; ``step`` is round t's."""

    def descend(self, direction: Payload, step: Step) -> None:
        """x ← x - γ v, a product, then a subtraction; v is what the optimizer makes of the
        direction, where there is one.
        """
        if self.optimizer is not None:
            dense = vectors.densify(direction, self.x.dtype)
            direction = Dense(self.optimizer.direction(dense, self.x, step.round))
        subtract_scaled_(self.x, direction, step.step_size)


@dataclass(slots=True)
class Worker(ABC):
    """One rank's state."""

    def queries(self, x: torch.Tensor, step: Step) -> tuple[torch.Tensor | Whole, ...]:
        """Where to differentiate f_i: usually at x. All points that are no `Whole` are
        differentiated on the same minibatch.
        """
        return (x,)

    @abstractmethod
    def message(
        self, gradients: tuple[torch.Tensor, ...], step: Step, compress: Compress
    ) -> Message:
        """What to send at x^t, given the gradients at the queries; updates the state."""

    def receive(self, beside: Message, step: Step) -> None:
        """What came beside x^{t+1} (`Method.beside`), where a method has that; ``step`` is round
        t's.
        """
        raise NotImplementedError

    def estimate_of_gradient(self) -> torch.Tensor | None:
        """g_i, the estimate of ∇f_i that the master has, where the method keeps one."""
        return None

    def error_kept(self) -> torch.Tensor | None:
        """e_i, what was meant and not sent yet, where the method keeps it."""
        return None

    def residual(self) -> torch.Tensor | None:
        """r_i of a method that reports x - (1/n) Σ r_i (`Method.averages`), taken before the
        message at x.
        """
        return None


@dataclass(slots=True)
class Master:
    """The master's state: a buffer to sum in. By itself it averages the workers' messages."""

    total: torch.Tensor

    def aggregate(self, messages: Mapping[int, Message], step: Step) -> Message:
        """(1/n) Σ c_i, in rank order."""
        return Message({"u": mean(messages, "c", step.workers, self.total)})

    def compress(self, update: Message, step: Step, compress: Compress) -> Message:
        """The update as it is broadcast, for a method that compresses the downlink; ``compress``
        is its ``compressor_down``.
        """
        return update

    def observed(self, messages: Mapping[int, Message], step: Step) -> Mapping[str, float]:
        """What a row records of a round's messages: some of `OBSERVED`."""
        return {}


OBSERVED = ("plain", "level")
"""``plain``: the fraction of workers on EF21+'s plain branch. ``level``: the share of layers that
are at the higher of two levels; ``level_0``, ``level_1``, … may come with it, 1 for a layer that is
there and 0 for one that is not."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What the nodes need to know of a method; see its class variables."""

    uplink: Schema
    update: Schema
    beside: Schema
    starts: bool
    partial: bool
    accumulates: bool
    averages: bool
    optimized: bool


class Method(Piece, ABC):
    """An algorithm: makes the three state machines.

    ``downlink`` says what is broadcast: x^{t+1}; the update that leads to it; or all messages, for
    each worker to aggregate. A method that has not all of them narrows the type.
    """

    downlink: Downlink = "model"

    starts: ClassVar[bool] = False
    """Whether the message at x^0 only starts the method (EF21's g_i^0), and is counted apart."""
    partial: ClassVar[bool] = False
    """Whether a round may go by with the messages of some ranks only, and a message be used in a
    later round or not at all."""
    accumulates: ClassVar[bool] = False
    """Whether workers and master add up the same messages, so that none may be dropped."""
    averages: ClassVar[bool] = False
    """Whether the model reported is x less the mean of the workers' residuals. These are sent once
    after the last round."""
    optimized: ClassVar[bool] = False
    """Whether its iterate descends along the aggregate, and so takes the config's ``optimizer``."""
    theorems: ClassVar[Theorems] = None
    """Whose guarantees hold for it, if any: EF21's, those of error feedback, or of DEF."""
    uplink: ClassVar[Schema] = Schema(("c",))
    update: ClassVar[Schema] = Schema(("u",))
    beside: ClassVar[Schema] = Schema(())
    """What of the update workers are sent in any case, beside x^{t+1} where that is broadcast."""

    def traits(self) -> Traits:
        """The class variables; a method that wraps another asks that one."""
        return Traits(
            self.uplink,
            self.update,
            self.beside,
            self.starts,
            self.partial,
            self.accumulates,
            self.averages,
            self.optimized,
        )

    def check(self, compressor: Compressor) -> None:
        """Raise ConfigError where the method cannot work with the compressor."""

    def at_levels(self, compressor: Compressor) -> tuple[Compressor, ...]:
        """The config's compressor at every level that the method may use. Raises ConfigError."""
        return (compressor,)

    def compressors(self) -> Mapping[str, Compressor]:
        """The method's own compressors, by their keys."""
        fields = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: value for key, value in fields.items() if isinstance(value, Compressor)}

    def opened(self, read: Read, optimum: Callable[[], Array], size: int) -> Self:
        """With what its files say in place of their paths; ``optimum`` gives x*, shape (size,). As
        `Compressor.opened`: only the master reads and computes, workers are told. Raises
        DataError, ConfigError.
        """
        return self

    @abstractmethod
    def iterate(self, x0: torch.Tensor) -> Iterate:
        """The iterate at x^0; takes over the tensor."""

    @abstractmethod
    def worker(self, x0: torch.Tensor) -> Worker:
        """A worker's state before its first message."""

    def master(self, x0: torch.Tensor, workers: int) -> Master:
        """The master's state before the first messages."""
        return Master(torch.empty_like(x0))


BASE = Method
