"""Ratings in MovieLens's three forms, and what is made of them."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from psim.data.learning import ratings
from psim.data.learning.open import open_learning
from psim.data.learning.ranking import Unrated
from psim.errors import ConfigError, DataError

USERS, ITEMS = 12, 40


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, int, int]]:
    """User, item and time: odd identifiers, in no order; each user has some of the items, and every
    item is somebody's."""
    draws = np.random.default_rng(0)
    pairs = {(user, int(item)) for user in range(USERS) for item in draws.choice(ITEMS, 9)}
    pairs |= {(item % USERS, item) for item in range(ITEMS)}
    listed = sorted(pairs)
    times = draws.permutation(len(listed))
    rows = [(7 * u + 3, 5 * i + 1, int(t)) for (u, i), t in zip(listed, times, strict=True)]
    return [rows[place] for place in draws.permutation(len(rows))]


def written(folder, rows, name: str) -> str:
    form = {"u.data": "{}\t{}\t4\t{}\n", "ratings.dat": "{}::{}::4::{}\n"}
    lines = [form.get(name, "{},{},3.5,{}\n").format(*row) for row in rows]
    head = "userId,movieId,rating,timestamp\n" if name == "ratings.csv" else ""
    (folder / name).write_text(head + "".join(lines))
    return str(folder / name)


ARGS = {"test_negatives": 5, "negatives": 3}


def test_the_forms_say_the_same(tmp_path, rows):
    paths = [written(tmp_path, rows, name) for name in ratings.FORMS]
    with zipfile.ZipFile(tmp_path / "ml-mine.zip", "w") as archive:
        archive.writestr("ml-mine/README", "not read")
        archive.write(paths[2], "ml-mine/ratings.csv")
    found = [ratings.read(tmp_path / name) for name in (*ratings.FORMS, "ml-mine.zip")]
    for users, items, times in found:
        assert list(zip(users, items, times, strict=True)) == rows


def test_the_latest_item_of_each_user_is_held_out(tmp_path, rows):
    found = open_learning(written(tmp_path, rows, "u.data"), ARGS)
    assert (found.task, dict(found.sizes)) == ("ranking", {"users": USERS, "items": ITEMS})
    rated = {u: [i for t, i in sorted((t, (i - 1) // 5) for v, i, t in rows if v == 7 * u + 3)]
             for u in range(USERS)}  # fmt: skip
    inputs, targets = found.test.batch(np.arange(USERS))
    assert inputs.shape == (USERS, 6, 2)
    assert targets.tolist() == [0] * USERS
    for user, candidates in enumerate(inputs.tolist()):
        assert {u for u, _ in candidates} == {user}
        items = [i for _, i in candidates]
        assert items[0] == rated[user][-1]
        assert len(set(items[1:])) == 5
        assert not set(items[1:]) & set(rated[user])
    positives = found.train.batch(np.arange(0, found.train.count, 4))
    assert set(positives[1].tolist()) == {1.0}
    expected = {(user, item) for user, items in rated.items() for item in items[:-1]}
    assert {tuple(pair) for pair in positives[0].tolist()} == expected
    assert found.train.count == 4 * len(expected)


def test_negatives_are_drawn_anew_and_never_trained_positives(tmp_path, rows):
    found = open_learning(written(tmp_path, rows, "ratings.dat"), ARGS)
    every = np.arange(found.train.count)
    inputs, targets = found.train.batch(every)
    trained = {tuple(pair) for pair in inputs[targets == 1].tolist()}
    assert targets.tolist() == [1.0, 0.0, 0.0, 0.0] * (len(every) // 4)
    seen = set()
    for seed in range(40):
        drawn, again = found.train.batch(every, np.random.default_rng(seed))
        negatives = {tuple(pair) for pair in drawn[again == 0].tolist()}
        assert not negatives & trained
        seen |= negatives
    everything = {(user, item) for user in range(USERS) for item in range(ITEMS)}
    assert seen == everything - trained  # all that is allowed comes up, the held-out item as well
    fixed = found.train.batch(every[5:9])[0]
    assert fixed.equal(inputs[5:9])  # without draws a negative does not depend on the minibatch


def test_unrated_items_are_counted_in_order():
    draws = np.random.default_rng(4)
    rated = draws.random((20, 15)) < 0.5
    rated[3], rated[4] = True, False
    users, items = np.nonzero(rated)
    order = draws.permutation(len(users))
    unrated = Unrated(users[order], items[order], 20, 15)
    for user in range(20):
        expected = np.flatnonzero(~rated[user])
        numbers = np.arange(len(expected))
        assert unrated.counts[user] == len(expected)
        found = unrated.item(np.full(len(expected), user), numbers)
        np.testing.assert_array_equal(found, expected)


def test_a_pair_rated_twice_counts_once_and_single_items_are_not_tested(tmp_path):
    rows = [(1, 1, 5), (1, 2, 6), (1, 1, 7), (1, 3, 7), (2, 4, 1)]
    args = {"test_negatives": 1, "negatives": 0}
    found = open_learning(written(tmp_path, rows, "ratings.csv"), args)
    assert found.train.batch(np.arange(found.train.count))[0].tolist() == [[0, 1], [0, 0], [1, 3]]
    assert found.test.batch(np.arange(1))[0].tolist() == [[[0, 2], [0, 3]]]
    assert found.test.count == 1


def test_a_published_version_must_be_whole(own_folders, rows, monkeypatch):
    with pytest.raises(DataError, match=r"movielens 20m is not here.*psim data get ml-20m"):
        open_learning("movielens", {})
    folder = own_folders[0] / "ml-100k"
    folder.mkdir()
    written(folder, rows, "u.data")
    with pytest.raises(DataError, match="MovieLens 100k has 100000: is it complete"):
        open_learning("movielens", {"version": "100k"})
    monkeypatch.setitem(ratings.RATINGS, "100k", len(rows))
    assert open_learning("movielens", {"version": "100k", **ARGS}).test.count == USERS
    with pytest.raises(ConfigError, match=r"dataset_args\.version"):
        open_learning("movielens", {"version": "2m"})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("u.data", "1\t2\t3\n", "user, item, rating and time"),
        ("u.data", "1\tx\t3\t4\n", "user, item, rating and time"),
        ("u.data", "1\t\t3\t4\n", "lacks a user, an item or a time"),
        ("u.data", "", "u.data"),
        ("u.data", "1\t2\t3\t4\n2\t5\t3\t4\n", "no user has two items"),
        ("u.data", "1\t2\t3\t4\n1\t5\t3\t4\n2\t6\t3\t4\n", "only 1 items left"),
        ("ml.zip", "no archive", "no .zip archive"),
    ],
)
def test_ratings_that_cannot_be_used(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        open_learning(str(path), {"test_negatives": 2})
