import subprocess
import sys
from pathlib import Path

import pytest

from psim.errors import ConfigError
from psim.paths import FromShell
from psim.registry import build


def dataset(value: object, folder: Path) -> object:
    document = {"name": "least_squares", "dataset": value}
    return build("problems", document, {"folder": str(folder)}).dataset


def test_known_names_stay_and_paths_start_at_the_config(tmp_path):
    assert dataset("a9a.t", tmp_path) == "a9a.t"
    assert dataset("sub/mine.xz", tmp_path) == str(tmp_path / "sub" / "mine.xz")
    assert dataset("mine", tmp_path) == str(tmp_path / "mine")
    assert dataset("/data/a9a", tmp_path) == "/data/a9a"


def test_paths_from_the_shell_start_at_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert dataset(FromShell("mine.txt"), Path("/elsewhere")) == str(tmp_path / "mine.txt")


@pytest.mark.parametrize("value", ["", " ", 3, None])
def test_what_is_no_name_is_refused(value, tmp_path):
    with pytest.raises(ConfigError) as error:
        dataset(value, tmp_path)
    assert error.value.path == "dataset"


def test_a_problem_is_checked_without_torch_scipy_or_sklearn():
    program = (
        "import sys; from psim.registry import build, known; known('problems');"
        "build('problems', {'name': 'logistic', 'dataset': 'a9a'});"
        "build('problems', {'name': 'quadratic'}); import psim.theory;"
        "print([name for name in ('torch', 'scipy', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
