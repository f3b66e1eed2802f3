"""Images from archives like the published ones, .npz files and JPEG streams, all made up."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from psim.data.learning import named_images
from psim.data.learning.open import open_learning
from psim.errors import ConfigError, DataError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
FILES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")


def drawn(count: int, seed: int = 0, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Planes of bytes, (N, 3072), and labels."""
    draws = np.random.default_rng(seed)
    planes = draws.integers(0, 256, (count, 3072), dtype=np.uint8)
    return planes, draws.integers(0, classes, count)


def binary(planes: np.ndarray, labels: np.ndarray, coarse: bool = False) -> bytes:
    """Records of the binary version."""
    records = [
        (b"\x63" if coarse else b"") + bytes([label]) + row.tobytes()
        for row, label in zip(planes, labels, strict=True)
    ]
    return b"".join(records)


def pickled(planes: np.ndarray, labels: np.ndarray, key: bytes = b"labels") -> bytes:
    """What Python 2 wrote: protocol 2, byte strings, numpy by its old path."""

    def string(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    dtype = b"cnumpy\ndtype\n(" + string(b"u1") + number(0) + number(1) + b"tR("
    dtype += number(3) + string(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n("
    array += number(0) + b"t" + string(b"b") + b"tR("
    array += number(1) + b"(" + number(len(planes)) + number(3072) + b"t" + dtype
    array += b"\x89" + string(planes.tobytes()) + b"tb"
    listed = b"](" + b"".join(number(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(" + string(b"data") + array + string(key) + listed + b"u."


@pytest.fixture
def cifar10(own_folders):
    """Writes a small CIFAR-10 into PSIM_DATA; gives its images in order, as planes and labels."""

    def write(folder: str, form=binary, suffix: str = ".bin") -> tuple[np.ndarray, ...]:
        place = own_folders[0] / folder
        place.mkdir()
        parts = [drawn(4, seed) for seed in range(6)]
        names = [*(f"{name}{suffix}" for name in FILES), f"test_batch{suffix}"]
        for name, part in zip(names, parts, strict=True):
            (place / name).write_bytes(form(*part))
        (place / "batches.meta").write_bytes(b"not read")
        train = [np.concatenate(column) for column in zip(*parts[:5], strict=True)]
        return train[0], train[1], *parts[5]

    return write


def normalized(planes: np.ndarray, mean=MEAN, std=STD) -> np.ndarray:
    """By the formula, plane by plane in float64."""
    images = planes.reshape(-1, 3, 32, 32) / 255.0
    return np.stack([(images[:, c] - mean[c]) / std[c] for c in range(3)], axis=1)


@pytest.mark.parametrize(
    ("folder", "form", "suffix"),
    [("cifar-10-batches-bin", binary, ".bin"), ("cifar-10-batches-py", pickled, "")],
)
def test_published_folders(cifar10, own_folders, monkeypatch, folder, form, suffix):
    planes, labels, test_planes, test_labels = cifar10(folder, form, suffix)
    with pytest.raises(DataError, match=r"has 20 \+ 4 images, not 50000 \+ 10000"):
        open_learning("cifar10", {})
    by_path = open_learning(str(own_folders[0] / folder), {})
    monkeypatch.setattr(named_images, "SIZES", (20, 4))
    found = open_learning("cifar10", {}, ["crop", "flip"])
    assert (found.train.count, found.task, found.sizes["classes"]) == (20, "classification", 10)
    assert f"the published archive, {folder}" in found.note
    np.testing.assert_array_equal(found.train.labels, labels)
    which = np.array([3, 17, 3, 8])
    images, targets = found.train.batch(which)
    assert (images.dtype, images.shape) == (torch.float32, (4, 3, 32, 32))
    assert images.is_contiguous()
    np.testing.assert_allclose(images.numpy(), normalized(planes[which]), atol=2e-6)
    assert targets.tolist() == labels[which].tolist()
    images, targets = found.test.batch(np.arange(4), np.random.default_rng(0))  # not augmented
    np.testing.assert_allclose(images.numpy(), normalized(test_planes), atol=2e-6)
    assert targets.tolist() == test_labels.tolist()
    for mine, other in zip(found.train.content(), by_path.train.content(), strict=True):
        assert np.array_equal(mine, other)


def pack(path, train, test, compresslevel=9):
    """CIFAR-100's archive of these two parts."""
    with tarfile.open(path, "w:gz", compresslevel=compresslevel) as archive:
        for name, part in (("train.bin", train), ("test.bin", test)):
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            content = binary(*part, coarse=True)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_cifar100_from_its_archive(own_folders, monkeypatch):
    monkeypatch.setattr(named_images, "SIZES", (8, 4))
    train, test = drawn(8, 1, 100), drawn(4, 2, 100)
    pack(own_folders[0] / "cifar-100-binary.tar.gz", train, test)
    found = open_learning("cifar100", {"mean": [0, 0, 0], "std": [1, 1, 1]})
    images, targets = found.train.batch(np.arange(8))
    expected = normalized(train[0], (0.0,) * 3, (1.0,) * 3)
    np.testing.assert_allclose(images.numpy(), expected, atol=2e-6)
    assert targets.tolist() == train[1].tolist()
    assert found.test.count == 4


def test_published_goes_before_subset_and_subset_before_streams(own_folders, cifar10, monkeypatch):
    monkeypatch.setattr(named_images, "SIZES", (20, 4))
    folder = own_folders[0] / "cifar10"
    folder.mkdir()
    pixels, labels = np.zeros((30, 32, 32, 3), np.uint8), np.arange(30) % 10
    stored = {"x_train": pixels, "y_train": labels, "x_test": pixels[:10], "y_test": labels[:10]}
    np.savez(folder / "cifar10_subset.npz", **stored)
    (folder / "cifar10_jpeg_all.npz").write_bytes(b"never opened")
    found = open_learning("cifar10", {"limit": {"train": 12, "test": 5}})
    assert (found.train.count, len(found.train.labels), found.test.count) == (12, 12, 5)
    assert "cifar10_subset.npz" in found.note
    assert "not comparable" in found.note
    cifar10("cifar-10-batches-bin")
    assert open_learning("cifar10", {}).train.count == 20
    with pytest.raises(DataError, match=r"limit\.train = 21 exceeds the 20 examples"):
        open_learning("cifar10", {"limit": {"train": 21}})


def test_augmented_minibatches_are_a_function_of_the_draws(cifar10, own_folders):
    cifar10("cifar-10-batches-bin")
    found = open_learning(
        str(own_folders[0] / "cifar-10-batches-bin"), {}, ["crop", "flip", {"cutout": 9}]
    )
    which = np.arange(20)
    first, again = (found.train.batch(which, np.random.default_rng(1))[0] for _ in range(2))
    other, plain = found.train.batch(which, np.random.default_rng(2))[0], found.train.batch(which)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(plain[0], found.train.batch(which)[0])
    blank = (first.abs() < 0.5 / 255 / min(STD) + 1e-6).all(dim=1).sum(dim=(1, 2))
    assert blank.min() >= 25  # at least a quarter of a square of 9 x 9 is inside


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda content: content[:-1], "a record has 3073: is it complete"),
        (lambda content: b"\x0a" + content[1:], "has the label 10: they are 0 to 9"),
        (lambda content: b"", "has 0 B"),
    ],
)
def test_damaged_records_are_named(cifar10, own_folders, changed, said):
    cifar10("cifar-10-batches-bin")
    path = own_folders[0] / "cifar-10-batches-bin" / "data_batch_3.bin"
    path.write_bytes(changed(path.read_bytes()))
    with pytest.raises(DataError, match=rf"data_batch_3\.bin: .*{said}"):
        open_learning(str(path.parent), {})
    path.unlink()
    with pytest.raises(DataError, match=r"lacks data_batch_3\.bin"):
        open_learning(str(path.parent), {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cposix\nsystem\n(S'exit 3'\ntR.", "asks for posix.system"),
        (pickle.dumps({b"data": np.zeros((2, 2), object), b"labels": [0]}, 2), "asks for"),
        (pickled(*drawn(2))[:-100], "python version"),
        (pickled(drawn(2)[0], np.arange(3)), r"labels of shape \(3,\) for 2 images"),
        (pickled(*drawn(2)).replace(b"u1", b"O8"), "no uint8 array"),
        (pickled(*drawn(2), key=b"coarse_labels"), "python version"),
    ],
)
def test_pickles_of_anything_else_are_refused(cifar10, own_folders, content, said):
    cifar10("cifar-10-batches-py", pickled, "")
    path = own_folders[0] / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        open_learning(str(path.parent), {})


def test_damaged_archives_are_named(own_folders):
    path = own_folders[0] / "cifar-10-binary.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08 damaged")
    with pytest.raises(DataError, match="cannot be read"):
        open_learning(str(path), {})
    with pytest.raises(DataError, match=r"cifar-100-binary\.tar\.gz.*psim data get cifar100"):
        open_learning("cifar100", {})


def test_an_archive_with_a_wrong_checksum_is_refused(own_folders):
    """A pixel that is another one: nothing but gzip's checksum says so."""
    path = own_folders[0] / "cifar-100-binary.tar.gz"
    pack(path, drawn(8, 1, 100), drawn(4, 2, 100), compresslevel=0)
    assert open_learning(str(path), {}).train.count == 8
    content = bytearray(path.read_bytes())
    content[10_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read: CRC check failed"):
        open_learning(str(path), {})


def save(folder: Path, **arrays: object) -> str:
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return str(path)


def test_grey_images_are_normalized_by_what_is_measured(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 200, (50, 5, 4), dtype=np.uint8)
    path = save(tmp_path, x_train=pixels, y_train=np.arange(50) % 3)
    found = open_learning(path, {})
    assert found.test is None
    assert dict(found.sizes) == {"classes": 3, "channels": 1, "features": 20}
    images, _ = found.train.batch(np.arange(50))
    assert images.shape == (50, 1, 5, 4)
    expected = (pixels / 255.0 - (pixels / 255.0).mean()) / (pixels / 255.0).std()
    np.testing.assert_allclose(images[:, 0].numpy(), expected, atol=1e-6)


def test_floats_are_taken_as_they_are(tmp_path):
    inputs, targets = np.random.default_rng(0).random((6, 2, 3)), np.arange(6) / 7
    found = open_learning(save(tmp_path, x_train=inputs, y_train=targets), {})
    assert (found.task, found.train.labels) == ("other", None)
    got, wanted = found.train.batch(np.array([5, 0]))
    assert (got.dtype, wanted.dtype) == (torch.float32, torch.float32)
    np.testing.assert_array_equal(got.numpy(), inputs[[5, 0]].astype(np.float32))
    classed = open_learning(save(tmp_path, x_train=inputs, y_train=np.array([0, 1] * 3)), {})
    assert (classed.task, classed.train.labels.tolist()) == ("classification", [0, 1] * 3)
    with pytest.raises(ConfigError, match="no images to augment"):
        open_learning(save(tmp_path, x_train=inputs, y_train=targets), {}, ["flip"])
    with pytest.raises(ConfigError, match=r"problem\.dataset_args\.mean: .*no images"):
        open_learning(save(tmp_path, x_train=inputs, y_train=targets), {"mean": [0.5]})


PIXELS = np.zeros((4, 8, 8, 3), np.uint8)
LABELS = np.array([0, 1, 2, 1])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": PIXELS}, "has no y_train"),
        ({"x_train": PIXELS, "y_train": LABELS[:3]}, "same first dimension"),
        ({"x_train": PIXELS, "y_train": LABELS - 1}, "the class -1: they start at 0"),
        ({"x_train": PIXELS, "y_train": LABELS / 2}, "targets of type float64"),
        ({"x_train": PIXELS.astype(np.int32), "y_train": LABELS}, "inputs of type int32"),
        ({"x_train": PIXELS[:, 0, 0], "y_train": LABELS}, "uint8 inputs are images"),
        ({"x_train": PIXELS / np.nan, "y_train": LABELS}, "not finite"),
        ({"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS}, "has no y_test"),
        (
            {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:, 1:], "y_test": LABELS},
            "they must be the same",
        ),
        (
            {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS + 1},
            "y_test has class 3",
        ),
        ({"x_train": np.array([object()]), "y_train": LABELS}, "can be read"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, said):
    with pytest.raises(DataError, match=said):
        open_learning(save(tmp_path, **arrays), {})


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"mean": [0.5]}, "dataset_args.mean: 1 numbers, and the images have 3 channels"),
        ({"std": [1.0, 0.0, 1.0]}, "dataset_args.std"),
        ({"means": [0.5]}, "unknown key; did you mean mean"),
    ],
)
def test_keys_that_do_not_fit(tmp_path, args, said):
    with pytest.raises(ConfigError, match=said):
        open_learning(save(tmp_path, x_train=PIXELS, y_train=LABELS), args)


def streams(images: np.ndarray) -> dict[str, np.ndarray]:
    from PIL import Image

    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=95)
        files.append(file.getvalue())
    offsets = np.cumsum([0, *map(len, files)])
    return {"train_jpeg": np.frombuffer(b"".join(files), np.uint8), "train_offsets": offsets}


