"""The command line: parse, call, print. What a command does is imported when it is called."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from psim.errors import ConfigError, Interrupted, PsimError
from psim.launch import pages
from psim.launch.signals import ignore, terminable
from psim.runtime.garbage import IMPORTING

if TYPE_CHECKING:
    from psim.plan import Plan

INTERRUPTED = Interrupted.exit_code

CONFIG = click.argument("config", type=click.Path(path_type=Path))
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key: compressor.k=4."
)
OUT = click.option(
    "--out", type=click.Path(path_type=Path), help="The folder to write; default runs/NAME-N."
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace an earlier run in --out.")
HEALTH = click.option(
    "--health",
    type=click.Path(path_type=Path),
    metavar="SOCKET",
    help="Answer health checks there.",
)
JOBS = click.option("--jobs", type=click.IntRange(1), default=1, help="Runs of a sweep at once.")
DEVICE = click.option(
    "--device", default="cpu", help="Where networks compute: cpu, cuda, cuda:1 or mps."
)


@dataclass(frozen=True, slots=True)
class Carried:
    """How and where the runs of a plan are carried out on this machine."""

    out: Path | None
    overwrite: bool
    jobs: int
    device: str


def carried(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Carried`, as its argument ``how``."""

    @OUT
    @OVERWRITE
    @JOBS
    @DEVICE
    @wraps(command)
    def wrapped(
        out: Path | None, overwrite: bool, jobs: int, device: str, **others: object
    ) -> None:
        command(how=Carried(out, overwrite, jobs, device), **others)

    return wrapped


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="psim")
def psim() -> None:
    """Emulate communication-compressed distributed training: real messages over real sockets,
    every byte counted, on a network of your choice.
    """


@psim.command()
@CONFIG
@SET
@carried
def run(config: Path, overrides: tuple[str, ...], how: Carried) -> None:
    """Run an experiment, or all runs of a sweep, on this machine."""
    plan = _plan(config, overrides)
    folder = _carry_out(plan, how)
    from psim.report import terminal

    terminal.finished(folder, plan.single)


@psim.command()
@CONFIG
@click.option("--over", required=True, multiple=True, metavar="KEY=V,V", help="Values to try.")
@click.option("--at", required=True, metavar="BUDGET", help="bits=1e6, time=60s or rounds=500.")
@click.option("--by", default="grad_norm_sq", metavar="FIELD", help="What is to be smallest.")
@SET
@carried
def tune(
    config: Path,
    over: tuple[str, ...],
    at: str,
    by: str,
    overrides: tuple[str, ...],
    how: Carried,
) -> None:
    """Find the best values for each variant of an experiment, at an equal budget."""
    from psim.search import budget, search, tried

    keys, spend = [tried(text) for text in over], budget(at)
    plan = _plan(config, overrides, lambda document: search(document, keys, spend))
    folder = _carry_out(plan, how)
    from psim.report import search_curve, terminal, tuning
    from psim.report.load import load

    found = tuning.entries(load(folder), [key for key, _ in keys], spend, by)
    terminal.show(lambda box: tuning.table(found, by, spend, box))
    for remark in tuning.remarks(found, spend):
        click.echo(remark)
    curve = search_curve.save(found, by, spend, [folder / "tuning.png", folder / "tuning.pdf"])[0]
    click.echo(f"The curve of the search is {curve} (and .pdf). What did best, as it runs again:")
    for path in tuning.configs(found, folder):
        click.echo(f"  psim run {path}")


@psim.command()
@CONFIG
@click.option("--bind", required=True, metavar="ADDRESS", help="Like tcp://0.0.0.0:5555.")
@SET
@OUT
@OVERWRITE
@HEALTH
def master(
    config: Path,
    bind: str,
    overrides: tuple[str, ...],
    out: Path | None,
    overwrite: bool,
    health: Path | None,
) -> None:
    """Run one experiment's master, for workers that connect by themselves."""
    plan = _plan(config, overrides)
    if not plan.single:
        raise ConfigError(
            f"{config}: asks for {len(plan.runs)} runs and a master serves one: use psim run, or "
            "leave out sweep, variants and seeds"
        )
    from psim.launch.folders import destination
    from psim.launch.health import answering
    from psim.launch.single import serve
    from psim.report.progress import Bars
    from psim.runtime.pulse import Pulse

    run, pulse = plan.runs[0], Pulse()

    def tell(address: str) -> None:
        click.echo(f"waiting for {run.config.workers} workers at {address}", err=True)

    bars = Bars([run.label], [run.config.rounds])
    with answering(health, pulse), destination(plan, out, overwrite) as folder, bars:
        serve(run.config, folder, bind, overwrite, bars.of(0), tell, pulse)
        ignore()  # the run is done and kept, whoever ends containers when the first one ends
    from psim.report import terminal

    terminal.finished(folder, plan.single)


