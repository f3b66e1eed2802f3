"""Networks by name: other packages' callables, and what is refused."""

import pytest
import torch
from torch import nn

from psim.errors import ConfigError
from psim.problems.networks.build import build, checked
from psim.problems.networks.names import place

FOREIGN = """
import torch
from torch import nn

SIZE = 3

class Holder:
    @staticmethod
    def net(width):
        return nn.Linear(width, 2)

def fails():
    raise RuntimeError("the first line\\nthe second line")

def nothing():
    return nn.ReLU()

def text():
    return "a network"

def frozen():
    return nn.Linear(2, 2).requires_grad_(False)

def lazy():
    return nn.LazyLinear(3)

def complex_numbers():
    return nn.Linear(2, 2, dtype=torch.complex64)

def whole_numbers():
    net = nn.Linear(2, 2)
    net.extra = nn.Parameter(torch.arange(3), requires_grad=False)
    return net

def two_types():
    return nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype=torch.float64))

def elsewhere():
    return nn.Linear(2, 2, device="meta")
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    (tmp_path / "foreign_nets.py").write_text(FOREIGN)
    (tmp_path / "broken_nets.py").write_text("import foreign_nets\nforeign_nets.fails()\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_any_callable_that_makes_a_module_may_be_named(foreign):
    made = build("foreign_nets:Holder.net", {"width": 5}, seed=0)
    assert isinstance(made, nn.Linear)
    assert made.weight.shape == (2, 5)
    assert isinstance(build("torch.nn:Linear", {"in_features": 2, "out_features": 1}, 0), nn.Linear)


@pytest.mark.parametrize(
    ("model", "args", "key", "message"),
    [
        ("resnet18_cifr", {}, "model", "did you mean resnet18_cifar? known: cnn, googlenet"),
        (":net", {}, "model", "give module:callable"),
        ("nets:a b", {}, "model", "give module:callable"),
        ("no_such_nets:net", {}, "model", "no module named 'no_such_nets': install"),
        ("foreign_nets.deeper:net", {}, "model", "no module named"),
        ("broken_nets:net", {}, "model", "importing broken_nets fails: the first line: mend it"),
        ("foreign_nets:lasy", {}, "model", "there is no 'lasy' in it: did you mean lazy?"),
        ("foreign_nets:SIZE", {}, "model", "is of type int"),
        ("foreign_nets:Holder.net", {}, "model_args", "missing 1 required positional argument"),
        ("foreign_nets:Holder.net", {"w": 1}, "model_args", "it takes width"),
        ("foreign_nets:fails", {}, "model_args", "the first line: it takes no arguments"),
        ("foreign_nets:text", {}, "model", "is of type str"),
        ("foreign_nets:nothing", {}, "model", "no parameters to train"),
        ("foreign_nets:frozen", {}, "model", "no parameters to train"),
        ("foreign_nets:lazy", {}, "model", "weight has no shape yet"),
        ("foreign_nets:complex_numbers", {}, "model", "weight is torch.complex64"),
        ("foreign_nets:whole_numbers", {}, "model", "extra is torch.int64"),
        (
            "foreign_nets:two_types",
            {},
            "model",
            "0.weight torch.float32 and 1.weight torch.float64",
        ),
        ("foreign_nets:elsewhere", {}, "model", "weight is on meta"),
        ("mlp", {"hiden": [3]}, "model_args", "it takes features, hidden, classes"),
        ("mlp", {"hidden": 3}, "model_args", "'int' object is not iterable"),
        ("mlp", {"hidden": [3, 0]}, "model_args.hidden", "0: give a whole number from 1"),
        ("vgg16", {"classes": 2.5}, "model_args.classes", "2.5: give a whole number from 1"),
        ("cnn", {"pixels": 7}, "model_args.pixels", "need 8 pixels or more"),
        ("lstm", {}, "model_args", "missing 1 required positional argument: 'vocabulary'"),
        ("lstm", {"vocabulary": 9, "hidden": 3}, "model_args.embedding", "set tied: false"),
        ("lstm", {"vocabulary": 9, "dropout": 2}, "model_args", "between 0 and 1"),
        ("ncf", {"users": 2, "items": 2, "layers": [7]}, "model_args.layers", "even"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(foreign, model, args, key, message):
    with pytest.raises(ConfigError) as caught:
        build(model, args, seed=0)
    assert caught.value.path == key
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frozen_parameters_may_have_a_type_of_their_own():
    backbone = nn.Linear(3, 3, dtype=torch.bfloat16).requires_grad_(False)
    whole = nn.ModuleList([backbone, nn.Linear(3, 2)])
    assert checked(whole) is whole


def test_a_module_from_python_is_checked_alike():
    with pytest.raises(ConfigError, match="the model: is of type list"):
        checked([nn.Linear(2, 2)])


def test_a_name_stands_for_a_place():
    assert place("vgg16") == ("psim.problems.networks.vgg", "vgg16")
    assert place("torchvision.models:resnet18") == ("torchvision.models", "resnet18")
