import pytest
import torch

from psim.compressors.base import entries
from psim.compressors.randk import RandK
from psim.compressors.topk import TopK
from psim.errors import ConfigError
from psim.registry import build
from psim.step import Step

COUNTED = [TopK, RandK]


@pytest.mark.parametrize(
    ("k", "size", "expected"),
    [
        (1, 10, 1),
        (7, 10, 7),
        ("10%", 100, 10),
        ("10%", 109, 10),
        ("1%", 50, 1),
        ("0.1%", 5000, 5),
        ("100%", 17, 17),
        ("29%", 100, 29),  # 0.29 * 100 is 28.999… in floats
        ("1/3%", 900, 3),
    ],
)
def test_a_count_or_a_share_of_the_size(k: int | str, size: int, expected: int) -> None:
    assert entries(k, size) == expected


@pytest.mark.parametrize("piece", COUNTED)
@pytest.mark.parametrize("k", [1, 4, "50%", 10, "100%"])
def test_so_many_entries_are_sent(piece: type, k: int | str) -> None:
    vector = torch.arange(1, 11, dtype=torch.float64)
    payload, _ = piece(k=k).compress(vector, None, Step(0, 0.1, 2, 0, 1))
    assert payload.values.numel() == entries(k, 10)


@pytest.mark.parametrize("name", ["topk", "randk"])
@pytest.mark.parametrize("k", [0, -1, True, 1.5, "0%", "101%", "-3%", "many", "5", "1/0%", None])
def test_what_is_no_count_is_refused(name: str, k: object) -> None:
    with pytest.raises(ConfigError) as raised:
        build("compressors", {"name": name, "k": k})
    assert raised.value.path.startswith("k")


@pytest.mark.parametrize("piece", COUNTED)
def test_more_entries_than_there_are_is_an_error_that_says_what_fits(piece: type) -> None:
    with pytest.raises(ConfigError, match=r"compressor\.k: 900 exceeds .* 784: use k <= 784"):
        piece(k=900).check(784)
    piece(k=784).check(784)


@pytest.mark.parametrize("piece", COUNTED)
def test_the_contraction_is_of_the_entries_really_kept(piece: type) -> None:
    assert piece(k="1%").guarantee(50).alpha == 1 / 50
    assert piece(k="10%").guarantee(109).alpha == 10 / 109
