"""Implicit feedback for recommenders, as He et al. 2017 ("Neural collaborative filtering") set it
up.

An item that a user rated is a positive one, whatever the rating. Each user's latest positive is
held out; the others are trained on. It is tested among items that the user never rated, drawn once;
a negative for training is any item that the user has no *training* positive for, drawn anew in
every minibatch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from psim import random
from psim.data.learning import ratings
from psim.data.learning.ratings import Ratings
from psim.data.learning.settings import Settings
from psim.errors import DataError
from psim.problems.batches import Batch
from psim.problems.examples import Learning
from psim.vectors import torch

Numbers = NDArray[np.int64]


class RankingSettings(Settings):
    """``negatives`` drawn for each positive in training, and for each user in the test."""

    negatives: int = Field(4, ge=0)
    test_negatives: int = Field(99, ge=1)
    seed: int = Field(0, ge=0, lt=2**63)


class MovielensSettings(RankingSettings):
    """Which published version."""

    version: Literal["100k", "1m", "20m"] = "20m"


class Unrated:
    """The items that each user has not rated, numbered from 0 upwards, of M in all.

    With a user's rated items s_0 < s_1 < …, the unrated item number r is r + #{j: s_j - j <= r}:
    one binary search each, and no draw is thrown away.
    """

    def __init__(self, users: Numbers, items: Numbers, user_count: int, item_count: int) -> None:
        """``users`` and ``items``: distinct pairs, in any order."""
        order = np.lexsort((items, users))
        users, items = users[order], items[order]
        rated = np.bincount(users, minlength=user_count)
        self._starts = np.concatenate(([0], np.cumsum(rated)))
        self._stride = item_count + 1
        places = np.arange(len(users)) - self._starts[users]
        self._keys = users * self._stride + items - places
        self.counts = item_count - rated
        """How many there are, by user."""

    def item(self, users: Numbers, numbers: Numbers) -> Numbers:
        """The items with these ``numbers``, each below its user's count."""
        keys = users * self._stride + numbers
        before = np.searchsorted(self._keys, keys, side="right") - self._starts[users]
        return numbers + before


class Pairs:
    """Pairs to train on: each positive, then its negatives. N = P (1 + ``negatives``).

    Inputs are int64 of shape (B, 2), user and item; targets float32 of shape (B,), 1 or 0. Without
    draws a negative is a function of ``seed`` and its number, the same in every minibatch.
    """

    labels: None = None

    def __init__(
        self, users: Numbers, items: Numbers, unrated: Unrated, negatives: int, seed: int
    ) -> None:
        self._users, self._items, self._unrated = users, items, unrated
        self._each, self._seed = 1 + negatives, seed

    @property
    def count(self) -> int:
        return len(self._users) * self._each

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        positive, slot = np.divmod(which, self._each)
        users, items = self._users[positive], self._items[positive]
        negative = slot > 0
        left = self._unrated.counts[users[negative]]
        if draws is None:
            shares = random.uniforms(self._seed, "negatives", which[negative])[:, 0]
            numbers = (shares * left).astype(np.int64)
        else:
            numbers = draws.integers(left)
        items[negative] = self._unrated.item(users[negative], numbers)
        targets = torch.from_numpy((~negative).astype(np.float32))
        return torch.from_numpy(np.stack([users, items], axis=1)), targets

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        label = f"pairs, 1 of {self._each} positive, seed {self._seed}"
        return label.encode(), self._users.astype("<i8"), self._items.astype("<i8")


