"""A whole run in one process: the nodes' frames go from hand to hand."""

from __future__ import annotations

import time

from psim.experiment import Experiment, master
from psim.nodes.instructions import Broadcast, Finish, Hold, Instruction, Record
from psim.nodes.observer import Observer
from psim.nodes.outcome import Outcome
from psim.nodes.worker import WorkerHost
from psim.runtime import stopwatch
from psim.threads import single_threaded

NO_SOCKET = "transport inproc has no socket whose bytes the kernel would count"


def simulate(experiment: Experiment, observer: Observer) -> Outcome:
    """Run the experiment; every message is encoded and decoded as on the wire."""
    with single_threaded():
        workers = range(experiment.setup.workers)
        shares = {rank: experiment.problem.share(rank) for rank in workers}
        device = experiment.problem.device
        watch = stopwatch.needed(experiment.config, device)
        host = WorkerHost(experiment.setup, shares, watch, device)
        node = master(experiment, time.perf_counter, stopwatch.needed(experiment.config))
        observer.started()
        pending: list[Instruction] = node.begin()
        while True:
            instruction = pending.pop(0)
            match instruction:
                case Broadcast(message, _, ranks):
                    observer.round(node.round, node.instant)
                    copies = [message] if ranks is None else map(node.copy_for, ranks)
                    for copy in copies:
                        for _, answer in host.receive(copy.all()):
                            pending += node.receive(answer.all(), workers)
                case Hold():
                    pending += node.proceed()
                case Record(entry):
                    observer.recorded(entry)
                case Finish():
                    x, account = node.iterate.x, node.account
                    return Outcome(instruction, x, account, None, NO_SOCKET, node.attendance)