@psim.command()
@click.option("--connect", required=True, metavar="ADDRESS", help="Like tcp://HOST:5555.")
@click.option("--count", type=click.IntRange(1), default=1, help="Ranks that this process hosts.")
@DEVICE
@click.option("--join", default="60 s", help="How long to wait for the master.")
@HEALTH
def worker(connect: str, count: int, device: str, join: str, health: Path | None) -> None:
    """Take part in a master's run; ends with 0 when the run does."""
    from psim.units import duration

    try:
        patience = duration(join)
    except ConfigError as error:
        raise ConfigError(f"--join {error}") from None
    from psim.data.opened import Local
    from psim.device import device as found
    from psim.launch.health import answering
    from psim.runtime.pulse import Pulse
    from psim.runtime.work import work

    own, pulse = Local(str(found(device))), Pulse()
    with answering(health, pulse):
        status = work(connect, count, patience, _report, own, rejoin=True, pulse=pulse)
        ignore()  # as in the master
    click.echo(f"the run is over: {status}", err=True)


@psim.command()
@CONFIG
@SET
def theory(config: Path, overrides: tuple[str, ...]) -> None:
    """Print a config's constants, step sizes and guarantees (EF21, Theorems 2 and 3)."""
    plan = _plan(config, overrides)
    from psim.report.guarantees import report

    for run in plan.runs:
        if not plan.single:
            click.echo(f"== {run.label}")
        click.echo(report(run.config))


@psim.command()
@CONFIG
@SET
@click.option("--rounds", type=click.IntRange(3), default=20, help="Rounds to measure.")
@click.option("--out", "outs", multiple=True, type=click.Path(path_type=Path), help=".png or .pdf")
@DEVICE
def breakeven(
    config: Path, overrides: tuple[str, ...], rounds: int, outs: tuple[Path, ...], device: str
) -> None:
    """Say below which bandwidth compression pays, and where the time of a round goes."""
    plan = _plan(config, overrides)
    from psim.data.opened import Local
    from psim.experiment import Opener
    from psim.report import breakeven as report
    from psim.report import terminal

    opener = Opener(Local(device))
    found = [report.compare(run.config, run.label, rounds, opener) for run in plan.runs]
    for comparison in found:
        click.echo(comparison.line())
    click.echo()
    terminal.show(lambda box: report.table(found, box))
    for path in report.save(found, outs):
        click.echo(path)


@psim.command(name="list")
@click.argument(
    "what", type=click.Choice(["methods", "compressors", "problems", "networks", "datasets"])
)
def list_(what: str) -> None:
    """List what a config may name."""
    from psim.report.listing import listing

    click.echo(listing(what))


@psim.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--csv", is_flag=True, help="All digits, as CSV.")
def show(folders: tuple[Path, ...], csv: bool) -> None:
    """Print a table of runs, and where the time of their rounds went."""
    from psim.report import table, terminal
    from psim.report.load import load_all

    results = load_all(folders)
    if csv:
        click.echo(table.frame(results).write_csv(), nl=False)
    else:
        terminal.comparison(results)
        terminal.breakdown(results)


@psim.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--x", multiple=True, metavar="FIELD", help="One panel each; default bits and time.")
@click.option("--y", metavar="FIELD", help="Default: grad_norm_sq, or a network's accuracy.")
@click.option("--panels", metavar="ROWS,COLUMNS", help="Split by keys: compressor.k,variant.")
@click.option("--mark", metavar="FIELD", help="In panels: mark rows in which a share is >= 1/2.")
@click.option("--timeline", is_flag=True, help="Draw where the time went, rank by rank.")
@click.option("--rounds", metavar="ROUNDS", help="Of the timeline: like 3-6; default 0-2.")
@click.option("--out", "outs", multiple=True, type=click.Path(path_type=Path), help=".png or .pdf")
def plot(
    folders: tuple[Path, ...],
    x: tuple[str, ...],
    y: str | None,
    panels: str | None,
    mark: str | None,
    timeline: bool,
    rounds: str | None,
    outs: tuple[Path, ...],
) -> None:
    """Draw any field of the records against any other, or (--timeline) rounds as a Gantt chart."""
    name = "timeline" if timeline else "figure"
    paths = outs or tuple(folders[0] / f"{name}{suffix}" for suffix in (".png", ".pdf"))
    if timeline and (x or y or panels):
        raise ConfigError("--timeline has axes of its own: leave out --x, --y and --panels")
    if mark and not panels:
        raise ConfigError("--mark goes with --panels: add it")
    if rounds is not None and not timeline:
        raise ConfigError("--rounds goes with --timeline: add it")
    if timeline:
        saved = _timeline(folders, paths, rounds)
    elif panels:
        saved = _panels(folders, paths, (x, y), panels, mark)
    else:
        from psim.report.load import load_all
        from psim.report.plot import save

        saved = save(load_all(folders), paths, x, y)
    for path in saved:
        click.echo(path)


