"""What holds for each network that ships: shapes, gradients, reproducible beginnings."""

import subprocess
import sys

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from psim.problems.networks.build import build
from psim.problems.networks.names import NETWORKS

CASES = {
    "mlp": ({"features": 48, "hidden": [8, 5]}, (4, 3, 4, 4), (4, 10)),
    "cnn": ({"classes": 7, "channels": 1, "pixels": 28}, (4, 1, 28, 28), (4, 7)),
    "lstm": ({"vocabulary": 11, "embedding": 6, "hidden": 6}, (4, 5), (4, 5, 11)),
    "ncf": ({"users": 5, "items": 11, "factors": 3, "layers": [8, 4]}, (4, 3, 2), (4, 3)),
}
PIXELS = {"vgg11_cifar": 32, "vgg16": 32}
"""The others end with a mean over all pixels: half of an image's side is enough to try them."""
IMAGES = {
    name: ({"classes": 7}, (2, 3, PIXELS.get(name, 16), PIXELS.get(name, 16)), (2, 7))
    for name in NETWORKS
    if name not in CASES
}


def inputs_for(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    if name in ("lstm", "ncf"):
        return torch.randint(5, shape, generator=draws)
    return torch.randn(shape, generator=draws)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_have_the_shape_stated_and_every_parameter_counts(name):
    args, shape, expected = {**CASES, **IMAGES}[name]
    network = build(name, args, seed=0)
    inputs = inputs_for(name, shape)
    outputs = network(inputs)
    assert outputs.shape == expected
    assert outputs.dtype == torch.float32
    # Initial variances are such that neither 110 layers nor a width of 640 make logits explode.
    assert name == "ncf" or 0.01 < outputs.std() < 30
    (outputs * torch.randn_like(outputs)).sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        if parameter.ndim > 1:  # a bias before a BatchNorm has a gradient of 0
            assert parameter.grad.any(), key


@pytest.mark.parametrize("name", [*CASES, "resnet18_cifar"])
def test_a_seed_makes_the_same_network_and_leaves_the_generator_alone(name):
    args = {**CASES, **IMAGES}[name][0]
    before = torch.get_rng_state()
    first, again, other = (build(name, args, seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_small_cnn_learns():
    """Four kinds of images, each a noisy pattern: the loss falls from log 4 to a tenth."""
    draws = torch.Generator().manual_seed(1)
    patterns = torch.randn((4, 3, 16, 16), generator=draws)
    labels = torch.arange(32) % 4
    images = patterns[labels] + 0.5 * torch.randn((32, 3, 16, 16), generator=draws)
    network = build("cnn", {"classes": 4, "pixels": 16, "width": 8}, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(40):
        loss = cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(1.386, abs=0.05)
    assert losses[-1] < losses[0] / 10


def test_a_tied_language_model_is_a_function_of_parameters_that_are_given():
    """Outputs and gradients by `functional_call` are those of an untouched copy: nothing in the
    network holds on to the parameters that it was made with.
    """
    args = {"vocabulary": 11, "embedding": 6, "hidden": 6, "layers": 2, "dropout": 0.0}
    made, copy = build("lstm", args, 0), build("lstm", args, 1)
    words = inputs_for("lstm", (3, 4))
    given = {key: value.detach().clone() for key, value in copy.named_parameters()}
    leaves = {key: value.requires_grad_() for key, value in given.items()}
    outputs = functional_call(made, leaves, (words,))
    assert torch.equal(outputs, copy(words))
    weights = torch.randn_like(outputs)
    (outputs * weights).sum().backward()
    (copy(words) * weights).sum().backward()
    for key, parameter in copy.named_parameters():
        assert torch.equal(leaves[key].grad, parameter.grad), key


def test_names_are_known_without_torch():
    code = (
        "import sys; from psim.problems.networks.names import NETWORKS, place\n"
        "for name in NETWORKS: place(name)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    for name, network in NETWORKS.items():
        assert network.attribute == name
        assert network.summary
