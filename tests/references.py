"""The references by the names of the methods of psim: x^t for t = 0..T."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
from reference.accordion import accordion
from reference.compressors import top_k
from reference.cser import cser
from reference.dcgd import dcgd
from reference.def_ import detached
from reference.dgc import dgc
from reference.diana import diana
from reference.doublesqueeze import doublesqueeze
from reference.ec_gdstar import shifted
from reference.ef import ef
from reference.ef21 import ef21
from reference.ef21_bc import ef21_bc
from reference.ef21_hb import ef21_hb
from reference.ef21_page import ef21_page
from reference.ef21_plus import ef21_plus
from reference.ef21_pp import ef21_pp
from reference.ef21_sgdm import ef21_sgdm
from reference.ef_sgd import ef_sgd
from reference.gd import gd
from reference.marina import marina
from reference.psync import psync
from reference.rounds import constant, every_round, same_for_all
from reference.saef import saef
from reference.sgd import sgd
from reference.trajectory import Array, Compress, Gradients, Init
from streams import SHARED, stream


class Reference(Protocol):
    """A method's reference, as the comparison calls it."""

    def __call__(
        self,
        gradients: Gradients,
        x0: Array,
        step_size: float,
        compress: Compress,
        rounds: int,
        *,
        init: Init = "compressed",
        **options: object,
    ) -> list[Array]:
        """x^0 to x^T; ``options`` are the method's further parameters."""


def _plain(method: Callable) -> Reference:
    def run(gradients, x0, step_size, compress, rounds, **_options):
        return method(gradients, x0, step_size, compress, rounds).iterates

    return run


def _started(method: Callable) -> Reference:
    def run(gradients, x0, step_size, compress, rounds, *, init="compressed"):
        return method(gradients, x0, step_size, compress, rounds, init).iterates

    return run


def _gd(gradients, x0, step_size, compress, rounds, **_options):
    return gd(gradients, x0, step_size, rounds).iterates


def _ef(gradients, x0, step_size, compress, rounds, *, feedback="ef", **_options):
    if feedback == "ef":
        return ef(gradients, x0, step_size, compress, rounds).iterates
    steps = [partial(_times, gradient, step_size) for gradient in gradients]
    return dcgd(steps, x0, 1.0, compress, rounds).iterates


def _times(gradient, factor, x):
    return factor * gradient(x)


def _sgd(gradients, x0, step_size, compress, rounds, **_options):
    taking = every_round(gradients)
    return sgd(taking, x0, constant(step_size), rounds, same_for_all(compress))


def _ef_sgd(gradients, x0, step_size, compress, rounds, **options):
    return _compensated(every_round(gradients), x0, step_size, compress, rounds, **options)


def _ec_gdstar(gradients, x0, step_size, compress, rounds, *, x_star, **options):
    shift = shifted(every_round(gradients), np.array(x_star))
    return _compensated(shift, x0, step_size, compress, rounds, **options)


def _compensated(
    gradients, x0, step_size, compress, rounds, *, memory="update", feedback="ef", **_options
):
    c, keeps = same_for_all(compress), feedback == "ef"
    steps = constant(step_size)
    return ef_sgd(gradients, x0, steps, c, rounds, memory, feedback=keeps).iterates


def _dgc(
    gradients, x0, step_size, compress, rounds, *, momentum=0.5, nesterov=False, masking=True, **_
):
    """Without clipping and warm-up; the error's unit does not matter at one step size."""
    c, steps = same_for_all(compress), constant(step_size)
    return dgc(
        every_round(gradients), x0, steps, c, rounds, momentum, masking=masking, nesterov=nesterov
    ).iterates


def _def(gradients, x0, step_size, compress, rounds, **options):
    c, steps = same_for_all(compress), constant(step_size)
    return detached(every_round(gradients), x0, steps, c, rounds, **options).iterates


def _saef(gradients, x0, step_size, compress, rounds, **options):
    c, steps = same_for_all(compress), constant(step_size)
    return saef(every_round(gradients), x0, steps, c, rounds, **options).iterates


def _psync(gradients, x0, step_size, compress, rounds, **_options):
    c, steps = same_for_all(compress), constant(step_size)
    run = psync(every_round(gradients), x0, steps, c, rounds)
    return [local[0] + errors[0] for local, errors in zip(run.local, run.errors, strict=True)]


