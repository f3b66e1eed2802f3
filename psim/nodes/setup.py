"""What master and worker hosts agree on before the first round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from psim.compressors.base import Compressor
from psim.compressors.layers import bound
from psim.errors import ConfigError
from psim.methods.base import Iterate, Method, Traits
from psim.nodes.participation import Participation, participation
from psim.problems.base import Problem
from psim.problems.examples import Task
from psim.random import SHARED
from psim.segments import Segments
from psim.step import Step
from psim.vectors import torch
from psim.wire.decode import Expected

if TYPE_CHECKING:
    from psim.config import Config, Evaluate
    from psim.optimizer import Optimizer
    from psim.problems.batches import Batches
    from psim.schedule import Schedule
    from psim.wire.indices import Manner


@dataclass(frozen=True, slots=True)
class Setup:
    """A run as its nodes see it. ``size`` is d, ``workers`` n, ``rounds`` T, ``step_size`` γ.

    The compressor is that of the whole vector, its scope and its rules seen to; so are ``others``,
    those that are parameters of the method. Without a ``schedule`` γ_t is γ, and without
    ``batches`` gradients are those of f_i. ``layers`` counts what is compressed by itself.
    ``full``: in which rounds f and its gradient are evaluated on all data; 0 is never.
    ``evaluate``: in which ones a network is tested, at the ``task``. An epoch has ``per_epoch``
    rounds; None where there are no samples. ``averaged``: what ranks keep beside x is averaged
    before a test.
    """

    method: Method
    traits: Traits
    compressor: Compressor
    participation: Participation
    size: int
    workers: int
    rounds: int
    seed: int
    step_size: float
    others: Mapping[str, Compressor] = field(default_factory=dict)
    schedule: Schedule | None = None
    optimizer: Optimizer | None = None
    batches: Batches | None = None
    layers: int = 1
    every: int = 1
    full: int = 1
    native: str = "float64"
    values: str = "native"
    model: str = "native"
    indices: Manner = "auto"
    evaluate: Evaluate | None = None
    task: Task | None = None
    per_epoch: int | None = None
    averaged: bool = False

    def step(self, round: int, rank: int = SHARED) -> Step:
        """Round t as a rank sees it, or as the master does."""
        step_size = self.step_size
        if self.schedule is not None:
            step_size *= self.schedule.scale(round, self.rounds)
        exact = self.batches is None
        return Step(round, step_size, self.workers, self.seed, rank, exact=exact)

    def iterate(self, x0: torch.Tensor) -> Iterate:
        """The method's iterate at x^0, with the optimizer's state; takes over the tensor."""
        iterate = self.method.iterate(x0)
        if self.optimizer is not None:
            iterate.optimizer = self.optimizer.rule(x0)
        return iterate

    def due(self, round: int) -> bool:
        """Whether the round has a row: 0, every, 2 every, …, and T."""
        return round % self.every == 0 or round == self.rounds

    def complete(self, round: int) -> bool:
        """Whether the round's row, where it has one, has f and its gradient on all data."""
        return self.full > 0 and (round % self.full == 0 or round == self.rounds)

    def tests(self, round: int) -> bool:
        """Whether the network is tested in this round, which has a row."""
        every = 0 if self.evaluate is None else self.evaluate.every
        return every > 0 and (round % every == 0 or round == self.rounds)

    def reports(self, round: int) -> bool:
        """Whether the model that the method reports is needed in this round, where it has a row."""
        return self.complete(round) or self.tests(round)

    def averages_statistics(self, round: int) -> bool:
        """Whether what ranks keep beside x is averaged in this round, which has a row."""
        return self.averaged and self.tests(round)

    def part(self, rank: int, round: int) -> tuple[int, int] | None:
        """Which part of the test set a rank is tested on in this round, of how many; None: none."""
        if self.evaluate is None or not self.tests(round):
            return None
        if self.evaluate.by == "all":
            return rank, self.workers
        return None if rank else (0, 1)

    def expected(self) -> Expected:
        """What a receiver of this run's vector messages takes."""
        traits = self.traits
        model = 1 + len(traits.beside.payloads)
        fields = max(
            model, len(traits.uplink.payloads), len(traits.update.payloads), 1 + self.averaged
        )
        gathers = self.method.downlink == "gather"  # all messages come after one that says so
        together = self.workers + 1 if gathers else 0
        return Expected(self.size, self.workers, self.rounds, fields, together)

    def dtype(self, name: str) -> torch.dtype:
        """The tensor type of a config's word; ``native`` is the problem's own."""
        found = getattr(torch, self.native if name == "native" else name)
        assert isinstance(found, torch.dtype)
        return found


