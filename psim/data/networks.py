"""A network with its data: what `psim.data.opened` is to smooth problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from psim import random
from psim.data.learning.open import open_learning, wrapped
from psim.data.opened import Local, Opened
from psim.data.partition import partition_examples
from psim.device import device
from psim.errors import ConfigError, PsimError
from psim.problems.examples import Learning
from psim.problems.learning import losses
from psim.problems.learning.given import TorchProblem
from psim.problems.learning.learner import Learner, NetworkShare
from psim.problems.learning.losses import Loss
from psim.problems.learning.module import FlatModule, floats
from psim.problems.network import GIVEN, Network
from psim.problems.networks.build import build, checked, fitting
from psim.segments import Segments
from psim.vectors import torch


class OpenedNetwork(Opened):
    """A module, a loss and examples. Nobody knows L, f* or x*."""

    def __init__(self, problem: Network, workers: int, seed: int, local: Local) -> None:
        learning, loss = _learning(problem, local.given)
        module = _module(problem, learning.sizes, seed, local.given)
        model = FlatModule(module, device(local.device))
        native = str(model.dtype).removeprefix("torch.")
        task = None if learning.test is None else learning.task
        count = learning.train.count
        super().__init__(problem, workers, model.size, count, native, task, model.device)
        self.note = learning.note
        self.averaged = problem.batch_norm == "averaged"
        if self.averaged and sum(b.numel() for b in floats(model.buffers())) > model.size:
            raise ConfigError(
                "'averaged': the model has more numbers in buffers than in parameters: use local",
                "problem.batch_norm",
            )
        self._learning = learning
        self._learner = Learner(
            model,
            loss,
            learning.task,
            learning.train,
            learning.test,
            problem.clip,
            weight_decay=problem.weight_decay,
        )
        by_class = problem.partition in ("dirichlet", "class")
        self._cuts = partition_examples(
            count,
            learning.train.labels if by_class else None,  # to look at all items may take long
            workers,
            problem.partition,
            seed,
            problem.alpha,
            None if problem.batch == "full" else problem.batch,
        )

    @property
    def segments(self) -> Segments:
        return self._learner.model.segments

    def initial_point(self) -> torch.Tensor:
        return self._learner.model.initial()

    def let_go(self) -> None:
        self._learner.model.let_go()

    def content(self) -> tuple[bytes | NDArray[np.generic], ...]:
        test = () if self._learning.test is None else self._learning.test.content()
        layers = ",".join(f"{s.name}{list(s.shape)}" for s in self.segments)
        return (layers.encode(), *self._learning.train.content(), b"test", *test)

    def smoothness(self) -> None:
        return None

    def minimum(self) -> NoReturn:
        self.problem.check_convex()
        raise AssertionError("a network's f is not convex")

    def pl_constant(self) -> None:
        return None

    def try_out(self) -> None:
        """Differentiate once on two examples, so that a module that does not fit its data or its
        loss is seen before anything is run. Raises ConfigError.
        """
        learner = self._learner
        inputs, targets = learner.train.batch(np.arange(min(2, learner.train.count)))
        at = learner.model.device
        x = self.initial_point().to(at)

        def loss(outputs: torch.Tensor) -> torch.Tensor:
            self._check_classes(outputs)
            return learner.loss(outputs, targets.to(at))

        try:
            unused = learner.model.unused(x, inputs.to(at), loss)
        except PsimError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the user's module raises
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ConfigError(
                f"the model fails on inputs of shape {tuple(inputs.shape)} and targets of shape "
                f"{tuple(targets.shape)}: {reason}",
                "problem.model",
            ) from None
        if unused:
            raise ConfigError(
                f"{', '.join(unused[:3])}: the loss does not depend on {len(unused)} of the "
                f"{len(self.segments)} parameters: use them, or requires_grad_(False)",
                "problem.model",
            )

    def _check_classes(self, outputs: torch.Tensor) -> None:
        """Raise ConfigError where cross entropy has fewer logits than the data are known to have
        classes (or words): the first examples may be of those that there are.
        """
        sizes = self._learning.sizes
        classes = sizes.get("classes", sizes.get("vocabulary", 0))
        if self._learner.loss is losses.cross_entropy and outputs.shape[-1] < classes:
            raise ConfigError(
                f"the model gives {outputs.shape[-1]} logits, and the data have {classes} classes: "
                "give it as many",
                "problem.model_args",
            )

    def _share(self, rank: int) -> NetworkShare:
        return NetworkShare(self._learner, self._cuts[rank])


def _learning(problem: Network, given: TorchProblem | None) -> tuple[Learning, Loss]:
    if problem.dataset != GIVEN:
        args = {**problem.dataset_args}
        return open_learning(problem.dataset, args, problem.augment), losses.named(problem.loss)
    brought = _brought(given)
    test = None if brought.test is None else wrapped(brought.test)
    learning = Learning(wrapped(brought.train), test, brought.task)
    loss = losses.named(brought.loss) if isinstance(brought.loss, str) else brought.loss
    return learning, loss


def _module(
    problem: Network, sizes: Mapping[str, int], seed: int, given: TorchProblem | None
) -> torch.nn.Module:
    initial = int(random.generator(seed, "model").integers(2**63))
    brought = _brought(given) if problem.model == GIVEN else None
    try:
        if brought is not None:
            return checked(brought.model)
        args = {**fitting(problem.model, sizes), **problem.model_args}
        return build(problem.model, args, initial)
    except ConfigError as error:
        raise error.within("problem") from None


def _brought(given: TorchProblem | None) -> TorchProblem:
    if given is None:
        raise ConfigError(
            f"{GIVEN!r}: this problem was brought from Python: give psim.run(config, problem=…) "
            "again, or name the model and the data set as module:callable",
            "problem.model",
        )
    return given
