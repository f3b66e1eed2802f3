"""What ``problem.dataset_args`` may say: each source has its own keys, and all have ``limit``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, ValidationError

from psim.registry import Model, explain

PATH = "problem.dataset_args"


class Limit(Model):
    """How many examples are used, from the first one on; all where nothing is said."""

    train: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class Settings(Model):
    """What every source takes."""

    limit: Limit = Limit()
    holdout: int | None = Field(None, ge=1)
    """How many examples at the end of the training set become the test set, where it has none."""


AnySettings = TypeVar("AnySettings", bound=Settings)


def settings(kind: type[AnySettings], args: Mapping[str, object]) -> AnySettings:
    """The keys of ``args`` checked against what ``kind`` takes. Raises ConfigError."""
    try:
        return kind.model_validate(dict(args))
    except ValidationError as error:
        raise explain(error, kind).within(PATH) from None
