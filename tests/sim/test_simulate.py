"""In process: the same nodes as over sockets, without a process or a socket."""

import threading

import pytest
from fields import FIELDS
from processes import SMALL, rows, summary

from psim.config import parse
from psim.experiment import prepare
from psim.launch import single
from psim.sim.simulate import NO_SOCKET, simulate


class Watching:
    """An observer that notes what it is told."""

    def __init__(self):
        self.told = []

    def started(self):
        self.told.append("started")

    def round(self, number, instant):
        self.told.append(("round", number, instant))

    def recorded(self, row):
        self.told.append(("row", row["round"], row["time"]))

    def log(self, line):
        self.told.append(line)


def carried(**changes):
    experiment = prepare(parse({**SMALL, "transport": "inproc", **changes}))
    observer = Watching()
    return simulate(experiment, observer), observer.told


def test_what_an_observer_is_told():
    outcome, told = carried(rounds=4, metrics={"every": 3})
    assert told[0] == "started"
    assert [each[1] for each in told[1:] if each[0] == "row"] == [0, 3, 4]
    instants = [each[2] for each in told[1:] if each[0] == "round"]
    assert instants == sorted(instants)
    assert instants[0] == 0
    assert (outcome.finish.status, outcome.finish.stopped_by) == ("done", None)
    assert (outcome.audit, outcome.audit_reason) == (None, NO_SOCKET)


def test_nothing_is_started(monkeypatch):
    """No process, thread or socket."""
    monkeypatch.setattr("psim.launch.single._tcp", None)
    before = threading.active_count()
    outcome, _ = carried()
    assert threading.active_count() == before
    assert outcome.x.shape == (30,)


def test_a_run_in_process_does_not_depend_on_processes():
    one, _ = carried(processes=1)
    four, _ = carried(processes=4)
    assert one.x.equal(four.x)


def test_ranks_that_are_sent_the_model_do_not_share_the_masters() -> None:
    """Where not all take part, some are sent x and the others what leads to it. Vectors of this
    length are decoded uncopied.
    """
    some = {
        "problem": {"name": "logistic", "dataset": "breast_cancer", "dimension": 2500},
        "rounds": 6,
        "method": {"name": "dcgd", "downlink": "update"},
        "participation": {"kind": "sampled", "fraction": 0.5},
        "step_size": 0.5,
        "metrics": {"every": 6},
    }
    update, _ = carried(**some)
    model, _ = carried(**{**some, "method": {"name": "dcgd", "downlink": "model"}})
    assert update.x.equal(model.x)


@pytest.mark.parametrize(
    ("stop", "last"),
    [({"grad_norm_sq": 1e6}, 0), ({"time": "12 ms"}, 2), ({"bytes": 1}, 1), ({"time": 1e6}, 5)],
)
def test_a_run_stops_at_its_first_condition(tmp_path, stop, last):
    single.run(parse({**SMALL, "transport": "inproc", "stop": stop}), tmp_path / "out")
    found = summary(tmp_path / "out")
    assert [row["round"] for row in rows(tmp_path / "out")] == list(range(last + 1))
    assert found["stopped_by"] == (None if last == 5 else next(iter(stop)))
    assert (found["status"], found["rounds"]) == ("done", last)


def test_without_a_clock_rows_have_no_time(tmp_path):
    config = parse({**SMALL, "transport": "inproc", "network": {"clock": "none"}})
    single.run(config, tmp_path / "out")
    assert {row["time"] for row in rows(tmp_path / "out")} == {None}
    walls = [row["wall"] for row in rows(tmp_path / "out")]
    assert walls == sorted(walls)
    assert 0 <= walls[0] < 0.01


def test_every_row_has_every_field(tmp_path):
    for method in ("gd", "dcgd", "ef", "ef21", "ef21_plus"):
        compressor = "identity" if method == "gd" else {"name": "topk", "k": 1}
        config = {**SMALL, "transport": "inproc", "method": method, "compressor": compressor}
        single.run(parse(config), tmp_path / method)
        for row in rows(tmp_path / method):
            assert list(row) == FIELDS
    final = rows(tmp_path / "ef21")[-1]
    assert final["up_bits"] == 32 * 5
    assert summary(tmp_path / "ef21")["start_bits"] == 32
    assert rows(tmp_path / "gd")[-1]["up_bits"] == 32 * 30 * 5
    assert rows(tmp_path / "ef")[-1]["error_norm_sq"] is not None