def _panels(
    folders: tuple[Path, ...],
    paths: tuple[Path, ...],
    axes: tuple[tuple[str, ...], str | None],
    keys: str,
    mark: str | None,
) -> list[Path]:
    from psim.report.facets import save
    from psim.report.load import load_all

    x, y = axes
    rows, comma, columns = (part.strip() for part in keys.partition(","))
    if not comma or not (rows or columns):
        raise ConfigError(f"--panels {keys!r}: write ROWS,COLUMNS, like compressor.k,variant")
    if len(x) > 1:
        raise ConfigError("--panels goes with one --x: leave out the others")
    split = (rows or None, columns or None, mark)
    return save(load_all(folders), paths, (*x, "up_bits")[0], y or "grad_norm_sq", *split)


def _timeline(folders: tuple[Path, ...], paths: tuple[Path, ...], rounds: str | None) -> list[Path]:
    from psim.report.load import load
    from psim.report.timeline import DEFAULT_ROUNDS, save, which

    if len(folders) > 1:
        raise ConfigError(f"--timeline: {len(folders)} folders, and it shows one run: give one")
    return save(load(folders[0]), paths, DEFAULT_ROUNDS if rounds is None else which(rounds))


@psim.group()
def data() -> None:
    """Data sets."""


@data.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--to", type=click.Path(path_type=Path), help="A folder; default psim's cache.")
def get(names: tuple[str, ...], to: Path | None) -> None:
    """Fetch data sets by name, with their checksums checked."""
    from psim.data.fetch import fetch

    for name in names:
        click.echo(fetch(name, to))


def _plan(
    path: Path,
    overrides: tuple[str, ...],
    change: Callable[[dict[str, object]], dict[str, object]] = lambda document: document,
) -> Plan:
    """The runs that a config and its overrides ask for; imports no torch."""
    from psim.config import load
    from psim.plan import assignment, expand, override

    document = load(path)
    for key, value in map(assignment, overrides):
        override(document, key, value)
    try:
        return expand(change(document), path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _carry_out(plan: Plan, how: Carried) -> Path:
    """Run all, with a bar for each; the folder they are in."""
    from psim.launch.many import run_plan
    from psim.report.progress import Bars

    bars = Bars([run.label for run in plan.runs], [run.config.rounds for run in plan.runs])
    with bars:
        return run_plan(plan, how.out, how.overwrite, how.jobs, bars.of, how.device)


def main() -> NoReturn:
    """Run a command; an error is one line on stderr and the exit code of its kind."""
    gc.set_threshold(*IMPORTING)  # the rounds have Python's own again
    pages.ask()
    with terminable():
        code = _carried_out()
    ignore()  # there is nothing left to end, and a signal would take the exit code's place
    gc.freeze()  # Python would look through all of it again and again before it lets go: 0.8 s
    sys.exit(code)


def _carried_out() -> int:
    """The exit code of the command that was called."""
    try:
        psim(standalone_mode=False)
        code = 0
    except PsimError as error:
        code = _fail(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.ClickException as error:
        code = _fail(error.format_message(), 2)
    except click.exceptions.Exit as ended:
        code = ended.exit_code
    except (KeyboardInterrupt, click.Abort) as stopped:
        name = str(stopped.__cause__ or stopped)  # click wraps what it catches
        code = _fail(f"interrupted by {name}" if name else "interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    return code


def _report(line: str) -> None:
    click.echo(line, err=True)


def _fail(message: str, code: int) -> int:
    click.echo(f"psim: {' '.join(message.split())}", err=True)
    return code
