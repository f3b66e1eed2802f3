"""The comparison with the references notices: each of these mistakes in psim's methods fails it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mutations import NOTICED, SAME, Mutation, Mutations
from references import REFERENCES, difference
from situations import disagreement, on_data, usual, with_a_tie, with_threshold

from psim import vectors
from psim.methods import base, dcgd, ef, ef21, ef21_plus, stacked
from psim.methods.base import Message
from psim.vectors import add_, densify, scale, squared_norm, subtract_

MUTATIONS = Mutations()
mutation = MUTATIONS.of


# What any method that averages messages may get wrong.


@mutation("dcgd")
def the_sum_instead_of_the_mean(patch: pytest.MonkeyPatch) -> None:
    mean = base.mean
    patch.setattr(dcgd, "mean", lambda messages, name, n, total: mean(messages, name, 1, total))


@mutation("dcgd")
def the_sum_of_a_table(patch: pytest.MonkeyPatch) -> None:
    mean = stacked.Stacked.mean
    patch.setattr(stacked.Stacked, "mean", lambda self, _, total: mean(self, 1, total))


@mutation("ef21")
def the_last_worker_is_left_out(patch: pytest.MonkeyPatch) -> None:
    mean = base.mean

    def of_the_others(messages, name, count, total):
        others = {rank: messages[rank] for rank in sorted(messages)[:-1]}
        return mean(others, name, count, total)

    patch.setattr(base, "mean", of_the_others)


@mutation("ef21")
def the_mean_over_those_who_sent_the_entry(patch: pytest.MonkeyPatch) -> None:
    def aggregate(self, messages, step):
        payloads = [messages[rank].payloads["c"] for rank in sorted(messages)]
        total = torch.zeros_like(self.total)
        counts = torch.zeros_like(self.total)
        for payload in payloads:
            add_(total, payload)
            counts[payload.indices] += 1
        return Message({"u": vectors.Dense(total / counts.clamp(min=1))})

    patch.setattr(base.Master, "aggregate", aggregate)


# DCGD


@mutation("dcgd")
def a_flipped_sign(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        add_(self.x, scale(update.payloads["u"], step.step_size, self.x.dtype))

    patch.setattr(dcgd.Descent, "advance", advance)


@mutation("dcgd")
def no_step_size(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        subtract_(self.x, update.payloads["u"])

    patch.setattr(dcgd.Descent, "advance", advance)


# EF


def ef_message(patch: pytest.MonkeyPatch, message: Callable) -> None:
    patch.setattr(ef.ErrorFeedback, "message", message)


@mutation("ef")
def the_error_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        return Message({"c": compress(gradients[0] * step.step_size)})

    ef_message(patch, message)


@mutation("ef")
def the_error_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        meant = gradients[0] * step.step_size - self.error
        sent = compress(meant)
        self.error = meant.clone()
        subtract_(self.error, sent)
        return Message({"c": sent})

    ef_message(patch, message)


@mutation("ef")
def what_was_sent_is_not_taken_off_the_error(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        self.error.add_(gradients[0].mul(step.step_size))
        return Message({"c": compress(self.error)})

    ef_message(patch, message)


@mutation("ef")
def the_error_is_compressed_without_the_gradient(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(self.error)
        self.error.add_(gradients[0].mul(step.step_size))
        subtract_(self.error, sent)
        return Message({"c": sent})

    ef_message(patch, message)


def step_size_outside(self, gradients, step, compress):
    """EF with e_i in units of gradients: w_i = γ C(e_i + ∇f_i)."""
    self.error.add_(gradients[0])
    sent = compress(self.error)
    subtract_(self.error, sent)
    return Message({"c": scale(sent, step.step_size, self.error.dtype)})


@mutation("ef")
def the_step_size_twice(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        subtract_(self.x, scale(update.payloads["u"], step.step_size, self.x.dtype))

    patch.setattr(ef.Shift, "advance", advance)


# EF21 and EF21+


def markov_message(patch: pytest.MonkeyPatch, message: Callable) -> None:
    patch.setattr(ef21.MarkovWorker, "message", message)


@mutation("ef21")
def the_estimate_stays(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        return Message({"c": compress(gradients[0] - self.estimate)})

    markov_message(patch, message)


@mutation("ef21")
def the_estimate_goes_the_other_way(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(gradients[0] - self.estimate)
        subtract_(self.estimate, sent)
        return Message({"c": sent})

    markov_message(patch, message)


@mutation("ef21")
def the_difference_with_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(self.estimate - gradients[0])
        add_(self.estimate, sent)
        return Message({"c": sent})

    markov_message(patch, message)


@mutation("ef21")
def the_gradient_is_compressed_and_not_the_difference(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(gradients[0])
        add_(self.estimate, sent)
        return Message({"c": sent})

    markov_message(patch, message)


@mutation("ef21")
def x_moves_before_g(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        self.x.sub_(self.g.mul(step.step_size))
        add_(self.g, update.payloads["u"])

    patch.setattr(ef21.MarkovDescent, "advance", advance)


@mutation("ef21")
def g_is_replaced(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        self.g = densify(update.payloads["u"], self.x.dtype)
        self.x.sub_(self.g.mul(step.step_size))

    patch.setattr(ef21.MarkovDescent, "advance", advance)


@mutation("ef21")
def it_starts_with_the_whole_gradient(patch: pytest.MonkeyPatch) -> None:
    def start(self, gradient, compress):
        return compress.whole(gradient)

    patch.setattr(ef21.MarkovWorker, "_start", start)


def choosing(better: Callable[[float, float], bool]) -> Callable:
    """EF21+'s message with another choice between the two branches."""

    def message(self, gradients, step, compress):
        (gradient,) = gradients
        if step.round == 0:
            started = ef21.MarkovWorker.message(self, gradients, step, compress)
            return Message(started.payloads, {"plain": False})
        plain, change = compress(gradient), compress(gradient - self.estimate)
        replaced = densify(plain, gradient.dtype)
        add_(self.estimate, change)
        chosen = better(squared_norm(replaced - gradient), squared_norm(self.estimate - gradient))
        if chosen:
            self.estimate = replaced
        return Message({"c": plain if chosen else change}, {"plain": chosen})

    return message


