"""DGC: its options against the reference, what the mask clears, and the methods that it becomes."""

import numpy as np
import pytest
import torch
from minibatches import ROUNDS, STEP, X0, document, on_batches
from playing import Look, Played, play
from reference.compressors import top_k
from reference.dgc import dgc
from reference.momentum import update_compression
from reference.rounds import RoundCompress, constant, same_for_all
from references import difference
from tasks import WORKERS

from psim.errors import ConfigError
from psim.vectors import densify
from psim.wire.messages import Packet

SAME, SAME_METHOD = 1e-10, 1e-12
MOMENTUM = 0.7
TOP = same_for_all(lambda v: top_k(v, 3))
BLOCKS = {"name": "rbgs", "ratio": 8}
QUANTIZED_TOP = {
    "name": "composed",
    "sparsifier": {"name": "topk", "k": 3},
    "quantizer": {"name": "qsgd", "levels": 4},
}


def with_momentum(**options: object) -> dict[str, object]:
    return {"name": "dgc", "momentum": MOMENTUM, **options}


def run(
    method: object, rounds: int = ROUNDS, look: Look = lambda _played, _sent: None, **more: object
) -> Played:
    """On minibatches, with Top-3."""
    return play(document(method=method, rounds=rounds, metrics={"every": rounds}, **more), look)


def same_bits(one: Played, other: Played) -> bool:
    pairs = zip(one.iterates, other.iterates, strict=True)
    return all(x.tobytes() == y.tobytes() for x, y in pairs)


def expected(compress: RoundCompress = TOP, **options: object) -> list[np.ndarray]:
    batches, steps = on_batches("epoch"), constant(STEP)
    return dgc(batches, X0, steps, compress, ROUNDS, MOMENTUM, **options).iterates


@pytest.mark.parametrize(
    ("nesterov", "masking"), [(False, True), (True, True), (True, False)], ids=str
)
def test_momentum_and_its_mask_agree_with_the_reference(nesterov: bool, masking: bool) -> None:
    options = {"nesterov": nesterov, "masking": masking}
    assert difference(run(with_momentum(**options)).iterates, expected(**options)) <= SAME


@pytest.mark.parametrize("memory", ["gradient", "update"])
def test_algorithm_3_agrees_with_the_reference(memory: str) -> None:
    def steps(t: int) -> float:
        return STEP * 0.5 ** ((t >= 40) + (t >= 80))

    batches = on_batches("epoch")
    found = update_compression(batches, X0, steps, TOP, ROUNDS, MOMENTUM, memory=memory)
    schedule = {"kind": "piecewise", "at": [40, 80], "factor": 0.5}
    played = run(
        with_momentum(nesterov="powersgd", masking=False, memory=memory),
        step_size={"rule": "constant", "value": STEP, "schedule": schedule},
    )
    assert difference(played.iterates, found.iterates) <= SAME


def test_local_clipping_agrees_with_the_reference() -> None:
    """``clip`` is for the mean of n gradients: each g_i may be √n times as long."""
    clip = 0.2
    norms: list[float] = []

    def look(played: Played, _sent: list[Packet]) -> None:
        norms.extend(float(rank.gradients[0].norm()) for rank in played.host.ranks)

    played = run(with_momentum(clip=clip), look=look)
    limit = WORKERS**0.5 * clip
    assert difference(played.iterates, expected(clipping=limit)) <= SAME
    assert 0.05 < np.mean(np.array(norms) > limit) < 0.95, "some are clipped, and not all"


def test_the_warm_up_agrees_with_the_reference() -> None:
    def count(t: int) -> int:
        return 12 if t < 20 else 6 if t < 40 else 3

    sent: dict[int, set[int]] = {}

    def look(played: Played, packets: list[Packet]) -> None:
        lengths = {packet.payloads[0].values.numel() for packet in packets}
        sent.setdefault(played.host.round, set()).update(lengths)

    warmup = {"levels": [12, "20%"], "rounds": 20}
    played = run(with_momentum(warmup=warmup), look=look)
    warm = expected(lambda v, t, _rank: top_k(v, count(t)))
    assert difference(played.iterates, warm) <= SAME
    assert sent == {t: {count(t)} for t in range(ROUNDS + 1)}


