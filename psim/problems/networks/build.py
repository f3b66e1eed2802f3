"""A network from its name and arguments, checked for what psim needs of it.

psim keeps what a model learns as one flat vector of one type, which it moves to the run's device.
Hence all parameters are floating-point and on the CPU, and those that are trained of one type.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from psim.errors import ConfigError
from psim.problems.networks.names import NETWORKS, place

FAILURES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What foreign code raises that can't use its arguments, or that fails while it is imported."""


def build(model: str, args: Mapping[str, object], seed: int) -> nn.Module:
    """The network ``model``, a shipped name or ``module:callable``, made with ``args``.

    Its initial parameters follow from ``seed`` (0 to 2^64 - 1); torch's global generators are left
    as they were. Raises ConfigError, at ``model`` or ``model_args``, for a name that isn't known or
    can't be imported, arguments that don't fit, and a result that psim can't train.
    """
    make = _found(model)
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator only: torch.manual_seed would also seed those of GPUs.
        torch.default_generator.manual_seed(seed)
        made = _made(model, make, args)
    return checked(made, repr(model))


def fitting(model: str, sizes: Mapping[str, int]) -> dict[str, int]:
    """Those of a data set's ``sizes`` (classes, channels, vocabulary, …) that are arguments of a
    network that psim ships; one that is named ``module:callable`` is told nothing unasked.
    """
    if model not in NETWORKS:
        return {}
    known = inspect.signature(_found(model)).parameters
    return {name: size for name, size in sizes.items() if name in known}


def checked(module: object, name: str = "the model") -> nn.Module:
    """The same module, which psim can train. Raises ConfigError at ``model``, which calls it
    ``name``, for anything else.

    Parameters that are frozen (``requires_grad`` false) may be of another floating-point type.
    """
    if not isinstance(module, nn.Module):
        kind = type(module).__name__
        raise ConfigError(f"{name}: is of type {kind}: it must be a torch.nn.Module", "model")
    for key, parameter in module.named_parameters():
        wrong = _wrong(parameter)
        if wrong:
            raise ConfigError(f"{name}: its parameter {key} {wrong}", "model")
    trained = {key: p.dtype for key, p in module.named_parameters() if p.requires_grad}
    if not trained:
        raise ConfigError(f"{name}: has no parameters to train: give it some", "model")
    (first, dtype), *others = trained.items()
    for key, other in others:
        if other != dtype:
            raise ConfigError(
                f"{name}: its parameters are of several types, {first} {dtype} and {key} {other}: "
                "make them one, or freeze some with requires_grad_(False)",
                "model",
            )
    return module


def _wrong(parameter: nn.Parameter) -> str:
    """What is wrong with a parameter, and the fix; "" where it will do."""
    if isinstance(parameter, UninitializedParameter):
        return "has no shape yet: use layers whose sizes are given, not lazy ones"
    if not parameter.dtype.is_floating_point:
        return f"is {parameter.dtype}, not floating-point: keep it with register_buffer"
    if parameter.device.type != "cpu":
        return f"is on {parameter.device}: make the model on the CPU, psim moves it to the device"
    return ""


def _found(model: str) -> Callable[..., object]:
    """The callable of that name, imported."""
    try:
        module, path = place(model)
    except ConfigError as error:
        raise error.within("model") from None
    try:
        return _attribute(_imported(module), path)
    except ConfigError as error:
        raise ConfigError(f"{model!r}: {error}", "model") from None


def _imported(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"no module named {error.name!r}: install the package that has it, or add its folder "
            "to PYTHONPATH"
        ) from None
    except (ImportError, SyntaxError, *FAILURES) as error:
        raise ConfigError(f"importing {name} fails: {_line(error)}: mend it") from None


def _attribute(holder: object, path: str) -> Callable[..., object]:
    for part in path.split("."):
        if not hasattr(holder, part):
            close = get_close_matches(part, dir(holder), n=1)
            fix = f"did you mean {close[0]}?" if close else "name a class or function that is there"
            raise ConfigError(f"there is no {part!r} in it: {fix}")
        holder = getattr(holder, part)
    if not callable(holder):
        kind = type(holder).__name__
        raise ConfigError(f"is of type {kind}: name a class or function that makes a module")
    return holder


def _made(model: str, make: Callable[..., object], args: Mapping[str, object]) -> object:
    try:
        return make(**args)
    except ConfigError as error:  # a shipped network's own words
        raise error.within("model_args") from None
    except FAILURES as error:
        raise ConfigError(f"{model!r}: {_line(error)}: {_takes(make)}", "model_args") from None


def _line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _takes(make: Callable[..., object]) -> str:
    """The fix for arguments that don't fit."""
    try:
        names = list(inspect.signature(make).parameters)
    except (TypeError, ValueError):  # callables in C may not say
        return "give it the arguments that it takes"
    return f"it takes {', '.join(names)}" if names else "it takes no arguments"
