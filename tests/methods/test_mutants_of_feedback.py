"""The comparison with the references notices mistakes in the methods that keep errors."""

import pytest
from mutations import NOTICED, SAME, Mutation, Mutations
from situations import disagreement, usual, with_threshold

from psim.methods import accordion, cser, detached, dgc, doublesqueeze, ec_gdstar, ef_sgd, saef
from psim.methods.base import Iterate, Message
from psim.vectors import add_, scale, subtract_

MUTATIONS = Mutations()
mutation = MUTATIONS.of


# EF-SGD and EC-GDstar


@mutation("ef_sgd")
def the_error_is_kept_in_the_unit_of_what_is_sent(patch: pytest.MonkeyPatch) -> None:
    def compensated(error, direction, factor, compress):
        error.add_(direction * factor)
        sent = compress(error / factor)
        subtract_(error, sent)
        return sent

    patch.setattr(ef_sgd, "compensated", compensated)


@mutation("ec_gdstar")
def the_gradient_at_the_optimum_is_left_out(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = ec_gdstar.compensated(self.error, gradients[0], step.step_size, compress)
        return Message({"c": sent})

    patch.setattr(ec_gdstar.StarWorker, "message", message)


@mutation("ec_gdstar")
def the_gradient_at_the_optimum_is_added(patch: pytest.MonkeyPatch) -> None:
    def compensated(error, direction, factor, compress):
        return ef_sgd.compensated(error, -direction, factor, compress)

    patch.setattr(ec_gdstar, "compensated", compensated)


# DEF and SAEF


@mutation("def")
def the_gradient_is_taken_at_x(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(detached.DetachedFeedback, "queries", lambda self, x, step: (x,))


@mutation("def")
def the_gradient_is_taken_on_the_other_side_of_x(patch: pytest.MonkeyPatch) -> None:
    def queries(self, x, step):
        return (x + self.error * self.lam,)

    patch.setattr(detached.DetachedFeedback, "queries", queries)


@mutation("def")
def lambda_scales_what_is_kept(patch: pytest.MonkeyPatch) -> None:
    original = detached.DetachedFeedback.message

    def message(self, gradients, step, compress):
        sent = original(self, gradients, step, compress)
        self.error.mul_(self.lam)
        return sent

    patch.setattr(detached.DetachedFeedback, "message", message)


@mutation("saef")
def the_mean_of_the_errors_is_not_taken_over(patch: pytest.MonkeyPatch) -> None:
    def receive(self, beside, step):
        self.offered = None

    patch.setattr(saef.StepAhead, "receive", receive)


@mutation("saef")
def the_mean_is_added_to_the_own_error(patch: pytest.MonkeyPatch) -> None:
    def receive(self, beside, step):
        if self.offered is not None:
            add_(self.error, beside.payloads["e"])
            self.offered = None

    patch.setattr(saef.StepAhead, "receive", receive)


# CSER


@mutation("cser")
def what_was_not_sent_is_not_applied_locally(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cser.LocalModel, "queries", lambda self, x, step: (x,))


@mutation("cser")
def the_error_survives_its_reset(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        sent = compress(gradients[0])
        self.error.sub_(gradients[0] * step.step_size)
        add_(self.error, scale(sent, step.step_size, self.error.dtype))
        if (step.round + 1) % self.period:
            return Message({"c": sent})
        return Message({"c": sent, "r": compress.by(cser.RESET)(self.error)})

    patch.setattr(cser.LocalModel, "message", message)


@mutation("cser")
def x_does_not_move_by_what_is_reset(patch: pytest.MonkeyPatch) -> None:
    def advance(self, update, step):
        Iterate.descend(self, update.payloads["u"], step)

    patch.setattr(cser.ResetDescent, "advance", advance)


# DoubleSqueeze


@mutation("doublesqueeze")
def the_master_keeps_no_error(patch: pytest.MonkeyPatch) -> None:
    def compress_update(self, update, step, compress):
        self.error.zero_()
        add_(self.error, update.payloads["u"])
        return Message({"u": compress(self.error)})

    patch.setattr(doublesqueeze.FeedbackMaster, "compress", compress_update)


@mutation("doublesqueeze")
def the_master_does_not_take_off_what_it_sent(patch: pytest.MonkeyPatch) -> None:
    def compress_update(self, update, step, compress):
        add_(self.error, update.payloads["u"])
        return Message({"u": compress(self.error)})

    patch.setattr(doublesqueeze.FeedbackMaster, "compress", compress_update)


# ACCORDION


@mutation("accordion")
def every_regime_is_critical(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(accordion.Adapting, "receive", lambda self, beside, step: None)


@mutation("accordion")
def only_the_last_gradient_of_a_window_is_measured(patch: pytest.MonkeyPatch) -> None:
    original = accordion.Adapting.message

    def message(self, gradients, step, compress):
        self.total.zero_()
        return original(self, gradients, step, compress)

    patch.setattr(accordion.Adapting, "message", message)


@mutation("accordion")
def windows_add_up(patch: pytest.MonkeyPatch) -> None:
    original = accordion.Adapting.message

    def message(self, gradients, step, compress):
        total = self.total + gradients[0]
        sent = original(self, gradients, step, compress)
        self.total = total
        return sent

    patch.setattr(accordion.Adapting, "message", message)


@mutation("accordion")
def the_levels_are_swapped(patch: pytest.MonkeyPatch) -> None:
    original = accordion.Adapting._leveled

    def leveled(self, compress):
        self.low, self.high = self.high, self.low
        found = original(self, compress)
        self.low, self.high = self.high, self.low
        return found

    patch.setattr(accordion.Adapting, "_leveled", leveled)


# DGC


@mutation("dgc")
def the_mask_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dgc, "clear_where_sent_", lambda momentum, sent: None)


@mutation("dgc")
def the_mask_keeps_what_was_sent(patch: pytest.MonkeyPatch) -> None:
    def clear(momentum, sent):
        kept = momentum[sent.indices]
        momentum.zero_()
        momentum[sent.indices] = kept

    patch.setattr(dgc, "clear_where_sent_", clear)


@mutation("dgc")
def the_mask_clears_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dgc, "clear_where_sent_", lambda momentum, sent: momentum.zero_())


@mutation("dgc")
def the_gradient_and_not_its_momentum_is_accumulated(patch: pytest.MonkeyPatch) -> None:
    def message(self, gradients, step, compress):
        return Message({"c": dgc.compensated(self.error, gradients[0], 1.0, compress)})

    patch.setattr(dgc.MomentumFeedback, "message", message)


@mutation("dgc")
def momentum_is_made_of_what_is_sent(patch: pytest.MonkeyPatch) -> None:
    """Gradient compression with a momentum on each worker."""

    def message(self, gradients, step, compress):
        self.error.add_(gradients[0])
        self.momentum.buffer.mul_(self.momentum.momentum)
        sent = compress(self.error)
        subtract_(self.error, sent)
        add_(self.momentum.buffer, sent)
        return Message({"c": compress.whole(self.momentum.buffer)})

    patch.setattr(dgc.MomentumFeedback, "message", message)


@MUTATIONS.methods()
def test_without_a_mistake_they_agree(method: str) -> None:
    assert disagreement(method, _shown_by(method)) <= SAME


@MUTATIONS.each()
def test_a_mistake_is_noticed(
    method: str, apply: Mutation, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch)
    assert disagreement(method, _shown_by(method)) > NOTICED


def _shown_by(method: str):
    """The step size's place in EF-SGD shows with compressors that are not homogeneous."""
    return with_threshold() if method == "ef_sgd" else usual(method)