def test_jpeg_streams_are_decoded_where_pillow_is(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    grey = (
        np.full((4, 8, 8, 3), 50, np.uint8) * np.arange(1, 5, dtype=np.uint8)[:, None, None, None]
    )
    made = {**streams(grey), "train_labels": LABELS}
    plain = {"mean": [0, 0, 0], "std": [1, 1, 1]}
    found = open_learning(save(tmp_path, **made), plain)
    images, labels = found.train.batch(np.arange(4))
    levels = np.transpose(grey, (0, 3, 1, 2)) / 255
    np.testing.assert_allclose(images.numpy(), levels, atol=2 / 255)
    assert labels.tolist() == LABELS.tolist()
    assert open_learning(save(tmp_path, **made), {"limit": {"train": 3}}).train.count == 3
    beyond = made | {"train_offsets": made["train_offsets"] + 1}
    with pytest.raises(DataError, match="beyond the end"):
        open_learning(save(tmp_path, **beyond), {})
    cut = made | {"train_offsets": made["train_offsets"] // 2}
    with pytest.raises(DataError, match="train image 0: "):
        open_learning(save(tmp_path, **cut), {})
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match="Pillow decodes: `pip install pillow`"):
        open_learning(save(tmp_path, **made), {})


@pytest.mark.parametrize(
    ("name", "counts"), [("cifar10_lossless4000", (4000, None)), ("cifar10", (10_000, 2_000))]
)
def test_real_images_are_normalized(name, counts, real_file):
    """Over all images each channel has a mean near 0 and a standard deviation near 1."""
    real_file("cifar10/cifar10_subset.npz")
    found = open_learning(name, {})
    test = None if found.test is None else found.test.count
    if "published archive" not in found.note:
        assert (found.train.count, test) == counts
    images, labels = found.train.batch(np.arange(0, found.train.count, 3))
    np.testing.assert_allclose(images.mean(dim=(0, 2, 3)), 0.0, atol=0.05)
    np.testing.assert_allclose(images.std(dim=(0, 2, 3)), 1.0, atol=0.05)
    assert labels.unique().tolist() == list(range(10))
    if name == "cifar10_lossless4000":
        assert found.train.labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
