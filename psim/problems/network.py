"""Networks: an `nn.Module`, a loss and a data set, as the papers train them.

f_i(x) is the mean loss of worker i's examples, x the module's parameters as one flat vector in the
order of ``named_parameters()``, each of which is a layer (a segment) of it. ``weight_decay`` w adds
(w/2)‖x‖² to every f_i: w x is part of the gradient that a method is given, ahead of its compressor,
where ``optimizer.weight_decay`` adds it to the aggregate. What depends on PyTorch is in
`psim.problems.learning`; here stands what a config may say.
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from psim.errors import ConfigError, nearest
from psim.paths import resolve
from psim.problems.base import BatchSize, Problem
from psim.problems.datasets import LEARNING_NAMES, LIBSVM_NAMES

CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""``module:callable``."""
GIVEN = "given"
"""The model and the data set of a problem that was brought from Python: `psim.TorchProblem`."""
LOSSES = ("cross_entropy", "mse", "binary_cross_entropy")
Augment = Annotated[str | dict[str, object], Field(union_mode="left_to_right")]


def _dataset(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or value in (GIVEN, *LEARNING_NAMES, *LIBSVM_NAMES):
        return value
    return value if CALLABLE.fullmatch(value) else resolve(value, info)


def _loss(value: object) -> object:
    if isinstance(value, str) and (value in (GIVEN, *LOSSES) or CALLABLE.fullmatch(value)):
        return value
    raise ConfigError(f"{value!r}: {nearest(str(value), LOSSES)}, or module:callable")


class Network(Problem):
    """A network: any nn.Module, with a loss, on a data set."""

    name: ClassVar[str] = "torch"
    paper: ClassVar[str] = "EF21, Section 5 (deep learning)"

    model: str
    model_args: dict[str, object] = Field(default_factory=dict)
    dataset: Annotated[str, BeforeValidator(_dataset)]
    dataset_args: dict[str, object] = Field(default_factory=dict)
    partition: Literal["contiguous", "shuffled", "dirichlet", "class", "batches"] = "contiguous"
    alpha: float | None = Field(None, gt=0)
    batch: BatchSize = 128
    augment: tuple[Augment, ...] = ()
    loss: Annotated[str, BeforeValidator(_loss)] = "cross_entropy"
    clip: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    batch_norm: Literal["local", "averaged"] = "local"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.partition == "dirichlet") != (self.alpha is not None):
            raise ConfigError("alpha goes with partition: dirichlet, which needs it", "alpha")
        if self.partition == "batches" and self.batch == "full":
            raise ConfigError("'full': partition: batches needs batch: a number", "batch")
        if self.smoothness != "pooled" or self.f_star == "compute":
            key = "f_star" if self.f_star == "compute" else "smoothness"
            raise ConfigError("nobody can compute this for a network: leave it out", key)
        return self

    @property
    def convex(self) -> bool:
        return False

    def lower_bound(self) -> float | None:
        """0 for the losses that psim has; unknown for others."""
        return 0.0 if self.loss in LOSSES else None
