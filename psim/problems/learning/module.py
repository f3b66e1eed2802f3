"""An nn.Module as a function of one flat vector.

The parameters in a call are views of x, and their gradients are views of one flat buffer: nothing
is concatenated, and nothing is copied. The module itself keeps the values that it was made with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.func import functional_call

from psim.errors import ConfigError
from psim.segments import Segments, laid_out

Buffers = dict[str, torch.Tensor]
"""What a module holds beside its parameters (BatchNorm's running statistics), by name."""


def floats(buffers: Buffers) -> list[torch.Tensor]:
    """Those that an average makes sense of."""
    return [buffer for buffer in buffers.values() if buffer.dtype.is_floating_point]


def flat(buffers: Buffers, dtype: torch.dtype) -> torch.Tensor:
    """`floats` as one vector in memory of its own."""
    return torch.cat([torch.empty(0), *(b.reshape(-1).cpu() for b in floats(buffers))]).to(dtype)


class FlatModule:
    """A module on a device, with its parameters in the order of ``named_parameters()``. Those that
    need no gradient are no part of x.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self._module = module.to(device)
        self.device = device
        parameters = _trained(module)
        self.segments: Segments = laid_out({k: tuple(v.shape) for k, v in parameters.items()})
        self.size = self.segments[-1].stop
        """d."""
        self.dtype = next(iter(parameters.values())).dtype

    def initial(self) -> torch.Tensor:
        """The module's own values as a vector, on the CPU; shape (d,)."""
        flat = [p.detach().reshape(-1).cpu() for p in _trained(self._module).values()]
        return torch.cat(flat)

    def let_go(self) -> None:
        """Free the module's own values: calls use those of x. `initial` is no more."""
        for parameter in _trained(self._module).values():
            parameter.data = parameter.data.new_empty(0)

    def buffers(self) -> Buffers:
        """A copy of the module's own buffers, for one rank to change."""
        return {name: buffer.clone() for name, buffer in self._module.named_buffers()}

    def outputs(
        self, x: torch.Tensor, inputs: torch.Tensor, buffers: Buffers, training: bool
    ) -> torch.Tensor:
        """The module's outputs at x; ``buffers`` are changed in place where it trains."""
        with torch.no_grad():
            return self._call(self._leaves(x), inputs, buffers, training)

    def loss_and_gradient(
        self,
        x: torch.Tensor,
        inputs: torch.Tensor,
        buffers: Buffers,
        loss: Callable[[torch.Tensor], torch.Tensor],
        training: bool = True,
    ) -> tuple[float, torch.Tensor]:
        """``loss`` of the outputs, and its gradient in x, freshly allocated; shape (d,)."""
        gradient = torch.zeros_like(x)
        leaves = self._leaves(x)
        for segment in self.segments:
            own = gradient[segment.start : segment.stop].view(segment.shape)
            leaves[segment.name].requires_grad_().grad = own
        value = loss(self._call(leaves, inputs, buffers, training))
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach()), gradient

    def unused(
        self,
        x: torch.Tensor,
        inputs: torch.Tensor,
        loss: Callable[[torch.Tensor], torch.Tensor],
    ) -> list[str]:
        """The parameters that the loss does not depend on. Raises ConfigError where the loss is no
        single number.
        """
        leaves = self._leaves(x)
        for leaf in leaves.values():
            leaf.requires_grad_()
        value = loss(self._call(leaves, inputs, self.buffers(), training=True))
        if value.numel() != 1:
            raise ConfigError(
                f"a loss of shape {tuple(value.shape)}: return one number, the mean over the batch",
                "problem.loss",
            )
        value.backward()  # type: ignore[no-untyped-call]
        return [name for name, leaf in leaves.items() if leaf.grad is None]

    def _leaves(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        detached = x.detach()
        return {
            segment.name: detached[segment.start : segment.stop].view(segment.shape)
            for segment in self.segments
        }

    def _call(
        self,
        parameters: dict[str, torch.Tensor],
        inputs: torch.Tensor,
        buffers: Buffers,
        training: bool,
    ) -> torch.Tensor:
        self._module.train(training)
        outputs = functional_call(self._module, (parameters, buffers), (inputs,))
        if not isinstance(outputs, torch.Tensor):
            raise ConfigError(
                f"the model's output is a {type(outputs).__name__}: return one tensor",
                "problem.model",
            )
        return outputs


def _trained(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


@contextmanager
def drawing(seed: int) -> Iterator[None]:
    """Inside, dropout and its like draw what follows from ``seed``; outside nothing changes.

    ``torch.manual_seed`` would do for all devices, but for every kind of accelerator that has not
    been started it stores a call for later, with a stack trace: this took longer than a small
    network's gradient.
    """
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(seed)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.manual_seed_all(seed)
        if torch.backends.mps.is_available():
            torch.mps.manual_seed(seed)
        yield
