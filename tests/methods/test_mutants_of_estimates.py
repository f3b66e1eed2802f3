"""The comparison with the references notices mistakes in EF21's relatives, DIANA and MARINA."""

import numpy as np
import pytest
from minibatches import SEED, STEP, X0, document, on_batches, whole_gradients
from mutations import NOTICED, SAME, Mutation, Mutations
from playing import play
from reference.compressors import top_k
from reference.ef21_page import ef21_page
from reference.ef21_pp import ef21_pp
from reference.rounds import constant, every_round, same_for_all
from references import difference, private_coin
from situations import disagreement, on_data, usual
from tasks import WORKERS

from psim import vectors
from psim.methods import diana, ef21, ef21_bc, ef21_hb, ef21_sgdm, marina
from psim.methods import ef21_page as page
from psim.methods import ef21_pp as pp
from psim.methods.base import Message
from psim.random import sample
from psim.vectors import Dense, add_, densify, scale, subtract_

MUTATIONS = Mutations()
mutation = MUTATIONS.of
ROUNDS = 40
UP = same_for_all(lambda v: top_k(v, 3))


# Momentum


@mutation("ef21_hb")
def the_ball_has_no_weight(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        add_(self.g, update.payloads["u"])
        subtract_(self.x, scale(Dense(self.g), step.step_size, self.x.dtype))

    patch.setattr(ef21_hb.HeavyBall, "advance", advance)


@mutation("ef21_hb")
def the_velocity_is_an_average(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        add_(self.g, update.payloads["u"])
        self.velocity.mul_(self.momentum).add_(self.g * (1.0 - self.momentum))
        subtract_(self.x, scale(Dense(self.velocity), step.step_size, self.x.dtype))

    patch.setattr(ef21_hb.HeavyBall, "advance", advance)


@mutation("ef21_sgdm")
def the_velocity_is_a_sum(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        self.velocity.mul_(self.momentum).add_(gradients[0])
        return ef21.MarkovWorker.message(self, (self.velocity,), step, compress)

    patch.setattr(ef21_sgdm.MomentumWorker, "message", message)


@mutation("ef21_sgdm")
def the_velocity_starts_from_zero(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        self.velocity.mul_(self.momentum).add_(gradients[0] * (1.0 - self.momentum))
        return ef21.MarkovWorker.message(self, (self.velocity,), step, compress)

    patch.setattr(ef21_sgdm.MomentumWorker, "message", message)


@mutation("ef21_sgdm")
def the_weights_are_exchanged(patch: pytest.MonkeyPatch) -> None:
    original = ef21_sgdm.MomentumWorker.__init__

    def init(self, estimate, init, velocity, momentum):
        original(self, estimate, init, velocity, 0.8 - momentum)

    patch.setattr(ef21_sgdm.MomentumWorker, "__init__", init)


# Both directions compressed


@mutation("ef21_bc")
def the_mean_itself_is_compressed(patch: pytest.MonkeyPatch) -> None:
    def compress_update(self, update, step, compress):
        add_(self.mean, update.payloads["u"])
        return Message({"u": compress(self.mean)})

    patch.setattr(ef21_bc.MarkovMaster, "compress", compress_update)


@mutation("ef21_bc")
def the_master_forgets_what_the_workers_know(patch: pytest.MonkeyPatch) -> None:
    def compress_update(self, update, step, compress):
        self.mean.zero_()
        add_(self.mean, update.payloads["u"])
        return Message({"u": compress(self.mean)})

    patch.setattr(ef21_bc.MarkovMaster, "compress", compress_update)


# DIANA and MARINA


@mutation("diana")
def the_shift_learns_before_x_moves(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        change = update.payloads["u"]
        add_(self.shift, scale(change, self.alpha, self.shift.dtype))
        self.descend(Dense(add_(self.shift.clone(), change)), step)

    patch.setattr(diana.ShiftedDescent, "advance", advance)


@mutation("diana")
def the_shifts_take_over_everything(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(gradients[0] - self.shift)
        add_(self.shift, sent)
        return Message({"c": sent})

    patch.setattr(diana.ShiftedWorker, "message", message)


@mutation("marina")
def changes_are_measured_from_the_last_whole_gradient(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        if marina.heads(step, self.probability):
            self.gradient = gradients[0]
            return Message({"c": compress.whole(gradients[0])})
        return Message({"c": compress(gradients[0] - self.gradient)})

    patch.setattr(marina.ChangeWorker, "message", message)


@mutation("marina")
def a_whole_gradient_is_added(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        add_(self.g, update.payloads["u"])
        self.descend(Dense(self.g), step)

    patch.setattr(marina.RestartedDescent, "advance", advance)


@mutation("marina")
def a_change_replaces_the_estimate(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        self.g = densify(update.payloads["u"], self.x.dtype)
        self.descend(Dense(self.g), step)

    patch.setattr(marina.RestartedDescent, "advance", advance)


# Some workers only


@mutation("ef21_pp")
def the_mean_is_over_those_that_took_part(patch: pytest.MonkeyPatch) -> None:
    def aggregate(self, messages, step):
        payloads = [messages[rank].payloads["c"] for rank in sorted(messages)]
        return Message({"u": vectors.mean(payloads, len(payloads), self.total)})

    patch.setattr(pp.SumOfSome, "aggregate", aggregate)


# Coins and minibatches


@mutation("ef21_page")
def the_minibatch_s_gradient_takes_the_place_of_the_change(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        self.variate.copy_(gradients[0])
        return ef21.MarkovWorker.message(self, (self.variate,), step, compress)

    patch.setattr(page.PageWorker, "message", message)


@mutation("ef21_page")
def the_change_has_the_wrong_sign(patch: pytest.MonkeyPatch) -> None:
    original = page.PageWorker.message

    def message(self, gradients, step, compress):
        return original(self, tuple(reversed(gradients)), step, compress)

    patch.setattr(page.PageWorker, "message", message)


@mutation("ef21_page")
def one_coin_for_all(patch: pytest.MonkeyPatch) -> None:
    def queries(self, x, step):
        before, self.point = self.point, x.clone()
        whole = step.round == 0 or step.shared("page").random() < self.probability
        return (page.Whole(x),) if whole else (x, before)

    patch.setattr(page.PageWorker, "queries", queries)


def with_drawn_workers() -> float:
    """How far EF21-PP is from its reference with a quarter of the workers in a round."""

    def called(round: int) -> list[int]:
        return sample(0, "participation", WORKERS, WORKERS // 4, round).tolist()

    def top_of_some(v: np.ndarray, round: int, rank: int) -> np.ndarray:
        return top_k(v, 1) if round or rank in called(0) else np.zeros_like(v)

    facts = on_data(multiple=4.0)
    expected = ef21_pp(
        every_round(facts.gradients),
        facts.x0,
        constant(facts.step_size),
        top_of_some,
        ROUNDS,
        called,
    )
    participation = {"kind": "sampled", "fraction": 0.25}
    described = {**facts.document, "step_size": facts.step_size, "method": "ef21_pp"}
    played = play({**described, "participation": participation})
    return difference(played.iterates, expected.iterates)


def with_coins() -> float:
    """How far EF21-PAGE is from its reference on minibatches: without any it is EF21."""
    coin, steps = private_coin(SEED, 0.3), constant(STEP)
    expected = ef21_page(whole_gradients(), on_batches("epoch"), X0, steps, UP, ROUNDS, coin)
    played = play(document(method={"name": "ef21_page", "probability": 0.3}, rounds=ROUNDS))
    return difference(played.iterates, expected.iterates)


TRIALS = {"ef21_pp": with_drawn_workers, "ef21_page": with_coins}


def found(method: str) -> float:
    return TRIALS[method]() if method in TRIALS else disagreement(method, usual(method))


@MUTATIONS.methods()
def test_without_a_mistake_they_agree(method: str) -> None:
    assert found(method) <= SAME


@MUTATIONS.each()
def test_a_mistake_is_noticed(
    method: str, apply: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch)
    assert found(method) > NOTICED
