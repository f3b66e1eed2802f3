"""LIBSVM files, sets of scikit-learn, and torch data sets."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from psim.data.learning.mapped import Mapped
from psim.data.learning.open import open_learning, wrapped
from psim.errors import ConfigError, DataError
from psim.problems.examples import Learning

TEXT = "3 1:0.5 3:2\n-1 2:1\n7 1:1 2:4\n"


def test_libsvm_labels_are_numbered_in_ascending_order(tmp_path):
    (tmp_path / "mine").write_text(TEXT)
    (tmp_path / "mine.t").write_text("7 3:1\n-1 1:1\n")
    found = open_learning(str(tmp_path / "mine"), {"test": "mine.t", "dimension": 4})
    assert dict(found.sizes) == {"classes": 3, "features": 4}
    features, labels = found.train.batch(np.array([2, 0]))
    assert features.dtype == torch.float32
    assert features.tolist() == [[1, 4, 0, 0], [0.5, 0, 2, 0]]
    assert labels.tolist() == [2, 1]
    assert found.test.batch(np.arange(2))[1].tolist() == [2, 0]
    (tmp_path / "mine.t").write_text("8 3:1\n")
    with pytest.raises(DataError, match=r"mine\.t: has the label 8, which is not trained on"):
        open_learning(str(tmp_path / "mine"), {"test": "mine.t"})


def test_a_known_set_must_be_whole(own_folders):
    (own_folders[0] / "a9a").write_text(TEXT)
    with pytest.raises(DataError, match="has 3 samples, and a9a has 32561"):
        open_learning("a9a", {})


def test_real_libsvm(real):
    real("a9a.t")
    found = open_learning("a9a.t", {})
    assert (found.train.count, dict(found.sizes)) == (16_281, {"classes": 2, "features": 123})
    assert found.train.labels.sum() == 3_846


def test_sets_of_scikit_learn():
    digits = open_learning("digits", {}, ["crop"])
    images, labels = digits.train.batch(np.arange(digits.train.count))
    assert images.shape == (1797, 1, 8, 8)
    assert (images.min(), images.max()) == (0.0, 1.0)
    assert labels[:10].tolist() == list(range(10))
    cancer = open_learning("breast_cancer", {"limit": {"train": 500}})
    assert (cancer.train.count, len(cancer.train.labels)) == (500, 500)
    features, _ = cancer.train.batch(np.arange(2))
    assert features.shape == (2, 30)


def test_a_name_or_path_of_nothing(tmp_path):
    with pytest.raises(DataError, match="did you mean cifar100"):
        open_learning(str(tmp_path / "cifar1000"), {})
    with pytest.raises(DataError, match="is a folder or an archive, and none of"):
        open_learning(str(tmp_path), {})


class Squares(Dataset):
    """Numbers and their squares, with a draw of torch's."""

    def __init__(self, count: int, classes: bool = False) -> None:
        self.count, self.classes = count, classes

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> tuple[torch.Tensor, object]:
        target = number % 3 if self.classes else float(number**2)
        return torch.tensor([number, torch.rand(())]), target


def squares(count: int, test: int | None = None, classes: bool = False) -> object:
    made = Squares(count, classes)
    return made if test is None else (made, Squares(test, classes))


def nothing() -> object:
    return Learning(wrapped(Squares(3)), None, "other", "brought")


def broken() -> object:
    raise FileNotFoundError("images.tar")


def test_what_a_callable_gives(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", sys.modules[__name__])
    found = open_learning("mine:squares", {"count": 9, "test": 4, "classes": True})
    assert (found.train.count, found.test.count, found.task) == (9, 4, "classification")
    assert found.train.labels.tolist() == [0, 1, 2] * 3
    plain = open_learning("mine:squares", {"count": 9})
    assert (plain.task, plain.test, plain.train.labels) == ("other", None, None)
    inputs, targets = plain.train.batch(np.array([3, 1]))
    assert inputs[:, 0].tolist() == [3, 1]
    assert (targets.dtype, targets.tolist()) == (torch.float32, [9.0, 1.0])
    assert open_learning("mine:nothing", {}).note == "brought"
    with pytest.raises(ConfigError, match=r"dataset_args: .*does not take these arguments"):
        open_learning("mine:squares", {"number": 9})
    with pytest.raises(DataError, match=r"gives no data set: FileNotFoundError: images\.tar"):
        open_learning("mine:broken", {})
    with pytest.raises(ConfigError, match=r"problem\.dataset: .*cannot be imported"):
        open_learning("mine:cubes", {})


def test_what_items_draw_is_a_function_of_the_draws():
    examples, which = Mapped(Squares(6)), np.arange(6)
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    plain = examples.batch(which)[0]
    first, again, other = (
        examples.batch(which, np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(plain, examples.batch(which)[0])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())
    contents = [Mapped(Squares(count)).content() for count in (40, 40, 41)]
    assert all(np.array_equal(a, b) for a, b in zip(*contents[:2], strict=True))
    assert contents[0][0] != contents[2][0]


def test_tensors_of_torch_are_examples():
    inputs, tokens = torch.rand(5, 2), torch.arange(10).reshape(5, 2)
    examples = wrapped(TensorDataset(inputs, tokens))
    assert (examples.task, examples.labels) == ("language", None)
    assert torch.equal(examples.batch(np.array([4, 2]))[1], tokens[[4, 2]])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (iter([]), "no items by number"),
        ([], "is empty"),
        (Squares(3), "no pair"),
        ([(torch.zeros(2), 1), (torch.zeros(3), 1)], "can't be stacked"),
        ([("a", 1), ("b", 1)], "inputs are tuple, no tensors"),
    ],
)
def test_data_sets_that_do_not_fit(made, said, monkeypatch):
    monkeypatch.setattr(Squares, "__getitem__", lambda self, number: number)
    with pytest.raises(DataError, match=said):
        wrapped(made).batch(np.arange(2))
