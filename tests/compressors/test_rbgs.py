from pathlib import Path

import numpy as np
import pytest
import torch
from playing import play
from processes import rows, summary
from streams import SHARED, stream

from psim.compressors.layers import bound
from psim.compressors.rbgs import RBGS
from psim.config import parse
from psim.data import arrays
from psim.errors import ConfigError, DataError, UsageError
from psim.launch.single import run
from psim.segments import laid_out, whole
from psim.step import Step
from psim.vectors import Shared, densify

SIZE = 10
LAYERS = laid_out({"a": (4,), "b": (2, 3)})


def block(piece: RBGS, round: int, size: int = SIZE, rank: int = 1) -> list[int]:
    payload, _ = piece.compress(torch.arange(size).double(), None, Step(round, 0.1, 3, 5, rank))
    assert isinstance(payload, Shared)
    assert payload.values.tolist() == payload.indices.tolist()
    return payload.indices.tolist()


@pytest.mark.parametrize("ratio", [1, 2, 3, 3.5, 10, 64])
def test_it_is_one_cyclic_block(ratio: float) -> None:
    length = max(1, int(SIZE // ratio))
    for round in range(30):
        start = int(stream(5, "rbgs", SHARED, round).integers(SIZE))
        expected = sorted((start + offset) % SIZE for offset in range(length))
        assert block(RBGS(ratio=ratio), round) == expected


def test_all_workers_and_the_master_have_the_same_block_and_rounds_have_others() -> None:
    piece = RBGS(ratio=5)
    blocks = {tuple(block(piece, round, 1000, rank)) for round in range(20) for rank in range(3)}
    assert len(blocks) == 20
    assert piece.indices(1000, Step(7, 0.1, 3, 5)).tolist() == block(piece, 7, 1000)


def test_it_is_additive() -> None:
    generator = np.random.default_rng(0)
    a, b = (torch.from_numpy(generator.integers(-9, 9, SIZE).astype(float)) for _ in range(2))
    step = Step(3, 0.1, 2, 0, 1)
    compressed = [
        densify(RBGS(ratio=3).compress(v, None, step)[0], torch.float64) for v in (a, b, a + b)
    ]
    assert torch.equal(compressed[0] + compressed[1], compressed[2])
    assert compressed[2].any()


def read(path: Path, array: np.ndarray, rounds: int) -> RBGS:
    np.save(path, array)
    piece = RBGS(ratio=3, starts=str(path))
    opened = piece.opened(arrays.one, rounds)
    assert piece.starts == str(path), "the piece itself stays"
    return opened


def test_it_follows_the_starts_of_a_file(tmp_path: Path) -> None:
    piece = read(tmp_path / "starts.npy", np.array([0, 9, 4, 1]), 3)
    assert [block(piece, round) for round in range(4)] == [
        [0, 1, 2],
        [0, 1, 9],
        [4, 5, 6],
        [1, 2, 3],
    ]
    assert piece.guarantee(SIZE) is None
    assert len(read(tmp_path / "starts.npy", np.zeros(50, dtype=int), 3).starts[0]) == 4


def test_a_file_has_a_column_for_each_layer(tmp_path: Path) -> None:
    piece = read(tmp_path / "starts.npy", np.array([[0, 5], [3, 2]]), 1)
    layered = bound(piece.model_copy(update={"scope": "layer"}), LAYERS)
    layered.check(SIZE)
    first, second = (
        layered.compress(torch.arange(SIZE).double(), None, Step(t, 0.1, 2, 0))[0] for t in (0, 1)
    )
    assert first.indices.tolist() == [0, 4, 9]  # start 0 of 4, one entry; start 5 of 6, two
    assert second.indices.tolist() == [3, 6, 7]
    with pytest.raises(ConfigError, match="2 columns: scope: model takes one"):
        piece.check(SIZE)
    with pytest.raises(ConfigError, match="2 columns for 1 layers"):
        bound(piece.model_copy(update={"scope": "layer"}), whole(SIZE))


@pytest.mark.parametrize(
    ("array", "wrong"),
    [
        (np.zeros(3, dtype=int), "has 3 starts: rounds 0 to 3 take 4"),
        (np.zeros(4), "float64 of shape"),
        (np.zeros((2, 2, 2), dtype=int), "shape"),
        (np.zeros((0, 2), dtype=int), "shape"),
        (np.array([0, -1, 0, 0]), "below 0"),
        (np.array([0, 2**40, 0, 0]), "beyond any vector"),
    ],
)
def test_a_file_that_does_not_do(tmp_path: Path, array: np.ndarray, wrong: str) -> None:
    with pytest.raises(DataError, match=wrong) as raised:
        read(tmp_path / "starts.npy", array, 3)
    assert str(raised.value).startswith(f"compressor.starts: {tmp_path}")


def test_too_many_starts_to_be_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="500001 starts exceed 500000"):
        read(tmp_path / "starts.npy", np.zeros(500_001, dtype=np.int8), 500_000)


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "starts.npy"
    piece = RBGS(ratio=3, starts=str(path))
    with pytest.raises(DataError, match=r"compressor\.starts: /.*: no such file"):
        piece.opened(arrays.one, 3)
    path.write_bytes(b"text")
    with pytest.raises(DataError, match=r"no \.npy file"):
        piece.opened(arrays.one, 3)
    np.save(path, np.array([None, {}]), allow_pickle=True)
    with pytest.raises(DataError, match=r"no \.npy file"):
        piece.opened(arrays.one, 3)
    np.savez(tmp_path / "two.npz", np.zeros(4))
    with pytest.raises(DataError, match="several arrays"):
        RBGS(ratio=3, starts=str(tmp_path / "two.npz")).opened(arrays.one, 3)
    with pytest.raises(UsageError, match="not read"):
        block(piece, 0)


def test_a_start_beyond_the_vector_is_an_error(tmp_path: Path) -> None:
    piece = read(tmp_path / "starts.npy", np.array([0, 10]), 1)
    piece.check(11)
    with pytest.raises(ConfigError, match=r"compressor\.starts: a block starts at 10"):
        piece.check(10)


def described(tmp_path: Path, **compressor: object) -> dict[str, object]:
    return {
        "rounds": 6,
        "workers": 4,
        "seed": 3,
        "problem": {"name": "quadratic", "dimension": SIZE},
        "start": {"kind": "normal"},
        "method": {"name": "ef21", "downlink": "update"},
        "compressor": {"name": "rbgs", "ratio": 3, **compressor},
        "step_size": 0.1,
        "processes": 2,
    }


def test_only_the_master_reads_the_file(tmp_path: Path) -> None:
    """Workers are told: they find the file gone, and the run is that of the seed's own starts."""
    drawn = [int(stream(3, "rbgs", SHARED, round).integers(SIZE)) for round in range(7)]
    path = tmp_path / "starts.npy"
    np.save(path, np.array(drawn))
    config = parse(described(tmp_path, starts=str(path)))
    told: list[object] = []

    from psim.nodes.lobby import Lobby

    class Watched(Lobby):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            told.append(self.terms["config"]["compressor"]["starts"])
            path.unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("psim.runtime.serve.Lobby", Watched)
        run(config, tmp_path / "followed")
    assert told == [[drawn]]
    run(parse(described(tmp_path)), tmp_path / "drawn")
    followed, own = tmp_path / "followed", tmp_path / "drawn"
    assert summary(followed)["x_sha256"] == summary(own)["x_sha256"]
    assert rows(followed)[-1]["up_framed"] == rows(own)[-1]["up_framed"]
    assert str(path) in (followed / "config.yaml").read_text(), "the folder's config names the file"


def test_an_update_of_a_block_carries_no_index(tmp_path: Path) -> None:
    played = play(described(tmp_path))
    last = played.rows[-1]
    message = 1 + 5 + 2 + 3 * 8  # a header with a shared payload, and three values
    assert last["up_payload"] == 4 * 6 * message, "the start, and those at x^1 to x^5"
    assert last["down_payload"] == 4 * 5 * message
