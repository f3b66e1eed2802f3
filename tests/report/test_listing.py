import pytest

from psim.problems.datasets import LEARNING_NAMES, NAMES
from psim.registry import known
from psim.report.listing import listing


@pytest.mark.parametrize("family", ["methods", "compressors", "problems"])
def test_every_piece_is_listed_with_its_paper_and_keys(family):
    shown = listing(family)
    for name, piece in known(family).items():
        lines = [line for line in shown.splitlines() if line.split()[:1] == [name]]
        assert len(lines) == 1
        assert piece.summary() in lines[0]
        assert not piece.paper or f"({piece.paper})" in lines[0]


def test_a_compressor_is_listed_with_what_it_promises():
    shown = listing("compressors")
    for piece in known("compressors").values():
        assert f"promises {piece.promises}" in shown
        assert any(kind in piece.promises for kind in ("contractive", "unbiased", "absolute"))
    assert "promises" not in listing("methods")


def test_data_sets_are_listed_with_their_sizes():
    shown = listing("datasets")
    assert "N = 32561" in shown
    for name in (*NAMES, *LEARNING_NAMES):
        assert sum(line.split()[0] == name for line in shown.splitlines()) == 1, name