class Facts(Protocol):
    """What the nodes need to know of a problem with its data: `psim.data.opened.Opened`."""

    size: int
    native: str
    task: Task | None
    averaged: bool

    @property
    def segments(self) -> Segments: ...
    @property
    def per_epoch(self) -> int | None: ...


def agree(config: Config, opened: Facts, step_size: float) -> Setup:
    """The setup of a config, once its problem is opened and the step size is known.

    Raises ConfigError where method, compressor and problem do not fit together.
    """
    size, layers = opened.size, opened.segments
    method, compressor = config.method, config.compressor
    assert isinstance(method, Method)
    assert isinstance(compressor, Compressor)
    method.check(compressor)
    traits = method.traits()
    who = participation(config)
    if who.partial and not traits.partial:
        raise ConfigError(
            f"{config.participation.kind!r}: method {method.name!r} needs every rank's message in "
            "every round: use participation: {kind: all}, or a method like gd or dcgd",
            "participation.kind",
        )
    if who.timed and who.late == "drop" and traits.accumulates:
        raise ConfigError(
            f"'drop': method {method.name!r} adds up what workers send, and may lose no message: "
            "use late: next",
            "participation.late",
        )
    for leveled in method.at_levels(compressor):
        _fitted(leveled, size, step_size, layers)
    _check_optimizer(config, method, who.partial)
    if method.downlink != "model" and config.wire.model != "native":
        raise ConfigError(
            f"{config.wire.model!r} rounds a model that does not travel with method.downlink: "
            f"{method.downlink}: use wire.model: native, or method.downlink: model",
            "wire.model",
        )
    problem = config.problem
    assert isinstance(problem, Problem)
    batches = problem.batches(config.seed)
    full = config.metrics.full or (1 if batches is None else 0)
    if not full and config.stop.grad_norm_sq is not None:
        raise ConfigError(
            "with minibatches nobody computes ∇f: add metrics: {full: K}, to have it every K "
            "rounds, or leave this out",
            "stop.grad_norm_sq",
        )
    if config.evaluate is not None and opened.task is None:
        raise ConfigError(
            f"problem {problem.name} has no test set here: leave this out, or use problem: torch "
            "with a data set that has one (or holdout: a number of examples)",
            "evaluate",
        )
    schedule = config.step_size.schedule.in_rounds(opened.per_epoch or 1)
    return Setup(
        method=method,
        traits=traits,
        compressor=_fitted(compressor, size, step_size, layers),
        others=_own(method, size, step_size, layers),
        schedule=None if schedule.kind == "constant" else schedule,
        optimizer=config.optimizer,
        batches=batches,
        layers=len(layers) if compressor.scope == "layer" else 1,
        participation=who,
        size=size,
        workers=config.workers,
        rounds=config.rounds,
        seed=config.seed,
        step_size=step_size,
        every=config.metrics.every,
        full=full,
        native=opened.native,
        evaluate=config.evaluate,
        task=opened.task,
        per_epoch=opened.per_epoch,
        averaged=opened.averaged,
        values=config.wire.values,
        model=config.wire.model,
        indices=config.wire.indices,
    )


def _fitted(compressor: Compressor, size: int, step_size: float, segments: Segments) -> Compressor:
    """The compressor for vectors of these layers. Raises ConfigError."""
    fitted = bound(compressor.settled(size, step_size), segments)
    fitted.check(size)
    return fitted


def _own(method: Method, size: int, step_size: float, segments: Segments) -> dict[str, Compressor]:
    """The method's own compressors, by their keys. Raises ConfigError."""
    found = {}
    for key, compressor in method.compressors().items():
        try:
            found[key] = _fitted(compressor, size, step_size, segments)
        except ConfigError as error:
            path = error.path.removeprefix("compressor").removeprefix(".")
            raise ConfigError(
                error.message, ".".join(filter(None, ("method", key, path)))
            ) from None
    return found


def _check_optimizer(config: Config, method: Method, partial: bool) -> None:
    """Raises ConfigError where there is one and the method takes none, or not so."""
    if config.optimizer is None:
        return
    name = config.optimizer.name
    if not method.traits().optimized:
        raise ConfigError(
            f"{name!r}: method {method.name!r} takes no optimizer: leave it out, or use a method "
            "like sgd, ef_sgd or ef21",
            "optimizer",
        )
    if partial and method.downlink != "model":
        raise ConfigError(
            f"{name!r}: ranks that miss updates are sent x, and not the optimizer's moments: use "
            "method.downlink: model",
            "optimizer",
        )
