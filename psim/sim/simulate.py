"""A whole run in one process: the nodes' frames go from hand to hand.

Very many ranks are computed together where their method and compressor allow it (`crowd_host`):
the same run, to the bit, with tables in the place of frames.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from psim.data.opened import OpenedProblem
from psim.experiment import Experiment, master, master_of
from psim.hosts import host
from psim.nodes import table_host
from psim.nodes.crowd_host import CrowdHost
from psim.nodes.crowd_master import CrowdMaster
from psim.nodes.instructions import Broadcast, Finish, Hold, Instruction, Record
from psim.nodes.master import Master
from psim.nodes.observer import Observer
from psim.nodes.outcome import Outcome
from psim.runtime import stopwatch
from psim.sim.alone import Alone
from psim.threads import single_threaded

NO_SOCKET = "transport inproc has no socket whose bytes the kernel would count"
TOGETHER_FROM = 50
"""Ranks that are worth computing together: fewer don't take long, and compiled code takes half a
second to load."""

Node = TypeVar("Node", bound=Master)
Exchange = Callable[[Node, Broadcast], list[Instruction]]
"""What follows from a broadcast: all who are called have answered, and the master has heard."""


def simulate(experiment: Experiment, observer: Observer) -> Outcome:
    """Run the experiment, in the faster of the two ways."""
    with single_threaded():
        many = experiment.setup.workers >= TOGETHER_FROM
        if many and table_host.possible(experiment.setup):
            return _together(experiment, observer)
        return _one_by_one(experiment, observer)


def _one_by_one(experiment: Experiment, observer: Observer) -> Outcome:
    """Every message is encoded and decoded as on the wire."""
    setup, problem, config = experiment.setup, experiment.problem, experiment.config
    watch = stopwatch.needed(config, problem.device)
    workers = host(setup, problem, range(setup.workers), watch, stopwatch.read(config))

    def exchange(node: Master, broadcast: Broadcast) -> list[Instruction]:
        ranks = broadcast.ranks
        copies = [broadcast.message] if ranks is None else map(node.copy_for, ranks)
        answers = (answer for copy in copies for answer in workers.receive(copy.lent()))
        if node.due_together:
            arrived = [(answer.all(), (rank,)) for rank, answer in answers]
            together = node.receive_together(arrived)
            if together is not None:
                return together
            return [then for each in arrived for then in node.receive(*each)]
        return [then for rank, each in answers for then in node.receive(each.all(), (rank,))]

    return _carried(master(experiment, time.perf_counter, time.thread_time), exchange, observer)


def _together(experiment: Experiment, observer: Observer) -> Outcome:
    """The ranks' states and messages are tables."""
    setup, problem = experiment.setup, experiment.problem
    assert isinstance(problem, OpenedProblem), "networks have a task, and are computed one by one"
    emulated, alone = experiment.emulated is not None, None
    if emulated and experiment.config.compute.kind == "measured":
        watch = stopwatch.of(problem.device, elapsed=False)
        alone = Alone(setup, problem.share, watch)
    host = CrowdHost(setup, problem.batched(), alone)
    host.prepare()

    def exchange(node: CrowdMaster, broadcast: Broadcast) -> list[Instruction]:
        if node.diagnosing:
            return node.hear(host.report(broadcast.message))
        return node.take(host.take(broadcast.message, node.called()))

    node = master_of(CrowdMaster, experiment, time.perf_counter, time.thread_time)
    return _carried(node, exchange, observer)


def _carried(node: Node, exchange: Exchange[Node], observer: Observer) -> Outcome:
    """From the first broadcast to the end."""
    observer.started()
    pending = deque(node.begin())
    while True:
        instruction = pending.popleft()
        match instruction:
            case Broadcast():
                observer.round(node.round, node.instant)
                pending += exchange(node, instruction)
            case Hold():
                pending += node.proceed()
            case Record(entry):
                observer.recorded(entry)
            case Finish():
                x, account = node.iterate.x, node.account
                return Outcome(instruction, x, account, None, NO_SOCKET, node.attendance)
