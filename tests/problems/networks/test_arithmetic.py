"""Networks and blocks against their papers' equations, written out in numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from psim.problems.networks.blocks import (
    BasicBlock,
    PreactivatedBlock,
    SqueezeExcitation,
)
from psim.problems.networks.build import build


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def arrays(network: nn.Module) -> dict[str, np.ndarray]:
    return {key: value.detach().double().numpy() for key, value in network.state_dict().items()}


def test_ncf_is_equation_12():
    network = build("ncf", {"users": 4, "items": 6, "factors": 3, "layers": [8, 5, 2]}, 0).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)  # as drawn, embeddings are small and biases 0
    w = arrays(network)
    pairs = torch.tensor([[0, 5], [3, 1], [2, 2]])
    expected = []
    for user, item in pairs.tolist():
        gmf = w["gmf_users.weight"][user] * w["gmf_items.weight"][item]
        z = np.concatenate([w["mlp_users.weight"][user], w["mlp_items.weight"][item]])
        for layer in ("hidden.0", "hidden.1"):
            z = np.maximum(w[f"{layer}.weight"] @ z + w[f"{layer}.bias"], 0)
        joined = np.concatenate([gmf, z])
        expected.append(float((w["last.weight"] @ joined + w["last.bias"])[0]))
    np.testing.assert_allclose(network(pairs).detach().numpy(), expected, rtol=1e-5)


def test_the_language_model_is_the_lstm_recurrence_from_a_zero_state():
    args = {"vocabulary": 7, "embedding": 4, "hidden": 4, "layers": 1}
    network = build("lstm", args, 0).eval()
    w = arrays(network)
    words = [3, 0, 6, 2]
    h = c = np.zeros(4)
    expected = []
    for word in words:
        gates = w["lstm.weight_ih_l0"] @ w["embedding.weight"][word] + w["lstm.bias_ih_l0"]
        i, f, g, o = (gates + w["lstm.weight_hh_l0"] @ h + w["lstm.bias_hh_l0"]).reshape(4, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(w["embedding.weight"] @ h + w["decoder.bias"])
    logits = network(torch.tensor([words, words[::-1]]))
    np.testing.assert_allclose(logits[0].detach().numpy(), expected, rtol=1e-4, atol=1e-6)
    # Sequences don't see each other, nor what was seen in an earlier call.
    assert torch.equal(network(torch.tensor([words, [1, 1, 1, 1]]))[0], logits[0])


def test_dropout_acts_in_training_only():
    network = build("lstm", {"vocabulary": 7, "embedding": 4, "hidden": 4}, 0)
    words = torch.tensor([[3, 0, 6, 2]])
    assert not torch.equal(network(words), network(words))
    network.eval()
    assert torch.equal(network(words), network(words))


def test_squeeze_and_excitation_scales_channels_by_their_means():
    block = SqueezeExcitation(32)
    images = torch.randn(2, 32, 3, 5)
    w = arrays(block)
    assert w["squeeze.weight"].shape == (2, 32)
    z = images.double().numpy().mean((2, 3))
    inner = np.maximum(z @ w["squeeze.weight"].T + w["squeeze.bias"], 0)
    scales = sigmoid(inner @ w["excite.weight"].T + w["excite.bias"])
    expected = images.double().numpy() * scales[:, :, None, None]
    np.testing.assert_allclose(block(images).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_padded_shortcut_keeps_every_second_pixel_and_adds_zeros():
    block = BasicBlock(3, 6, 2, "padded")
    nn.init.zeros_(block.norm2.weight)  # F(x) = 0: what is left is the shortcut
    images = torch.randn(2, 3, 8, 8)
    outputs = block(images)
    assert torch.equal(outputs[:, :3], images[:, :, ::2, ::2].relu())
    assert not outputs[:, 3:].any()


@pytest.mark.parametrize("make", [BasicBlock, PreactivatedBlock])
def test_a_block_that_keeps_the_shape_has_x_itself_as_shortcut(make):
    block = make(4, 4, 1)
    nn.init.zeros_(block.conv2.weight)
    images = torch.randn(2, 4, 5, 5)
    outputs = block(images)
    assert torch.equal(outputs, images.relu() if make is BasicBlock else images)


def test_a_preactivated_block_projects_what_is_active():
    """Its shortcut is a 1 x 1 convolution of relu(norm(x)), written out here."""
    block = PreactivatedBlock(3, 5, 2).eval()
    nn.init.zeros_(block.conv2.weight)
    block.norm1.running_mean[:] = torch.tensor([0.5, -1.0, 0.0])
    images = torch.randn(2, 3, 4, 4)
    active = (images - block.norm1.running_mean[:, None, None]).relu() / (1 + 1e-5) ** 0.5
    kernel = block.projection.weight[:, :, 0, 0]
    expected = torch.einsum("oi,bihw->bohw", kernel, active[:, :, ::2, ::2])
    torch.testing.assert_close(block(images), expected)
