"""A config with its data: everything that a run needs before the first socket or round."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from psim import emulated, random, theory
from psim.compressors.base import Compressor
from psim.compressors.layers import bound
from psim.config import Config
from psim.data import arrays
from psim.data.opened import HERE, Local, Opened, Smoothness, open_problem
from psim.emulated import Emulated
from psim.errors import ConfigError, DataError
from psim.methods.base import Method
from psim.nodes import table_host
from psim.nodes.account import Account
from psim.nodes.limits import Limits
from psim.nodes.master import Master
from psim.nodes.setup import Setup, agree
from psim.nodes.table_master import TableMaster
from psim.threads import single_threaded
from psim.vectors import torch

if TYPE_CHECKING:
    from collections.abc import Callable

AnyMaster = TypeVar("AnyMaster", bound=Master)


FEW_SHARES = 1_000
"""Workers up to which L and all L_i are computed even where the step size is a number."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What the master knows before the run. ``constants`` are the theory's, by their names in
    summary.json; ``f_star`` is f's minimum where the config asks for it; ``emulated`` is the
    network, where there is an emulation. ``told`` is the config as workers are told it: with what
    its files say in place of their paths. ``local`` is what local workers have of this process's.
    """

    config: Config
    told: Config
    problem: Opened
    setup: Setup
    constants: dict[str, object]
    f_star: float | None
    emulated: Emulated | None
    local: Local = HERE

    @property
    def x0(self) -> torch.Tensor:
        """x^0, made anew each time: a run holds one iterate, and nothing beside it."""
        return _start(self.config, self.problem)


class Opener:
    """Opens problems, and keeps the last one: the runs of a sweep mostly share theirs."""

    def __init__(self, local: Local = HERE) -> None:
        self.local = local
        self._key = ""
        self._problem: Opened | None = None

    def open(self, config: Config) -> Opened:
        """The config's problem with its data. Raises DataError, ConfigError."""
        key = json.dumps([config.problem.document(), config.workers, config.seed])
        if self._problem is None or key != self._key:
            self._problem, self._key = (
                open_problem(config.problem, config.workers, config.seed, self.local),
                key,
            )
        return self._problem


def check(config: Config, opener: Opener) -> None:
    """What `prepare` would find wrong, as far as that is quickly seen. Raises as it does."""
    problem = opener.open(config)
    config = timed(config, problem.per_epoch)
    told = _told(config, problem, _some_point(problem))
    agree(told, problem, 1.0)
    _contraction(told, problem)
    if config.start.kind == "file":
        _start(config, problem)
    _emulated(config)


def prepare(config: Config, opener: Opener | None = None) -> Experiment:
    """Open the data, compute the constants and x^0, and check that all fits together.

    Raises ConfigError or DataError. Single-threaded, so that every way to launch a run computes
    the same bits.
    """
    with single_threaded():
        opener = opener or Opener()
        problem = opener.open(config)
        problem.try_out()
        # What is relative to the data is a number from here on: other machines need not agree on L.
        config = config.model_copy(update={"problem": problem.problem})
        config = timed(config, problem.per_epoch)
        told = _told(config, problem, lambda: problem.minimum()[0])
        constants = _constants(told, problem)
        step_size = constants["step_size"]
        assert isinstance(step_size, float)
        setup = agree(told, problem, step_size)
        _start(config, problem)  # raises where there is none
        f_star = problem.f_star()
        return Experiment(
            config, told, problem, setup, constants, f_star, _emulated(config), opener.local
        )


def master(
    experiment: Experiment, clock: Callable[[], float], stopwatch: Callable[[], float]
) -> Master:
    """The experiment's master, ready to begin: one that takes messages as tables, where these are
    what hosts send.
    """
    together = table_host.worthwhile(experiment.setup)
    return master_of(TableMaster if together else Master, experiment, clock, stopwatch)


def master_of(
    kind: type[AnyMaster],
    experiment: Experiment,
    clock: Callable[[], float],
    stopwatch: Callable[[], float],
) -> AnyMaster:
    """The same, of this class."""
    config, setup = experiment.config, experiment.setup
    network, real = experiment.emulated, config.network.clock == "real"
    emulation = None if network is None else network.emulation(real)
    stop = config.stop
    return kind(
        setup,
        experiment.x0,
        Account(config.workers, config.network.mtu, setup.traits.starts),
        emulation,
        clock,
        stopwatch,
        experiment.f_star,
        Limits(stop.grad_norm_sq, stop.time, stop.bytes, stop.bits),
    )


def _emulated(config: Config) -> Emulated | None:
    """The config's network, where it has an emulation."""
    return None if config.network.clock == "none" else emulated.opened(config)


def _constants(config: Config, problem: Opened) -> dict[str, object]:
    """L, L_i, L̃, α, θ, β and γ, as far as they exist for this config. L and its kin are left out
    where they would be n large computations that nothing asks for.
    """
    alpha = _contraction(config, problem)
    needless = config.workers > FEW_SHARES and config.step_size.value is not None
    smooth = None if needless else problem.smoothness()
    known = _unknown() if smooth is None else _smooth(smooth)
    return {
        **known,
        "alpha": alpha,
        "theta": None if alpha is None else theory.theta(alpha),
        "beta": None if alpha is None else theory.beta(alpha),
        "step_size": _step_size(config, smooth, alpha),
    }


