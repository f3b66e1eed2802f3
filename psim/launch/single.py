"""One run, from its config to a complete folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psim import hosts
from psim.config import Config
from psim.errors import ConfigError, PsimError
from psim.experiment import Experiment, Opener, prepare
from psim.kernels import warm
from psim.launch.journal import Journal, Screen
from psim.launch.local import LocalWorkers, shares
from psim.launch.signals import terminable
from psim.launch.summary import Ending, summary
from psim.nodes.outcome import Outcome
from psim.results.folder import check_free
from psim.runtime.pulse import Pulse

LOOPBACK = "tcp://127.0.0.1:*"

Carrier = Callable[[Experiment, Journal], Outcome]


def run(
    config: Config,
    folder: Path,
    overwrite: bool = False,
    screen: Screen | None = None,
    opener: Opener | None = None,
) -> Outcome:
    """Run on this machine: with worker processes, or all in this one (``transport: inproc``).

    Raises InputError before anything is written; other PsimErrors leave the folder complete up to
    the last row, as KeyboardInterrupt does.
    """
    if config.transport == "tcp" and config.processes is None:
        config = config.model_copy(update={"processes": _processes(config.workers)})
    check_free(folder, overwrite)
    carry = _inproc if config.transport == "inproc" else _tcp
    return _kept(config, _Place(folder, overwrite, screen), carry, opener)


def serve(
    config: Config,
    folder: Path,
    address: str,
    overwrite: bool = False,
    screen: Screen | None = None,
    tell: Callable[[str], None] = lambda _: None,
    pulse: Pulse | None = None,
) -> Outcome:
    """Run with workers that connect by themselves to ``address``; raises as `run` does. ``tell``
    is called with the address once it is bound; ``pulse`` says what the master is at.
    """
    if config.transport != "tcp":
        raise ConfigError("'inproc': a master that workers connect to needs tcp", "transport")

    def carry(experiment: Experiment, journal: Journal) -> Outcome:
        from psim.runtime import heap
        from psim.runtime.hub import Hub
        from psim.runtime.serve import Server, largest_frame

        size = experiment.setup.size
        with heap.kept(size):
            hub = Hub(address, largest_frame(size))
            try:
                tell(hub.address)
                return Server(experiment, hub, journal, pulse=pulse).run()
            finally:
                hub.close_after_goodbye()

    check_free(folder, overwrite)
    return _kept(config, _Place(folder, overwrite, screen), carry, None)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run is recorded and shown."""

    folder: Path
    overwrite: bool
    screen: Screen | None


def _kept(config: Config, place: _Place, carry: Carrier, opener: Opener | None) -> Outcome:
    """Carry the run, and keep what came of it, however it ends."""
    with terminable():
        experiment = prepare(config, opener)
        warm.prepare(experiment.setup.size)  # before any worker is started, so that one compiles
        journal = Journal(place.folder, experiment.config, place.screen, place.overwrite)
        try:
            outcome = carry(experiment, journal)
        except BaseException as error:
            _close(experiment, journal, _ending(error), None)
            raise
        try:
            _check(outcome)
        except PsimError as error:
            _close(experiment, journal, _ending(error), outcome)
            raise
        finish = outcome.finish
        _close(experiment, journal, Ending(finish.status, finish.reason), outcome)
    return outcome


def _tcp(experiment: Experiment, journal: Journal) -> Outcome:
    """The hub is bound first: the workers are told its port."""
    from psim.runtime import heap
    from psim.runtime.hub import Hub
    from psim.runtime.serve import Server, largest_frame

    assert experiment.config.processes is not None
    hosts.compile_first(experiment.setup, experiment.problem)
    size, local = experiment.setup.size, LocalWorkers()
    with heap.kept(size):
        hub = Hub(LOOPBACK, largest_frame(size))
        try:
            counts = shares(experiment.config.workers, experiment.config.processes)
            local.start(hub.address, counts, experiment.local)
            return Server(experiment, hub, journal, local.watch).run()
        finally:
            hub.close_after_goodbye()
            local.end()


def _inproc(experiment: Experiment, journal: Journal) -> Outcome:
    from psim.sim.simulate import simulate

    return simulate(experiment, journal)


def _check(outcome: Outcome) -> None:
    from psim.runtime.serve import check_audit

    check_audit(outcome.audit)


def _processes(workers: int) -> int:
    return min(workers, os.cpu_count() or 1)


def _ending(error: BaseException) -> Ending:
    if isinstance(error, KeyboardInterrupt):
        return Ending("interrupted", str(error) or None)
    reason = str(error) if isinstance(error, PsimError) else f"{type(error).__name__}: {error}"
    return Ending("failed", reason)


def _close(
    experiment: Experiment, journal: Journal, ending: Ending, outcome: Outcome | None
) -> None:
    """Write the last files, where a folder was made at all."""
    if journal.folder is None:
        return
    journal.log(
        f"the run is over: {ending.status}" + (f": {ending.reason}" if ending.reason else "")
    )
    x = None if outcome is None else outcome.x.numpy()
    journal.folder.close(summary(experiment, ending, outcome, journal.last, journal.best), x)