class Candidates:
    """What is ranked in the test: for each user the item held out, at place 0, and negatives.

    Inputs are int64 of shape (B, 1 + negatives, 2), user and item; targets int64 of shape (B,), all
    0: the place of the right one.
    """

    labels: None = None

    def __init__(self, users: Numbers, items: Numbers) -> None:
        """``users`` (U,) and their candidates ``items`` (U, 1 + negatives)."""
        self._users, self._items = users, items

    @property
    def count(self) -> int:
        return len(self._users)

    def batch(
        self, which: Batch, draws: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        items = self._items[which]
        users = np.broadcast_to(self._users[which, None], items.shape)
        inputs = torch.from_numpy(np.stack([users, items], axis=2))
        return inputs, torch.zeros(len(items), dtype=torch.int64)

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        return b"candidates", self._users.astype("<i8"), self._items.astype("<i8")


def open_movielens(settings: MovielensSettings) -> Learning:
    """A published version. DataError where it is not here, or not whole."""
    path = ratings.find_version(settings.version)
    found = ratings.read(path)
    whole = ratings.RATINGS[settings.version]
    if len(found.users) != whole:
        raise DataError(
            f"{path}: has {len(found.users)} ratings, and MovieLens {settings.version} has "
            f"{whole}: is it complete? To use it as it is, give its path"
        )
    return learning(found, settings, str(path))


def open_ratings(path: Path, settings: RankingSettings) -> Learning:
    """The ratings of a file."""
    return learning(ratings.read(path), settings, str(path))


def learning(found: Ratings, settings: RankingSettings, source: str) -> Learning:
    """Leave-one-out by time; of equal times, the later line is the later one.

    Users and items are numbered in the order of their identifiers. Of several ratings of an item by
    a user the latest counts. Users with a single item are trained on and not tested. DataError
    where nobody can be tested, or a user has rated too much for negatives to be left.
    """
    if not len(found.users):
        raise DataError(f"{source}: has no rating")
    user_names, users = np.unique(found.users, return_inverse=True)
    item_names, items = np.unique(found.items, return_inverse=True)
    users, items = _latest_of_each_pair(users, items, found.times)
    held_out = _last_of_each(users) & (np.bincount(users)[users] > 1)
    sizes = {"users": len(user_names), "items": len(item_names)}
    known = Unrated(users, items, *sizes.values())
    _check_left(known.counts[users[held_out]], settings.test_negatives, source)
    test = _candidates(users[held_out], items[held_out], known, settings)
    train = users[~held_out], items[~held_out]
    pairs = Pairs(*train, Unrated(*train, *sizes.values()), settings.negatives, settings.seed)
    return Learning(pairs, test, "ranking", "", sizes)


def _latest_of_each_pair(users: Numbers, items: Numbers, times: Numbers) -> tuple[Numbers, Numbers]:
    """Users and items by user and then by time, each pair once."""
    order = np.lexsort((np.arange(len(times)), times, users))
    users, items = users[order], items[order]
    pairs = users * (items.max() + 1) + items
    _, last = np.unique(pairs[::-1], return_index=True)
    kept = np.sort(len(pairs) - 1 - last)
    return users[kept], items[kept]


def _last_of_each(users: Numbers) -> NDArray[np.bool_]:
    """Where a user's last entry stands; ``users`` ascend."""
    return np.append(users[1:] != users[:-1], True)


def _check_left(left: Numbers, negatives: int, source: str) -> None:
    if not len(left):
        raise DataError(f"{source}: no user has two items: there is nothing to train and test on")
    if left.min() < negatives:
        raise DataError(
            f"{source}: a user has only {left.min()} items left that were not rated, fewer than "
            f"the {negatives} negatives of the test: use test_negatives <= {left.min()}, or more "
            "items"
        )


def _candidates(
    users: Numbers, items: Numbers, known: Unrated, settings: RankingSettings
) -> Candidates:
    """Negatives without repetition, drawn user by user from the seed."""
    draws = random.generator(settings.seed, "test negatives")
    count = settings.test_negatives
    numbers = np.stack(
        [draws.choice(left, count, replace=False) for left in known.counts[users].tolist()]
    )
    negatives = known.item(np.repeat(users, count), numbers.ravel()).reshape(-1, count)
    return Candidates(users, np.concatenate([items[:, None], negatives], axis=1))