def _smooth(smooth: Smoothness) -> dict[str, object]:
    return {
        "L": smooth.chosen,
        "L_pooled": smooth.pooled,
        "L_exact": smooth.exact,
        "L_i": list(smooth.local),
        "L_tilde": theory.quadratic_mean(smooth.local),
    }


def _unknown() -> dict[str, object]:
    """Of a network nobody knows L, and of very many shares it is not computed."""
    return dict.fromkeys(("L", "L_pooled", "L_exact", "L_i", "L_tilde"))


def _told(config: Config, problem: Opened, optimum: Callable[[], np.ndarray]) -> Config:
    """The config with the files of its compressors and its method read; ``optimum`` gives x* to
    methods that want it. Raises DataError, ConfigError.
    """
    compressor, method = config.compressor, config.method
    assert isinstance(compressor, Compressor)
    assert isinstance(method, Method)
    own = {
        key: each.opened(arrays.one, config.rounds) for key, each in method.compressors().items()
    }
    method = method.model_copy(update=own).opened(arrays.one, optimum, problem.size)
    opened = compressor.opened(arrays.one, config.rounds)
    return config.model_copy(update={"compressor": opened, "method": method})


def _some_point(problem: Opened) -> Callable[[], np.ndarray]:
    """x* for a check that must be quick: another point, where there may be an x*."""

    def point() -> np.ndarray:
        problem.problem.check_convex()
        return np.zeros(problem.size)

    return point


def _contraction(config: Config, problem: Opened) -> float | None:
    """α, or None where the compressor has none; ConfigError where the step size needs one."""
    rule = config.step_size.rule
    assert isinstance(config.compressor, Compressor)
    compressor = bound(config.compressor, problem.segments)
    compressor.check(problem.size)
    guarantee = compressor.guarantee(problem.size)
    alpha = None if guarantee is None else guarantee.alpha
    if alpha is None and rule in ("theorem2", "theorem3"):
        name = config.compressor.name
        raise ConfigError(
            f"{rule!r} needs a contraction factor, and compressor {name!r} has none as "
            "configured: use a contractive compressor, rule: inverse_L, or a number",
            "step_size.rule",
        )
    return alpha


def _step_size(config: Config, smooth: Smoothness | None, alpha: float | None) -> float:
    """γ: the rule's whole result times ``multiple``."""
    wanted = config.step_size
    if wanted.value is not None:
        return wanted.value * wanted.multiple
    if smooth is None:
        raise ConfigError(
            f"{wanted.rule!r} needs L, which nobody knows for a network: give a number",
            "step_size.rule" if "rule" in wanted.model_fields_set else "step_size",
        )
    smoothness, l_tilde = smooth.chosen, theory.quadratic_mean(smooth.local)
    if wanted.rule == "inverse_L":
        base = theory.inverse_smoothness_step_size(smoothness)
    elif wanted.rule == "theorem2":
        assert alpha is not None
        base = theory.theorem2_step_size(alpha, smoothness, l_tilde)
    else:
        assert alpha is not None
        assert wanted.mu is not None
        base = theory.theorem3_step_size(alpha, smoothness, l_tilde, wanted.mu)
    if not isfinite(base):
        raise ConfigError(f"{wanted.rule!r} gives no finite step: give a number", "step_size.rule")
    return base * wanted.multiple


def timed(config: Config, per_epoch: int | None) -> Config:
    """With the rounds that ``epochs`` are; an epoch has ``per_epoch``. Raises ConfigError."""
    if config.epochs is None:
        return config
    if per_epoch is None:
        raise ConfigError(
            f"{config.epochs:g}: problem {config.problem.name} has no samples to pass over: give "
            "rounds",
            "epochs",
        )
    rounds = max(1, round(config.epochs * per_epoch))
    return config.model_copy(update={"rounds": rounds, "epochs": None})


def _start(config: Config, problem: Opened) -> torch.Tensor:
    """x^0, in the problem's own type; shape (d,)."""
    start, size = config.start, problem.size
    if start.kind is None:
        return problem.initial_point()
    if start.kind == "file":
        assert start.path is not None
        x0 = _read_start(start.path, size)
    elif start.kind == "optimum":
        x0 = problem.minimum()[0] + start.offset
    elif start.kind == "normal":
        seed = config.seed if start.seed is None else start.seed
        x0 = random.generator(seed, "start").normal(0.0, start.std, size)
    else:
        x0 = np.zeros(size)
    return torch.from_numpy(x0).to(getattr(torch, problem.native))


def _read_start(path: str, size: int) -> np.ndarray:
    try:
        x0 = np.load(path, allow_pickle=False, mmap_mode="r")
    except FileNotFoundError:
        raise DataError(f"start.path: {path}: no such file: give the path of a .npy file") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"start.path: {path}: not a .npy file of numbers: {error}") from None
    if not isinstance(x0, np.ndarray) or x0.shape != (size,) or x0.dtype.kind not in "fiu":
        shape = getattr(x0, "shape", None)
        raise DataError(f"start.path: {path}: has shape {shape}: x^0 has {size} numbers")
    x0 = np.array(x0, dtype=np.float64)
    if not np.isfinite(x0).all():
        raise DataError(f"start.path: {path}: has values that are not finite: x^0 must be finite")
    return x0
