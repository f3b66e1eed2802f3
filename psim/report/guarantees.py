"""What the papers' theorems say about a config: constants, step sizes, guarantees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from psim import theory
from psim.compressors.base import Guarantee
from psim.config import Config
from psim.data.opened import Smoothness
from psim.experiment import Experiment, prepare
from psim.nodes.compression import Compression
from psim.theory import feedback
from psim.threads import single_threaded
from psim.vectors import squared_norm


@dataclass(frozen=True, slots=True)
class Start:
    """f(x^0), f^inf and where it comes from, and G^0 (equation 13)."""

    loss: float
    lower_bound: float | None
    source: str
    distortion: float | None

    @property
    def gap(self) -> float | None:
        """f(x^0) - f^inf."""
        return None if self.lower_bound is None else self.loss - self.lower_bound


def report(config: Config) -> str:
    """The page that `psim theory` prints. Raises ConfigError or DataError as a run would."""
    experiment = prepare(config)
    with single_threaded():
        lines = [*_constants(experiment)]
        alpha = experiment.constants["alpha"]
        skipped = experiment.constants["L"] is None
        smooth = None if skipped else experiment.problem.smoothness()
        if smooth is None:
            lines.append(
                "the theorems need L, which nobody knows for a network, and which is not computed "
                "for very many workers where the step size is a number"
            )
        elif experiment.setup.method.theorems in ("feedback", "detached"):
            lines += _feedback(experiment)
        elif isinstance(alpha, float):
            lines += _theorems(experiment, smooth, alpha)
        else:
            lines.append("the theorems need a contractive compressor, and this one is not")
    return "\n".join(lines)


def _constants(experiment: Experiment) -> Iterator[str]:
    config, known = experiment.config, experiment.constants
    rows = experiment.problem.rows
    counted = "" if rows is None else f"N = {rows}, "
    sizes = f"{counted}d = {experiment.setup.size}, n = {config.workers}"
    yield f"problem       {config.problem.name}: {sizes}"
    if known["L"] is not None:
        yield from _smoothness(known)
    guarantee = experiment.setup.compressor.guarantee(experiment.setup.size)
    yield f"compressor    {config.compressor.name}: {_promise(guarantee)}"
    if known["alpha"] is not None:
        yield f"α             {known['alpha']:.10g}"
        yield f"θ             {known['theta']:.10g}"
        yield f"β             {known['beta']:.10g}"
    multiple = f"{config.step_size.rule}, {config.step_size.multiple:g} times"
    yield f"γ             {known['step_size']:.10g} ({multiple}), the config's"


def _smoothness(known: Mapping[str, object]) -> Iterator[str]:
    yield f"L             {known['L_pooled']:.10g} pooled, {known['L_exact']:.10g} exact"
    yield f"L̃             {known['L_tilde']:.10g}"
    locals_ = known["L_i"]
    assert isinstance(locals_, list)
    for first in range(0, len(locals_), 5):
        name = "L_i" if first == 0 else ""
        values = " ".join(f"{value:<14.10g}" for value in locals_[first : first + 5])
        yield f"{name:<13} {values.rstrip()}"


def _promise(guarantee: Guarantee | None) -> str:
    """The class, with its constant where that is not α, which has a line of its own."""
    if guarantee is None:
        return "promises nothing"
    symbol = {"contractive": None, "unbiased": "ω", "absolute": "κ²"}[guarantee.kind]
    return (
        guarantee.kind
        if symbol is None
        else f"{guarantee.kind}, {symbol} = {guarantee.constant:.10g}"
    )


def _theorems(experiment: Experiment, smooth: Smoothness, alpha: float) -> Iterator[str]:
    """The step sizes for the L that the theorems mean: f's own, exact for equal weights."""
    l_tilde = theory.quadratic_mean(smooth.local)
    start, rounds = _start(experiment), experiment.config.rounds
    for name, L in (("pooled", smooth.pooled), ("exact", smooth.exact)):
        step = theory.theorem2_step_size(alpha, L, l_tilde)
        yield f"Theorem 2     γ <= {step:.10g} ({name} L)"
    step = theory.theorem2_step_size(alpha, smooth.exact, l_tilde)
    yield from _theorem2(alpha, step, rounds, start)
    mu = experiment.config.step_size.mu or experiment.problem.pl_constant()
    if mu is None:
        yield "Theorem 3     needs the PL constant: give step_size.mu"
        return
    step = theory.theorem3_step_size(alpha, smooth.exact, l_tilde, mu)
    yield f"Theorem 3     γ <= {step:.10g} (exact L, μ = {mu:.10g})"
    yield from _theorem3(alpha, step, mu, rounds, start)


