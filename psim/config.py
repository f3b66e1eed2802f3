"""The structure of the YAML: one experiment, or several that vary it.

Only the structure stands here; what a problem, a method or a compressor may be told is declared in
its own file. A document with ``sweep``, ``variants`` and ``seeds`` expands into one `Config` a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from psim import documents, ranks
from psim.costs import Compute
from psim.errors import ConfigError
from psim.network import Network
from psim.optimizer import Optimizer
from psim.participation import Participation
from psim.paths import FilePath
from psim.quantities import Bytes, Seconds
from psim.registry import FAMILIES, Model, Piece, build, explain
from psim.schedule import Schedule


def _piece(value: object, info: ValidationInfo) -> Piece:
    if isinstance(value, Piece):
        return value
    return build(FAMILIES[str(info.field_name)], value, info.context)


AnyPiece = Annotated[
    SerializeAsAny[Piece], BeforeValidator(_piece), PlainSerializer(lambda piece: piece.document())
]
ValueType = Literal["native", "float64", "float32", "float16", "bfloat16"]


class Start(Model):
    """x^0. ``optimum`` is the minimizer plus ``offset`` in every coordinate. Without a kind it is
    the problem's own: zeros, or what a network is initialized with.
    """

    kind: Literal["zeros", "normal", "file", "optimum"] | None = None
    std: float = Field(1.0, gt=0)
    seed: int | None = Field(None, ge=0, lt=2**63)
    path: FilePath | None = None
    offset: float = 0.0

    @model_validator(mode="after")
    def _complete(self) -> Start:
        if (self.kind == "file") != (self.path is not None):
            raise ConfigError("start.path goes with kind: file, and kind: file needs it")
        return self


def _schedule(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


class StepSize(Model):
    """γ: a number, or a rule times ``multiple``. ``mu`` is the PL constant of Theorem 3, and
    ``schedule`` makes γ_t of γ.
    """

    rule: Literal["constant", "theorem2", "theorem3", "inverse_L"] = "theorem2"
    value: float | None = Field(None, gt=0)
    multiple: float = Field(1.0, gt=0)
    mu: float | None = Field(None, gt=0)
    schedule: Annotated[Schedule, BeforeValidator(_schedule)] = Schedule()

    @property
    def plain(self) -> bool:
        """Whether a number says all."""
        return self.multiple == 1 and self.schedule.kind == "constant" and self.value is not None

    @model_validator(mode="after")
    def _complete(self) -> StepSize:
        if (self.rule == "constant") != (self.value is not None):
            raise ConfigError("value goes with rule: constant, and rule: constant needs it")
        if self.rule == "theorem3" and self.mu is None:
            raise ConfigError("rule: theorem3 needs mu, the PL constant: add mu: a number above 0")
        return self


class Wire(Model):
    """How values and indices travel. ``native`` is the problem's own type. Indices are ``raw``
    integers, ``coded`` near the entropy bound, or in each message the smaller of the two.
    """

    values: ValueType = "native"
    model: ValueType = "native"
    indices: Literal["raw", "coded", "auto"] = "auto"


class Metrics(Model):
    """Which rounds are recorded: 0, every, 2 every, …, and the last. ``full``: in which of them f
    and its gradient are evaluated on all data: 0, full, 2 full, …, and the last; by default in all,
    and with minibatches in none. ``ranks``: where the time of every round went, rank by rank, in
    ranks.jsonl.
    """

    every: int = Field(1, ge=1)
    full: int | None = Field(None, ge=1)
    ranks: bool = False

    @model_validator(mode="after")
    def _recorded(self) -> Metrics:
        if self.full is not None and self.full % self.every:
            raise ConfigError(
                f"{self.full} is no multiple of every = {self.every}, and f is evaluated where "
                f"there is a row: use a multiple of {self.every}",
                "full",
            )
        return self


class Evaluate(Model):
    """In which rounds a network is tested: 0, every, 2 every, …, and the last. ``by``: rank 0 on
    the whole test set, or every rank on a part of it.
    """

    every: int = Field(ge=1)
    by: Literal["one", "all"] = "one"


class Deadlines(Model):
    """How long psim waits: for workers to join, and for a sign of life from a peer."""

    join: Seconds = 60.0
    silence: Seconds = 60.0


class Stop(Model):
    """Ends a run before its last round. ``bytes``: framed, both directions; ``bits``: up_bits."""

    grad_norm_sq: float | None = Field(None, gt=0)
    time: Seconds | None = None
    bytes: Bytes | None = None
    bits: float | None = Field(None, gt=0)


def _step_size(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"rule": "constant", "value": value}
    return value


class Config(Model):
    """One run."""

    name: str = Field("run", pattern=r"^[\w][\w.+=,@-]*$", max_length=120)
    rounds: int = Field(0, ge=1, lt=2**31, validate_default=False)
    """T; 0 until the problem is opened, where ``epochs`` says it."""
    epochs: float | None = Field(None, gt=0, lt=2**31)
    workers: int = Field(ge=1, le=1_000_000)
    seed: int = Field(0, ge=0, lt=2**63)
    processes: int | None = Field(None, ge=1)
    transport: Literal["tcp", "inproc"] = "tcp"
    security: Literal["none"] = "none"
    problem: AnyPiece
    start: Start = Start()
    method: AnyPiece
    compressor: AnyPiece = Field(default={"name": "identity"}, validate_default=True)
    step_size: Annotated[StepSize, BeforeValidator(_step_size)] = StepSize()
    network: Network = Network()
    compute: Compute = Compute()
    participation: Participation = Participation()
    optimizer: Optimizer | None = None
    wire: Wire = Wire()
    metrics: Metrics = Metrics()
    evaluate: Evaluate | None = None
    deadlines: Deadlines = Deadlines()
    stop: Stop = Stop()

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        if not self.rounds and self.epochs is None:
            raise ConfigError("this key is missing: give it a value", "rounds")
        if self.rounds and self.epochs is not None:
            raise ConfigError(f"{self.epochs:g} says what rounds says: leave one out", "epochs")
        if self.evaluate is not None and self.evaluate.every % self.metrics.every:
            raise ConfigError(
                f"{self.evaluate.every} is no multiple of metrics.every = {self.metrics.every}, "
                f"and tests are where there is a row: use a multiple of {self.metrics.every}",
                "evaluate.every",
            )
        if self.processes is not None and self.processes > self.workers:
            raise ConfigError(
                f"{self.processes} exceeds workers = {self.workers}: a process hosts at least one "
                f"rank, so use processes <= {self.workers}",
                "processes",
            )
        self.network.check(self.workers)
        if self.network.clock == "real" and self.transport == "inproc":
            raise ConfigError(
                "'real' holds messages between processes: use transport: tcp, or clock: virtual",
                "network.clock",
            )
        if self.network.clock == "none" and self.metrics.ranks:
            raise ConfigError(
                "ranks.jsonl is about emulated time, and with network.clock: none there is none: "
                "use clock: virtual or real",
                "metrics.ranks",
            )
        ranks.check(self.compute.factors or (), self.workers, "compute.factors")
        self.participation.check(self.workers, self.network.clock, self.compute.measured)
        return self

    def document(self) -> dict[str, object]:
        """The resolved config: running it again gives the same iterates."""
        whole = self.model_dump(mode="json", exclude_none=True)
        if not self.rounds:
            del whole["rounds"]
        if self.step_size.plain:
            whole["step_size"] = self.step_size.value
        return whole


def parse(document: Mapping[str, object], folder: Path | str = ".") -> Config:
    """One run's config; relative paths in it start at ``folder``. Raises ConfigError."""
    try:
        return Config.model_validate(document, context={"folder": str(folder)})
    except ValidationError as error:
        raise explain(error, Config) from None


def load(path: Path) -> dict[str, object]:
    """The document at ``path``, named after its file where it has no name of its own."""
    return {"name": path.stem, **documents.read(path)}
