import sys

import pytest

from psim import registry
from psim.errors import ConfigError
from psim.registry import build, find, known

OWN = '''
from psim.compressors.identity import Identity

class Mine(Identity):
    """Keeps everything. A test's own."""

    strength: int = 3

class Outer:
    Inner = Mine

number = 3
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "pieces_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "pieces_of_mine"
    sys.modules.pop("pieces_of_mine", None)


def test_the_pieces_that_ship():
    assert set(known("methods")) >= {"gd", "dcgd", "ef", "ef21", "ef21_plus"}
    assert set(known("compressors")) >= {"identity", "topk", "randk"}
    assert set(known("problems")) >= {"logistic", "least_squares", "quadratic"}
    for family in ("methods", "compressors", "problems"):
        for name, piece in known(family).items():
            assert find(family, name) is piece
            assert piece.summary()


def test_a_piece_is_made_from_a_mapping_or_a_name():
    assert build("compressors", "identity") == build("compressors", {"name": "identity"})
    assert build("compressors", "identity").document()["name"] == "identity"
    assert build("compressors", {"name": "topk", "k": 2}).document()["k"] == 2


def test_a_piece_from_elsewhere(own):
    piece = build("compressors", {"name": f"{own}:Mine", "strength": 4})
    assert {"name": f"{own}:Mine", "strength": 4}.items() <= piece.document().items()
    again = build("compressors", piece.document())
    assert again == piece
    assert build("compressors", f"{own}:Outer.Inner").name == f"{own}:Outer.Inner"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("topl", r"unknown name 'topl'; did you mean topk\? known: "),
        ("", "unknown name ''; known: "),
        ("nowhere:X", "name = 'nowhere:X': cannot be imported: No module named 'nowhere'"),
        (".x:X", "cannot be imported"),
        (":X", "name = ':X': cannot be imported"),
        ("os:nothing", "cannot be imported: module 'os' has no attribute 'nothing'"),
        ("os:path", "is no subclass of psim.compressors.base.Compressor"),
        ("psim.methods.gd:GD", "is no subclass of psim.compressors.base.Compressor"),
        (3, "name = 3: give the name of one of the compressors"),
        (None, "name = None: give the name"),
        (["topk"], "give the name"),
    ],
)
def test_what_is_no_compressor(name, wrong):
    with pytest.raises(ConfigError, match=wrong):
        find("compressors", name)


@pytest.mark.parametrize("document", [3, None, [], {}, {"k": 1}, {"named": "topk"}])
def test_what_describes_no_piece(document):
    with pytest.raises(ConfigError, match="give a mapping with a name"):
        build("compressors", document)


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        ({"name": "topk"}, "k: this key is missing: give it a value"),
        ({"name": "topk", "k": 0}, "k: 0 is no count"),
        ({"name": "topk", "k": 1, "scop": "model"}, "scop: unknown key; did you mean scope"),
        ({"name": "topk", "l": 1}, "l: unknown key; known: k, scope"),
        ({"name": "identity", "scope": "all"}, "scope: 'all': Input should be"),
    ],
)
def test_wrong_parameters_are_named(document, wrong):
    with pytest.raises(ConfigError) as error:
        build("compressors", document)
    assert str(error.value).startswith(wrong)


def test_packages_add_pieces_by_entry_points(own, monkeypatch):
    class Entry:
        name = "mine"

        def load(self):
            return registry.importlib.import_module(own).Mine

    monkeypatch.setattr(registry.importlib.metadata, "entry_points", lambda group: [Entry()])
    assert build("compressors", "mine").strength == 3
    with pytest.raises(ConfigError, match=r"is no subclass of psim\.methods\.base\.Method"):
        known("methods")
