"""A module on a flat vector computes what the module computes."""

import learnable
import pytest
import torch
from torch import nn
from torch.nn import functional

from psim.problems.learning.module import FlatModule, drawing
from psim.segments import Segment

CPU = torch.device("cpu")
DEVICES = ["cpu", "cuda", "mps"]


def present(name: str) -> torch.device:
    available = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if name != "cpu" and not available[name]():
        pytest.skip(f"this machine has no {name} device")
    return torch.device(name)


def convolutional() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    )


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_and_buffers_are_autograds_on_an_untouched_copy(device: str) -> None:
    at = present(device)
    with drawing(3):
        module, other = convolutional(), convolutional()
        inputs, targets = torch.randn(7, 2, 8, 8).to(at), torch.randint(3, (7,)).to(at)
    other.load_state_dict(module.state_dict())
    other.to(at)
    flat = FlatModule(module, at)
    x, buffers = flat.initial().to(at), flat.buffers()
    assert torch.equal(x.cpu(), nn.utils.parameters_to_vector(other.parameters()).cpu())
    for _ in range(2):
        value, gradient = flat.loss_and_gradient(
            x, inputs, buffers, lambda out: functional.cross_entropy(out, targets)
        )
        other.zero_grad()
        loss = functional.cross_entropy(other(inputs), targets)
        loss.backward()
        assert value == float(loss.detach())
        expected = torch.cat([p.grad.reshape(-1) for p in other.parameters()])
        assert torch.equal(gradient, expected)
        for name, buffer in other.named_buffers():
            assert torch.equal(buffers[name], buffer), name
    assert not torch.equal(
        buffers["1.running_mean"], dict(module.named_buffers())["1.running_mean"]
    )


def test_layers_are_the_parameters_and_frozen_ones_are_none_of_them() -> None:
    module = learnable.network()
    module[0].requires_grad_(False)
    flat = FlatModule(module, CPU)
    assert flat.segments == (Segment("3.weight", 0, (3, 6)), Segment("3.bias", 18, (3,)))
    inputs, targets = learnable.tensors()
    _, gradient = flat.loss_and_gradient(
        flat.initial(), inputs, {}, lambda out: functional.cross_entropy(out, targets)
    )
    functional.cross_entropy(module(inputs), targets).backward()
    assert torch.equal(
        gradient, torch.cat([module[3].weight.grad.reshape(-1), module[3].bias.grad])
    )


def test_gradients_of_two_points_stand_side_by_side() -> None:
    flat = FlatModule(learnable.network(), CPU)
    inputs, targets = learnable.tensors()

    def loss(outputs: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(outputs, targets)

    x = flat.initial()
    _, one = flat.loss_and_gradient(x, inputs, {}, loss)
    kept = one.clone()
    _, other = flat.loss_and_gradient(2 * x, inputs, {}, loss)
    assert torch.equal(one, kept)
    assert not torch.equal(one, other)


def test_drawing_repeats_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with drawing(5):
        first = torch.rand(3)
    with drawing(5):
        again = torch.rand(3)
    assert torch.equal(first, again)
    assert torch.equal(torch.rand(3), expected)


def test_the_modules_own_values_are_needed_for_the_initial_point_only() -> None:
    module = learnable.network()
    flat = FlatModule(module, CPU)
    inputs, targets = learnable.tensors()

    def differentiated() -> tuple[float, torch.Tensor]:
        return flat.loss_and_gradient(
            x, inputs, {}, lambda out: functional.cross_entropy(out, targets)
        )

    x = flat.initial()
    value, gradient = differentiated()
    flat.let_go()
    assert sum(p.numel() for p in module.parameters()) == 0
    again = differentiated()
    assert again[0] == value
    assert torch.equal(again[1], gradient)
