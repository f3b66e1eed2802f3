"""A run on a device is the host's up to rounding, and sends as much."""

from pathlib import Path

import pytest
import torch

import psim

CONFIG: dict[str, object] = {
    "rounds": 10,
    "workers": 3,
    "transport": "inproc",
    "problem": {"name": "torch", "model": "mlp", "model_args": {"hidden": [8]}}
    | {"dataset": "digits", "dataset_args": {"holdout": 97}, "batch": 16},
    "compressor": {"name": "topk", "k": "5%"},
    "step_size": 0.1,
    "evaluate": {"every": 10},
    "metrics": {"every": 5},
}


@pytest.mark.parametrize("method", ["sgd", "ef21", "ef_sgd", "def"])
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_run_on_a_device_is_the_hosts(device: str, method: str, tmp_path: Path) -> None:
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if not available[device]():
        pytest.skip(f"this machine has no {device} device")
    config = {**CONFIG, "method": method}
    there, here = (
        psim.run(config, out=tmp_path / name, device=name).rows for name in (device, "cpu")
    )
    assert there["up_bits"].to_list() == here["up_bits"].to_list()
    for field in ("train_loss", "test_loss"):
        mine, other = (rows[field].drop_nulls().to_list() for rows in (there, here))
        assert mine == pytest.approx(other, rel=1e-2), field
