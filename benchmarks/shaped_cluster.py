"""A round's time in containers: shaped by the kernel, beside the same network on the real clock.

Builds the images and runs docker-compose in turn with --profile shaped (tc, clock: none) and
without it (clock: real, no privileges), with the config of that profile; prints medians of a
round's time, their ratio, and what the network model says. Needs a container engine and a machine
that does little else. About three minutes after the first build.

    python benchmarks/shaped_cluster.py [RUNS]
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # its containers serve here too

from containers import BUILD, Project, checkout, missing

CONFIG = "configs/shaped.yaml"
WAYS: dict[str, dict[str, str]] = {
    "shaped": {},
    "plain": {"PSIM_CONFIG": CONFIG, "PSIM_CLOCK": "real"},
}
"""By profile: the variables that make a run of the same network."""


def main() -> None:
    """Print a line for each way, and the ratio."""
    reason = missing()
    if reason is not None:
        sys.exit(f"this can't be measured here: {reason}")
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print(f"Linux {platform.release()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        checkout(Path(folder))
        project = Project(Path(folder))
        try:
            found = measured(project, runs)
        finally:
            project.remove()
    model = found["plain"][0][1]
    for name, profile in (("kernel (tc), clock: none", "shaped"), ("clock: real", "plain")):
        seconds = [wall for wall, _ in found[profile]]
        spread = f"{1e3 * min(seconds):.1f} to {1e3 * max(seconds):.1f}"
        print(f"{name:26}{1e3 * median(seconds):8.1f} ms a round, median of {runs} ({spread})")
    assert model is not None
    print(f"{'the network model':26}{1e3 * model:8.1f} ms")
    ratio = median(w for w, _ in found["shaped"]) / median(w for w, _ in found["plain"])
    print(f"kernel / real clock: {ratio:.4f}")


def measured(project: Project, runs: int) -> dict[str, list[tuple[float, float | None]]]:
    """A round's wall and emulated seconds, run by run, for each way; the ways alternate."""
    for profile in WAYS:
        built = project.compose("build", profile=profile, timeout=BUILD)
        if built.returncode:
            sys.exit(built.stdout)
    found: dict[str, list[tuple[float, float | None]]] = {profile: [] for profile in WAYS}
    for _ in range(runs):
        for profile, variables in WAYS.items():
            ended = project.compose("up", profile=profile, **variables)
            project.down(profile)
            found[profile].append(round_time(newest(project.folder / "runs"), ended.stdout))
    return found


def newest(runs: Path) -> Path:
    """The run folder that was made last."""
    return max(runs.iterdir(), key=lambda folder: folder.stat().st_mtime)


def round_time(folder: Path, said: str) -> tuple[float, float | None]:
    """Wall and emulated seconds of a run's mean round."""
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    if found["status"] != "done":
        sys.exit(said)
    last = found["final"]
    emulated = None if last["time"] is None else last["time"] / last["round"]
    return last["wall"] / last["round"], emulated


if __name__ == "__main__":
    main()