@pytest.mark.parametrize(
    ("compressor", "level"),
    [(BLOCKS, 3), ({"name": "randk", "k": 4, "seed": "shared"}, 10)],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_shared_indices_travel_while_it_warms_up(compressor: dict, level: int) -> None:
    """Nobody could derive them again at another level; all downlink modes move x alike."""
    listed: list[bool] = []

    def look(_played: Played, packets: list[Packet]) -> None:
        (kind,) = {type(packet.payloads[0]).__name__ for packet in packets}
        listed.append(kind == "Sparse")

    runs = []
    for downlink in ("model", "update", "gather"):
        method = with_momentum(warmup={"levels": [level], "rounds": 5}, downlink=downlink)
        listed.clear()
        runs.append(run(method, 20, look, compressor=compressor))
        assert listed == [t < 5 for t in range(21)]
    assert all(same_bits(other, runs[0]) for other in runs[1:])


@pytest.mark.parametrize(
    "compressor",
    [{"name": "topk", "k": 3}, {"name": "randk", "k": 3}, QUANTIZED_TOP],
    ids=lambda c: c["name"],
)
def test_momentum_is_cleared_where_it_was_sent_and_nowhere_else(compressor: dict) -> None:
    before: dict[int, torch.Tensor] = {}
    cleared = 0

    def look(played: Played, packets: list[Packet]) -> None:
        nonlocal cleared
        for rank, packet in zip(played.host.ranks, packets, strict=True):
            gradient = rank.gradients[0]
            moved = gradient + MOMENTUM * before.get(rank.rank, torch.zeros_like(gradient))
            sent = densify(packet.payloads[0], gradient.dtype) != 0
            held = rank.state.momentum.buffer
            assert not held[sent].any()
            torch.testing.assert_close(held[~sent], moved[~sent], rtol=1e-13, atol=1e-16)
            before[rank.rank] = held.clone()
            cleared += int(sent.sum())

    run(with_momentum(), 20, look, compressor=compressor)
    assert cleared > 2 * WORKERS * 20


@pytest.mark.parametrize("compressor", ["identity", "sign"])
def test_where_all_of_it_travels_there_is_no_mask(compressor: str) -> None:
    masked, plain = (
        run(with_momentum(masking=masking), 20, compressor=compressor) for masking in (True, False)
    )
    assert same_bits(masked, plain)


@pytest.mark.parametrize("nesterov", [False, True, "powersgd"])
def test_without_compression_it_is_momentum_on_the_aggregate(nesterov: bool | str) -> None:
    local = run(with_momentum(nesterov=nesterov), 50, compressor="identity")
    optimizer = {"name": "sgd", "momentum": MOMENTUM, "nesterov": nesterov}
    whole = run("ef_sgd", 50, compressor="identity", optimizer=optimizer)
    assert difference(local.iterates, whole.iterates) <= SAME_METHOD


@pytest.mark.parametrize("memory", ["gradient", "update"])
@pytest.mark.parametrize(
    "compressor",
    [
        BLOCKS,
        {"name": "hard_threshold", "threshold": 0.02},
        {"name": "qsgd", "levels": 4},
    ],
    ids=lambda c: c["name"],
)
def test_without_momentum_it_is_ef_sgd(compressor: dict, memory: str) -> None:
    schedule = {"kind": "cosine", "warmup": 5}
    given = {
        "compressor": compressor,
        "optimizer": {"name": "sgd", "momentum": 0.5, "weight_decay": 0.01},
        "step_size": {"rule": "constant", "value": STEP, "schedule": schedule},
    }
    without = run(with_momentum(momentum=0.0, memory=memory), 30, **given)
    assert same_bits(without, run({"name": "ef_sgd", "memory": memory}, 30, **given))


@pytest.mark.parametrize(
    ("method", "compressor", "message", "path"),
    [
        ({"warmup": {"levels": [5], "rounds": 3}}, "sign", "no level", "compressor.name"),
        ({"warmup": {"levels": [0], "rounds": 3}}, None, "no count", "method.warmup.levels"),
        ({"warmup": {"levels": [31], "rounds": 3}}, None, "31 exceeds", "compressor.k"),
        ({"warmup": {"levels": [], "rounds": 3}}, None, "at least 1", "method.warmup.levels"),
        ({"warmup": {"levels": [5]}}, None, "missing", "method.warmup.rounds"),
        ({"clip": 0.0}, None, "greater than 0", "method.clip"),
        ({"momentum": 1.0}, None, "less than 1", "method.momentum"),
    ],
)
def test_what_does_not_fit_is_refused(
    method: dict, compressor: str | None, message: str, path: str
) -> None:
    more = {"compressor": compressor} if compressor else {}
    with pytest.raises(ConfigError, match=message) as caught:
        run(with_momentum(**method), 5, **more)
    assert caught.value.path == path


def test_accordion_takes_it_without_its_warm_up() -> None:
    inner = with_momentum()
    wrapped = {"name": "accordion", "inner": inner, "levels": [3, 3], "window": 5}
    assert same_bits(run(wrapped, 30), run(inner, 30))
    warmed = {**inner, "warmup": {"levels": [6], "rounds": 5}}
    with pytest.raises(ConfigError, match="leave out its warmup") as caught:
        run({**wrapped, "inner": warmed}, 30)
    assert caught.value.path == "method.inner"