def _cser(gradients, x0, step_size, compress, rounds, *, period, compressor_reset):
    c, steps = same_for_all(compress), constant(step_size)
    assert compressor_reset["name"] == "topk"
    reset = same_for_all(partial(top_k, k=compressor_reset["k"]))
    run = cser(every_round(gradients), x0, steps, c, rounds, period, reset)
    return [local[0] - errors[0] for local, errors in zip(run.local, run.errors, strict=True)]


def _ef21_hb(gradients, x0, step_size, compress, rounds, *, momentum, init):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return ef21_hb(taking, x0, steps, c, rounds, momentum, init).iterates


def _ef21_sgdm(gradients, x0, step_size, compress, rounds, *, momentum, init):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return ef21_sgdm(taking, x0, steps, c, rounds, 1.0 - momentum, init).iterates


def _ef21_bc(gradients, x0, step_size, compress, rounds, *, compressor_down, init):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return ef21_bc(taking, x0, steps, c, rounds, _down(compressor_down), init).iterates


def _ef21_pp(gradients, x0, step_size, compress, rounds, *, init):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return ef21_pp(taking, x0, steps, c, rounds, lambda _: range(len(gradients)), init).iterates


def _ef21_page(gradients, x0, step_size, compress, rounds, *, probability, init):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    coin = private_coin(0, probability)
    return ef21_page(gradients, taking, x0, steps, c, rounds, coin, init).iterates


def _diana(gradients, x0, step_size, compress, rounds, *, alpha):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return diana(taking, x0, steps, c, rounds, alpha).iterates


def _doublesqueeze(gradients, x0, step_size, compress, rounds, *, compressor_down):
    taking, c, steps = every_round(gradients), same_for_all(compress), constant(step_size)
    return doublesqueeze(taking, x0, steps, c, rounds, _down(compressor_down)).iterates


def _marina(gradients, x0, step_size, compress, rounds, *, probability):
    c, steps = same_for_all(compress), constant(step_size)
    return marina(gradients, x0, steps, c, rounds, shared_coin(0, probability)).iterates


def _down(document: dict):
    """The master's Top-k, of a config's document."""
    assert document["name"] == "topk"
    return lambda v, _: top_k(v, document["k"])


def shared_coin(seed: int, probability: float) -> Callable[[int], bool]:
    """MARINA's: heads or tails for all in a round."""
    return lambda t: bool(stream(seed, "marina", SHARED, t).random() < probability)


def private_coin(seed: int, probability: float) -> Callable[[int, int], bool]:
    """PAGE's, of a round and a rank."""
    return lambda t, rank: bool(stream(seed, "page", rank, t).random() < probability)


def _accordion(
    gradients, x0, step_size, compress, rounds, *, inner, levels, eta, window, **_options
):
    """Around ef, whose compressor is Top-k: homogeneous, so that the step size may stay outside."""
    assert inner["name"] == "ef"
    return accordion(
        every_round(gradients),
        x0,
        constant(step_size),
        lambda v, k, _round, _rank: top_k(v, k),
        rounds,
        levels=levels,
        window=window,
        layers=[slice(0, x0.size)],
        eta=eta,
    ).iterates


REFERENCES: dict[str, Reference] = {
    "gd": _gd,
    "accordion": _accordion,
    "cser": _cser,
    "dcgd": _plain(dcgd),
    "def": _def,
    "def_a": _def,
    "dgc": _dgc,
    "diana": _diana,
    "doublesqueeze": _doublesqueeze,
    "ec_gdstar": _ec_gdstar,
    "ef": _ef,
    "ef21": _started(ef21),
    "ef21_bc": _ef21_bc,
    "ef21_hb": _ef21_hb,
    "ef21_page": _ef21_page,
    "ef21_plus": _started(ef21_plus),
    "ef21_pp": _ef21_pp,
    "ef21_sgdm": _ef21_sgdm,
    "ef_sgd": _ef_sgd,
    "marina": _marina,
    "psync": _psync,
    "saef": _saef,
    "sgd": _sgd,
}
"""A method's file in tests/reference comes before its file in psim/methods."""


def difference(actual: list[Array], expected: list[Array]) -> float:
    """The largest ‖x^t - y^t‖/‖y^t‖ over all t; infinite where it is no number."""
    assert len(actual) == len(expected)
    largest = 0.0
    for x, y in zip(actual, expected, strict=True):
        scale = float(np.linalg.norm(y)) or 1.0
        found = float(np.linalg.norm(x - y)) / scale
        largest = max(largest, found) if np.isfinite(found) else np.inf
    return largest
