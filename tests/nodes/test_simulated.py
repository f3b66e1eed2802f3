"""The product's own loop in one process does what the watched one of these tests does."""

import pytest
from playing import BASE, play

from psim.config import parse
from psim.experiment import prepare
from psim.nodes.rows import Row
from psim.sim.simulate import simulate

MACHINE = ("wall", "diagnostic_s")


class Notebook:
    """An observer that keeps the rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def started(self) -> None: ...

    def round(self, number: int, instant: float | None) -> None: ...

    def recorded(self, row: Row) -> None:
        self.rows.append(row)

    def log(self, line: str) -> None:
        raise AssertionError(line)


def machine_independent(rows: list[Row]) -> list[Row]:
    return [{key: row[key] for key in row if key not in MACHINE} for row in rows]


@pytest.mark.parametrize("method", ["dcgd", "ef", "ef21", "ef21_plus"])
def test_a_simulated_run_has_the_same_rows_and_iterate(method: str) -> None:
    document = {
        "rounds": 30,
        "workers": 5,
        "problem": {"name": "quadratic", "dimension": 12},
        "start": {"kind": "normal"},
        "method": method,
        "compressor": {"name": "topk", "k": 2},
        "metrics": {"every": 4},
        "network": {"uplink": {"bandwidth": "1 Mbit/s"}},
        "compute": {"kind": "constant", "seconds": 0.001},
    }
    notebook = Notebook()
    outcome = simulate(prepare(parse({**BASE, **document})), notebook)
    played = play(document)
    assert outcome.x.numpy().tobytes() == played.iterates[-1].tobytes()
    assert outcome.finish == played.finish
    assert outcome.account.ledger.summary() == played.node.account.ledger.summary()
    assert machine_independent(notebook.rows) == machine_independent(played.rows)
