"""docker-compose up for real: runs in containers, and what they leave on the host."""

import os
import subprocess
import sys

import pytest
from containers import ROOT, missing
from processes import rows, summary, write

from psim.data.known import KNOWN
from psim.net.spent import COLUMNS

QUICK = {
    "rounds": 10,
    "problem": {"name": "logistic", "dataset": "breast_cancer"},
    "method": {"name": "ef21"},
    "compressor": {"name": "topk", "k": 2},
}

CLOCKS = {"time", "wall", "lag", "diagnostic_s", *COLUMNS}
"""Fields of a row that a machine's speed moves: where the time went is of measured computing."""

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]


@pytest.fixture(scope="module")
def done(project):
    """The run folder of a plain up."""
    ended = project.compose("up")
    assert ended.returncode == 0, ended.stdout
    codes = project.ended()
    project.down()
    assert list(codes.values()) == [0] * 5, ended.stdout
    return project.folder / "runs" / "compose-1"


def alone(config, folder, *arguments, **environment):
    """The run folder of a config without containers."""
    command = [sys.executable, "-m", "psim", "run", str(config), "--out", str(folder), *arguments]
    env = os.environ | environment
    subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True, timeout=120)
    return folder


def assert_same_run(ours, theirs):
    """The same bytes; and the same iterates, where the libraries are the same."""
    one, other = summary(ours), summary(theirs)
    for key in ("bytes", "framed_per_worker", "start_bits", "data_sha256"):
        assert one[key] == other[key], key
    counted = [name for name in rows(ours)[0] if name.endswith(("bits", "payload", "framed"))]
    fields = {"round", *counted}
    versions = [
        [each["environment"][name] for name in ("torch", "numpy", "scipy")] for each in (one, other)
    ]
    if versions[0] == versions[1]:
        assert one["x_sha256"] == other["x_sha256"]
        fields = rows(ours)[0].keys() - CLOCKS
    for row, same in zip(rows(ours), rows(theirs), strict=True):
        assert {name: row[name] for name in fields} == {name: same[name] for name in fields}


def test_the_run_is_done_and_its_files_are_the_users(project, done):
    assert summary(done)["status"] == "done"
    owner = project.folder.stat().st_uid
    for path in (done.parent, done, *done.iterdir()):
        assert path.stat().st_uid == owner, path


def test_the_bytes_are_the_kernels_between_containers(done):
    """The master's account; a worker whose own differs ends with 1."""
    audit = summary(done)["audit"]
    assert audit["difference"] == 0
    assert len(audit["connections"]) == 4


def test_bytes_and_iterates_are_those_without_containers(done, tmp_path):
    assert_same_run(done, alone(ROOT / "configs" / "compose.yaml", tmp_path / "run"))


def test_scale_config_and_data_are_the_users(project, tmp_path):
    """Two containers with three ranks each; the config says 20 workers, and the scale decides."""
    data = tmp_path / "data"
    data.mkdir()
    lines = [f"{row % 2} 1:{row % 5} 68:{row % 7}\n" for row in range(KNOWN["phishing"].rows)]
    (data / "phishing").write_text("".join(lines))
    document = {"workers": 20, **QUICK, "problem": {"name": "logistic", "dataset": "phishing"}}
    config = write(project.folder / "mine.yaml", document)
    variables = {"PSIM_CONFIG": "mine.yaml", "PSIM_DATA": str(data), "PSIM_COUNT": "3"}
    ended = project.compose("up", "--scale", "worker=2", **variables)
    codes = project.ended()
    project.down()
    assert codes == {"master_1": 0, "worker_1": 0, "worker_2": 0}, ended.stdout
    assert "2 worker containers with 3 ranks each: workers = 6" in ended.stdout
    ours = project.folder / "runs" / "mine-1"
    assert summary(ours)["audit"]["difference"] == 0
    assert len(summary(ours)["audit"]["connections"]) == 2
    theirs = alone(config, tmp_path / "run", "--set", "workers=6", PSIM_DATA=str(data))
    assert_same_run(ours, theirs)


def test_a_wrong_config_is_one_line_and_2(project):
    """``run`` gives the master's exit code; its flags are psim's."""
    line = ("run", "--rm", "--use-aliases", "master", "--set", "round=3")
    ended = project.compose(*line, PSIM_JOIN="1 s")
    project.down()
    assert ended.returncode == 2, ended.stdout
    assert "psim: configs/compose.yaml: round: unknown key; did you mean rounds?" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_number_of_workers_that_does_not_come_is_an_error_for_all(project):
    document = {"workers": 6, "deadlines": {"join": "30 s"}, **QUICK}
    write(project.folder / "six.yaml", document)
    ended = project.compose("up", PSIM_CONFIG="six.yaml", PSIM_WORKERS="6")
    codes = project.ended()
    project.down()
    assert list(codes.values()) == [1] * 5, ended.stdout
    assert "psim: 4 of 6 workers came within 30 s" in ended.stdout
    assert ended.stdout.count("psim: the run failed: 4 of 6 workers came within 30 s") == 4
    assert not (project.folder / "runs" / "six-1").exists()
