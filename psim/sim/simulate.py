"""A whole run in one process: the nodes' frames go from hand to hand."""

from __future__ import annotations

import time

from psim.experiment import Experiment, master
from psim.nodes.master import Broadcast, Finish, Instruction, Record
from psim.nodes.observer import Observer
from psim.nodes.outcome import Outcome
from psim.nodes.worker import WorkerHost
from psim.threads import single_threaded

NO_SOCKET = "transport inproc has no socket whose bytes the kernel would count"


def simulate(experiment: Experiment, observer: Observer) -> Outcome:
    """Run the experiment; every message is encoded and decoded as on the wire."""
    with single_threaded():
        workers = range(experiment.setup.workers)
        shares = {rank: experiment.problem.share(rank) for rank in workers}
        host = WorkerHost(experiment.setup, shares, time.thread_time)
        node = master(experiment, time.perf_counter, time.thread_time)
        observer.started()
        pending: list[Instruction] = node.begin()
        while True:
            instruction = pending.pop(0)
            match instruction:
                case Broadcast(message):
                    observer.round(node.round, node.instant)
                    for _, answer in host.receive(message.all()):
                        pending += node.receive(answer.all(), workers)
                case Record(row):
                    observer.recorded(row)
                case Finish():
                    return Outcome(instruction, node.iterate.x, node.account, None, NO_SOCKET)
