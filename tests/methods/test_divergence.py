"""Beznosikov et al. 2020, Example 1: three quadratics on which DCGD with Top-1 runs away.

f_i(x) = <a_i, x>² + ‖x‖²/4 with a = (-3, 2, 2), (2, -3, 2), (2, 2, -3), from (1, 1, 1).
"""

from pathlib import Path

import numpy as np
import pytest
from playing import Played, play

VECTORS = np.full((3, 3), 2.0) - 5.0 * np.eye(3)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A_i = 2 a_i a_iᵀ + I/2 and b_i = 0; x^0."""
    matrices = 2.0 * VECTORS[:, :, None] * VECTORS[:, None, :] + 0.5 * np.eye(3)
    np.savez(tmp_path / "example.npz", A=matrices, b=np.zeros((3, 3)))
    np.save(tmp_path / "ones.npy", np.ones(3))
    return {"example": str(tmp_path / "example.npz"), "ones": str(tmp_path / "ones.npy")}


def run(
    files: dict[str, str], method: str, step_size: object, rounds: int, every: int = 1
) -> Played:
    return play(
        {
            "rounds": rounds,
            "workers": 3,
            "problem": {"name": "quadratic", "path": files["example"], "f_star": "compute"},
            "start": {"kind": "file", "path": files["ones"]},
            "method": method,
            "compressor": {"name": "topk", "k": 1},
            "step_size": step_size,
            "metrics": {"every": every},
        }
    )


@pytest.mark.parametrize(("step_size", "rounds"), [(0.001, 100), (0.01, 100), (0.1, 50), (1.0, 6)])
def test_dcgd_multiplies_x_by_the_same_factor_above_one_each_step(
    files: dict[str, str], step_size: float, rounds: int
) -> None:
    # Rounding breaks the symmetry of the example in the end, the sooner the larger the steps.
    played = run(files, "dcgd", step_size, rounds)
    growth = 1.0 + 11.0 * step_size / 6.0
    for t, x in enumerate(played.iterates):
        np.testing.assert_allclose(x, np.full(3, growth**t), rtol=1e-12)


def test_dcgd_ends_as_diverged(files: dict[str, str]) -> None:
    played = run(files, "dcgd", 1.0, 1000)
    assert played.finish is not None
    assert played.finish.status == "diverged"
    assert played.rows[-1]["grad_norm_sq"] is None
    assert played.rows[-1]["round"] == len(played.rows) - 1 < 1000


@pytest.mark.parametrize("method", ["ef21", "ef21_plus"])
def test_ef21_converges_where_dcgd_diverges(files: dict[str, str], method: str) -> None:
    played = run(files, method, {"rule": "theorem2"}, 3000, 3000)
    assert played.rows[-1]["grad_norm_sq"] < 1e-16
    assert played.rows[-1]["suboptimality"] < 1e-16
    assert np.linalg.norm(played.iterates[-1]) < 1e-8


def test_ef_converges_as_well(files: dict[str, str]) -> None:
    assert run(files, "ef", 0.01, 2000, 2000).rows[-1]["grad_norm_sq"] < 1e-6
