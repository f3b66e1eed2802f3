"""What the key ``dataset`` may say: the name of a known data set, or the path of a LIBSVM file.

Only the names stand here, so that a config is checked without reading a file; `psim.data.known`
has the facts.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from psim.errors import ConfigError
from psim.paths import resolve

SHIPPED_NAMES = ("breast_cancer", "digits")
"""In scikit-learn, so always there."""

LIBSVM_NAMES = ("a9a", "a9a.t", "madelon", "madelon.t", "mushrooms", "phishing", "w8a")
"""On the LIBSVM site."""

NAMES = (*SHIPPED_NAMES, *LIBSVM_NAMES)

LEARNING_NAMES = (
    "cifar10",
    "cifar100",
    "cifar10_lossless4000",
    "wikitext2",
    "movielens",
    *SHIPPED_NAMES,
)
"""What networks can learn from, beside the sets of the LIBSVM site."""


def _name_or_path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or value in NAMES:
        return value
    if not value.strip():
        raise ConfigError("give a known data set's name, or the path of a LIBSVM file")
    return resolve(value, info)


DatasetName = Annotated[str, BeforeValidator(_name_or_path)]
"""A known name as it is; anything else is a path, absolute once the config is read."""