def _feedback(experiment: Experiment) -> Iterator[str]:
    """What is known of error feedback with exact gradients: M = σ² = 0."""
    setup, known = experiment.setup, experiment.constants
    locals_, guarantee = known["L_i"], setup.compressor.guarantee(setup.size)
    assert isinstance(locals_, list)
    at = feedback.Setting(max(locals_), setup.workers)
    if setup.batches is not None:
        yield "the bounds below are for exact gradients: minibatches add their noise to them"
    if setup.method.theorems == "detached":
        yield f"Theorem 4.3   γ <= {feedback.detached_step_size(at.L):.10g} (DEF; L = max L_i)"
        return
    if guarantee is None or guarantee.kind == "unbiased":
        yield "the theorems need a contractive or an absolute compressor, and this one is neither"
    elif guarantee.kind == "absolute":
        yield from _absolute(experiment, at, guarantee.constant)
    else:
        step = feedback.theorem7_step_size(at, guarantee.constant)
        yield f"Theorem 7     γ <= {step:.10g} (Sahu et al.; L = max L_i, and for C = 0)"
        yield "              what it guarantees needs C and ζ², how much the ∇f_i differ"


def _absolute(experiment: Experiment, at: feedback.Setting, kappa_squared: float) -> Iterator[str]:
    start, rounds = _start(experiment), experiment.config.rounds
    if experiment.config.problem.convex:  # type: ignore[attr-defined]
        step = feedback.theorem4_step_size(at)
        yield f"Theorems 4, 5 γ <= {step:.10g} (Sahu et al.; L = max L_i); rates without constants"
    step = feedback.theorem6_step_size(at)
    yield f"Theorem 6     γ <= {step:.10g} (Sahu et al.; L = max L_i)"
    if start.gap is None:
        yield f"              {_lacking(start)}"
        return
    bound = feedback.theorem6_bound(at, step, rounds, start.gap, kappa_squared)
    yield f"              at that γ, after T = {rounds} rounds: mean ‖∇f(x^t)‖² <= {bound:.6g}"
    infimum = f"f^inf = {start.lower_bound:.10g} ({start.source})"
    yield f"              with f(x^0) = {start.loss:.10g}, {infimum}"


def _theorem2(alpha: float, step: float, rounds: int, start: Start) -> Iterator[str]:
    if start.gap is None or start.distortion is None:
        yield f"              {_lacking(start)}"
        return
    bound = theory.theorem2_bound(alpha, step, rounds, start.gap, start.distortion)
    yield f"              at that γ, after T = {rounds} rounds: mean ‖∇f(x^t)‖² <= {bound:.6g}"
    infimum = f"f^inf = {start.lower_bound:.10g} ({start.source})"
    yield f"              with f(x^0) = {start.loss:.10g}, {infimum}, G^0 = {start.distortion:.6g}"


def _theorem3(alpha: float, step: float, mu: float, rounds: int, start: Start) -> Iterator[str]:
    if start.gap is None or start.distortion is None:
        yield f"              {_lacking(start)}"
        return
    first = theory.lyapunov(alpha, step, start.gap, start.distortion)
    last = theory.theorem3_bound(step, mu, rounds, first)
    rate = f"(1 - {step * mu:.6g})^T"
    yield f"              at that γ: Ψ^T <= {rate} Ψ^0 = {last:.6g}, Ψ^0 = {first:.6g}"


def _lacking(start: Start) -> str:
    if start.gap is None:
        return "what it guarantees needs f^inf: give problem.f_star, or f_star: compute"
    return "what it guarantees is about methods with a g_i, like ef21"


def _start(experiment: Experiment) -> Start:
    """f and G^0 at x^0, with g_i^0 made as the config's method makes it."""
    setup, problem = experiment.setup, experiment.problem
    x0, losses, distortions = experiment.x0, [], []
    for rank in range(setup.workers):
        share, state = problem.share(rank), setup.method.worker(x0)
        step = setup.step(0, rank)
        gradient = share.gradient(x0)
        compression = Compression(setup.compressor, setup.dtype(setup.values)).at(step)
        state.message((gradient,), step, compression)
        estimate = state.estimate_of_gradient()
        losses.append(share.loss(x0))
        distortions.append(None if estimate is None else squared_norm(estimate - gradient))
    known = [value for value in distortions if value is not None]
    lower, source = experiment.f_star, "problem.f_star"
    if lower is None:
        lower, source = problem.lower_bound(), "no loss is negative"
    mean = sum(known) / len(known) if len(known) == setup.workers else None
    return Start(sum(losses) / setup.workers, lower, source, mean)