@mutation("ef21_plus")
def never_the_plain_branch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ef21_plus.PlusWorker, "message", choosing(lambda plain, markov: False))


@mutation("ef21_plus")
def the_worse_branch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ef21_plus.PlusWorker, "message", choosing(lambda plain, markov: plain > markov))


@mutation("ef21_plus")
def the_master_ignores_the_flag(patch: pytest.MonkeyPatch) -> None:
    def change(self, rank, message):
        add_(self.estimates[rank], message.payloads["c"])
        return message.payloads["c"]

    patch.setattr(ef21_plus.PlusMaster, "_change", change)


@MUTATIONS.methods()
def test_without_a_mistake_they_agree(method: str) -> None:
    assert disagreement(method, usual(method)) <= SAME


@MUTATIONS.each()
def test_a_mistake_is_noticed(
    method: str, apply: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch)
    assert disagreement(method, usual(method)) > NOTICED


def test_the_step_size_of_ef_is_inside_the_compressor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert disagreement("ef", with_threshold()) <= SAME
    ef_message(monkeypatch, step_size_outside)
    assert disagreement("ef", with_threshold()) > NOTICED


def test_ef21_compresses_the_difference_without_the_step_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def message(self, gradients, step, compress):
        sent = compress((gradients[0] - self.estimate) * step.step_size)
        add_(self.estimate, scale(sent, 1.0 / step.step_size, self.estimate.dtype))
        return Message({"c": scale(sent, 1.0 / step.step_size, self.estimate.dtype)})

    assert disagreement("ef21", with_threshold()) <= SAME
    markov_message(monkeypatch, message)
    assert disagreement("ef21", with_threshold()) > NOTICED


def test_of_equals_ef21_plus_takes_the_markov_branch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert disagreement("ef21_plus", with_a_tie(tmp_path)) <= SAME
    not_strictly = choosing(lambda plain, markov: plain <= markov)
    monkeypatch.setattr(ef21_plus.PlusWorker, "message", not_strictly)
    assert disagreement("ef21_plus", with_a_tie(tmp_path)) > NOTICED


@pytest.mark.parametrize("init", ["full", "zero"])
@pytest.mark.parametrize("method", ["ef21", "ef21_plus"])
def test_every_start_is_a_start_of_its_own(method: str, init: str) -> None:
    started = on_data(init)
    assert disagreement(method, started) <= SAME
    other = REFERENCES[method](
        started.gradients, started.x0, started.step_size, started.compress, 5, init="compressed"
    )
    same = REFERENCES[method](
        started.gradients, started.x0, started.step_size, started.compress, 5, init=init
    )
    assert difference(other, same) > NOTICED
