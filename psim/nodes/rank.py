"""One worker: its share of the data, its state, and what it does in a round."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from psim.errors import WireError
from psim.methods.base import Message, Whole, Worker
from psim.nodes.compression import Compression
from psim.nodes.devices import HOST
from psim.problems.base import TrainedShare
from psim.vectors import Dense, Payload, Shared, squared_norm, torch
from psim.wire.messages import Kind, Packet

if TYPE_CHECKING:
    from psim.problems.base import Share
    from psim.problems.batches import Batches
    from psim.step import Step


@dataclass(slots=True)
class Rank:
    """``gradients`` are the last round's, at the queries, and ``gradient`` ∇f_i(x) where it is
    among them. ``loss`` is that of the last minibatch, where it was asked for, and infinite where
    it is no number; of a network on all its data it only says that. ``error_norm_sq`` is ‖e_i‖²
    before the message, ``total_error`` its sum over the rounds so far (NaN: no e_i), and
    ``residual`` what `Worker.residual` gave then, in rounds where it may be collected.
    """

    rank: int
    share: Share
    state: Worker
    compression: Compression
    gradients: tuple[torch.Tensor, ...] = ()
    gradient: torch.Tensor | None = None
    loss: float = math.nan
    error_norm_sq: float = math.nan
    total_error: float = math.nan
    residual: torch.Tensor | None = None
    _trained: TrainedShare | None = field(init=False, default=None)
    """The share again, where it is a network's: to ask for a protocol takes longer than to look."""

    def __post_init__(self) -> None:
        self._trained = self.share if isinstance(self.share, TrainedShare) else None

    def differentiate(
        self, x: torch.Tensor, step: Step, batches: Batches | None, due: bool
    ) -> None:
        """The gradients at x^t. ``due``: the round has a row."""
        if self._trained is not None:
            self._trained.begin(step)
        self.gradients, self.residual = (), None  # their memory is that of the next ones
        queries = self.state.queries(x, step)
        if batches is None:
            self._on_all(queries, x)
        else:
            self._on_batch(queries, step, batches, due)

    def keep_residual(self) -> None:
        """Copy what is to be collected after the message, which changes it. Only now: a query is a
        vector that is gone once there are gradients.
        """
        residual = self.state.residual()
        self.residual = None if residual is None else residual.clone()

    def message(self, step: Step) -> Message:
        """Compress what follows from the gradients."""
        message = self.state.message(self.gradients, step, self.compression.at(step))
        if self._trained is not None and not step.exact:
            self.gradients = ()  # as large as the network, and no diagnostic asks for them
        return message

    def _on_all(self, queries: tuple[torch.Tensor | Whole, ...], x: torch.Tensor) -> None:
        """All points on all of the rank's data. A network's loss comes with its gradient: where it
        is not finite, the run ends in this round.
        """
        first, *others = [query.point if isinstance(query, Whole) else query for query in queries]
        if self._trained is None:
            gradient = self.share.gradient(first)
        else:
            loss, gradient = self.share.loss_and_gradient(first)
            self.loss = math.nan if math.isfinite(loss) else math.inf
        self.gradients = (gradient, *map(self.share.gradient, others))
        self.gradient = gradient if first is x else None

    def _on_batch(
        self,
        queries: tuple[torch.Tensor | Whole, ...],
        step: Step,
        batches: Batches,
        due: bool,
    ) -> None:
        """All points on one minibatch; its loss is that at the first of them, or that of f_i where
        only f_i itself is differentiated. A network's costs nothing, and is taken in every round: a
        run that diverges then ends where it does.
        """
        due = due or self._trained is not None
        count = self.share.rows
        assert count is not None, "only problems over samples have minibatches"
        batch = batches.rows(count, self.rank, step.round)
        found: list[torch.Tensor] = []
        self.gradient, self.loss = None, math.nan
        for query in queries:
            if isinstance(query, Whole):
                found.append(self.share.gradient(query.point))
            elif due and math.isnan(self.loss):
                loss, gradient = self.share.loss_and_gradient(query, batch)
                self.loss = math.inf if math.isnan(loss) else loss  # NaN says: not computed
                found.append(gradient)
            else:
                found.append(self.share.gradient(query, batch))
        first = queries[0]
        if due and isinstance(first, Whole) and math.isnan(self.loss):
            self.loss = float(self.share.loss(first.point))
        self.gradients = tuple(found)

    @np.errstate(all="ignore")  # a run that diverges overflows; its row says so
    def look(self) -> None:
        """Before the message of a round: what is recorded of the state."""
        error = self.state.error_kept()
        if error is not None:
            self.error_norm_sq = squared_norm(error)
            before = 0.0 if math.isnan(self.total_error) else self.total_error
            self.total_error = before + self.error_norm_sq

    @np.errstate(all="ignore")
    def diagnostic(
        self,
        x: torch.Tensor,
        round: int,
        known: bool,
        complete: bool,
        part: tuple[int, int] | None = None,
        tested: bool = False,
    ) -> Packet:
        """What a row of x^t wants to know of this rank: where it is ``complete`` f_i and ∇f_i at x,
        and ‖g_i - ∇f_i‖² after this round's message; ‖e_i‖² before it, and its sum so far. NaN
        where the method has no such thing. ``known``: x is where the round's message was made.
        Where the network is ``tested``, what the rank's ``part`` of the test set says follows.
        """
        errors: tuple[float, ...] = (self.error_norm_sq, self.total_error)
        if tested:
            errors = (*errors, *self._test(x, part))
        if not complete:
            return Packet(Kind.DIAGNOSTIC, round, self.rank, (), (math.nan, math.nan, *errors))
        gradient = self.gradient if known else None
        if gradient is None:
            gradient = self.share.gradient(x)
        estimate = self.state.estimate_of_gradient()
        distortion = math.nan if estimate is None else squared_norm(estimate - gradient)
        scalars = (float(self.share.loss(x)), distortion, *errors)
        return Packet(Kind.DIAGNOSTIC, round, self.rank, (Dense(gradient.to(HOST)),), scalars)

    def _test(self, x: torch.Tensor, part: tuple[int, int] | None) -> tuple[float, float, float]:
        """Sums of the loss and the score, and over how many examples."""
        if part is None:
            return 0.0, 0.0, 0.0
        assert self._trained is not None, "only networks are tested"
        loss, score, count = self._trained.test(x, *part)
        return loss, score, float(count)

    def kept_back(self, round: int, statistics: bool) -> Packet:
        """The residual of this round, where the method has one, and what is kept beside x, where
        these ``statistics`` are asked for. Raises WireError where there is neither.
        """
        kept: list[Payload] = []
        if self.residual is not None:
            kept.append(Dense(self.residual.to(HOST)))
        if statistics:
            assert self._trained is not None, "only networks have any"
            kept.append(Shared(self.share.size, self._trained.statistics()))
        if not kept:
            raise WireError("COLLECT, and this method reports x itself")
        return Packet(Kind.RESIDUAL, round, self.rank, tuple(kept))

    def take_statistics(self, values: torch.Tensor) -> None:
        """Go on with the ranks' average of what they keep beside x. Raises WireError."""
        assert self._trained is not None, "only networks have any"
        if values.numel() != self._trained.statistics().numel():
            raise WireError(f"{values.numel()} numbers in the place of what is kept beside x")
        self._trained.take_statistics(values)
