import pytest

from psim.data.locate import cache_folder, locate
from psim.errors import DataError


def test_psim_data_goes_before_the_cache(own_folders):
    data, cache = own_folders
    cache.mkdir(parents=True)
    (cache / "a9a").touch()
    assert locate("a9a") == cache / "a9a"
    (data / "libsvm").mkdir()
    (data / "libsvm" / "a9a.xz").touch()
    assert locate("a9a") == data / "libsvm" / "a9a.xz"
    (data / "a9a.bz2").touch()
    assert locate("a9a") == data / "a9a.bz2"


def test_a_test_part_is_not_its_training_part(own_folders):
    data, _ = own_folders
    (data / "a9a.t").touch()
    with pytest.raises(DataError):
        locate("a9a")


def test_an_absent_data_set_says_what_where_and_how(own_folders):
    data, cache = own_folders
    with pytest.raises(DataError) as error:
        locate("a9a")
    for part in ("a9a.xz", str(data), str(data / "libsvm"), str(cache), "`psim data get a9a`"):
        assert part in str(error.value)


def test_without_psim_data_the_error_says_so(own_folders, monkeypatch):
    monkeypatch.delenv("PSIM_DATA")
    with pytest.raises(DataError, match="PSIM_DATA is not set"):
        locate("a9a")


def test_a_path_is_itself(tmp_path):
    path = tmp_path / "mine.txt"
    path.touch()
    assert locate(str(path)) == path
    with pytest.raises(DataError, match="is a folder"):
        locate(str(tmp_path))


def test_a_misspelt_name_gets_a_suggestion(tmp_path):
    with pytest.raises(DataError, match="did you mean mushrooms"):
        locate(str(tmp_path / "mushroom"))


def test_a_relative_cache_variable_is_ignored(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "psim" / "data"
