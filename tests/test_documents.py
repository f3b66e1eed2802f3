import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psim import documents
from psim.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1.5e+2", -150.0),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("+3", 3),
        ("yes", "yes"),
        ("on", "on"),
        ("no", "no"),
        ("True", True),
        ("false", False),
        ("nan", "nan"),
        (".nan", ".nan"),
        ("inf", "inf"),
        ("-.inf", "-.inf"),
        ("~", None),
        ("", None),
        ("null", None),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("'1'", "1"),
        ("=", "="),
        ("<<", "<<"),
        ("10 Mbit/s", "10 Mbit/s"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = documents.parse(f"key: {text}", "here")["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a: 1\nb: 2\na: 3", "here: line 3, column 1: key 'a' stands in line 1 already: keep one"),
        ("a: {b: 1, b: 2}", "here: line 1, column 11: key 'b' stands in line 1 already"),
        ("a:\n\t- 1", "here: line 2, column 1: not YAML: found character '\\t'"),
        ("a: [1", "here: line 1, column 6: not YAML"),
        ("a: b: c", "here: line 1, column 5: not YAML"),
        (
            "a: &x 1\nb: *x",
            "here: line 2, column 4: *x: aliases are not read here: write the value",
        ),
        ("a: &x [*x]", "aliases are not read here"),
        ("a: 1e999", "here: line 1, column 4: 1e999: is too large for a number"),
        ("a: -1e999", "too large"),
        ("a: !!python/object:os.system x", "here: line 1, column 4: not YAML: could not determine"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: !!binary eHg=", "could not determine a constructor"),
        ("a: !!float nan", "'nan': is no float"),
        ("a: !!int x", "'x': is no int"),
        ("a: !!bool maybe", "'maybe': is no bool"),
        ("{a: 1}: 2", "line 1, column 1: a key must be a plain name"),
        ("a: 1\n---\nb: 2", "not YAML: but found another document"),
        ("a: \x07", "not YAML"),
        ("9" * 5000, "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(text, wrong):
    with pytest.raises(ConfigError) as error:
        documents.parse(text, "here")
    assert wrong in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "3", "- a", "a", "1: 2", "null", "[]"])
def test_a_config_is_a_mapping(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"c.yaml: a config is a mapping of keys, like"):
        documents.read(tmp_path / "c.yaml")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"c.yaml: no such file: give the path of a config file"):
        documents.read(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        documents.read(tmp_path)
    (tmp_path / "c.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        documents.read(tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(ConfigError, match=r"larger than 1048576 B: is this a config file\?"):
        documents.read(tmp_path / "c.yaml")


# PyYAML itself does not write these line breaks so that they read back.
TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\ufeff"),
    max_size=20,
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | st.sampled_from(
        ["1e-3", "1e5", "0o17", "yes", "nan", "~", "1_000", "2024-01-01", "<<", "1:30"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), PLAIN, max_size=4))
def test_what_is_written_reads_back(document):
    found = documents.parse(documents.write(document), "here") or {}
    assert found == document
    for value in found.values():
        assert not isinstance(value, float) or math.isfinite(value)


@given(st.text(max_size=60))
def test_any_text_is_a_document_or_an_input_error(text):
    try:
        documents.parse(text, "here")
    except ConfigError as error:
        if not str(error).startswith("here: "):
            raise
