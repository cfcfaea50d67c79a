"""`punchgate drill`: break a whole site on this machine in every way that needs no root, and count what is lost."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.commands.options import NumberRange
from gateway.errors import EXIT_FAILED, Unavailable
from gateway.simulation.children import endings_as_interrupt
from gateway.simulation.drill_faults import FAULTS, Fault, missing
from gateway.simulation.drill_play import Drill, Enough
from gateway.simulation.drill_show import Progress, figures, notes, table
from gateway.simulation.drill_verdict import Verdict

EXIT_INTERRUPTED = 130
STROKE_S = 5.0


@click.command("drill")
@click.option(
    "--only", multiple=True, type=click.Choice(list(FAULTS)), metavar="FAULT", help="This fault; repeatable."
)
@click.option("--rounds", type=click.IntRange(1, 10_000), help="Each fault so many times; default 1.")
@click.option("--seconds", type=NumberRange(1, 86_400), help="No new stroke after so long, instead of --rounds.")
@click.option("--seed", type=int, default=1, show_default=True, help="Order, ports and lengths are drawn from it.")
@click.option("--list", "listing", is_flag=True, help="Say what each fault does, and end.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as JSON on stdout; progress goes to stderr.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep logs, journal and ledger there.")
def command(
    only: Sequence[str],
    rounds: int | None,
    seconds: float | None,
    seed: int,
    listing: bool,
    as_json: bool,
    keep: Path | None,
) -> int:
    """Strike a simulated site with every fault that needs no root, and prove that nothing is lost or invented.

    Broker, centre and gateway are real processes in a temporary folder, the readers are simulated. No installed
    site is touched and no configuration is read.
    """
    if listing:
        return _list(as_json)
    if rounds is not None and seconds is not None:
        raise click.UsageError("--rounds and --seconds exclude each other.")
    faults, not_run = _choose(only)
    folder = _folder(keep)
    progress = Progress(terminal=sys.stdout.isatty(), quiet=as_json)
    progress.say(f"drill: {', '.join(fault.name for fault in faults)}; seed {seed}, files in {folder}")
    try:
        verdict, interrupted = _play(folder, seed, progress, faults, _enough(rounds, seconds))
    except (KeyboardInterrupt, BrokenPipeError):
        if keep is None:
            shutil.rmtree(folder)
        raise
    kept = keep is not None or not (verdict.clean or (interrupted and not verdict.rows))
    if not kept:
        shutil.rmtree(folder)
    if as_json:
        said = figures(verdict, not_run, seed) | {"kept": str(folder) if kept else None, "interrupted": interrupted}
        click.echo(json.dumps(said))
    else:
        tell(verdict, not_run, seed, folder if kept else None)
    if interrupted:
        return EXIT_INTERRUPTED
    return 0 if verdict.clean else EXIT_FAILED


def _list(as_json: bool) -> int:
    """The catalogue."""
    if as_json:
        rows = [{"fault": it.name, "does": it.does, "needs": it.needs or None} for it in FAULTS.values()]
        click.echo(json.dumps(rows))
        return 0
    for fault in FAULTS.values():
        needs = f" [needs {fault.needs}]" if fault.needs else ""
        click.echo(f"{fault.name:<12} {fault.does}{needs}")
    return 0


def _choose(only: Sequence[str]) -> tuple[list[Fault], list[tuple[Fault, str]]]:
    """What is struck, and what cannot be, with the remedy. Unavailable: it was asked for by name."""
    chosen = [fault for fault in FAULTS.values() if not only or fault.name in only]
    not_run = [(fault, why) for fault in chosen if (why := missing(fault))]
    for fault, why in not_run if only else ():
        raise Unavailable(f"the fault {fault.name} needs {fault.needs}", remedy=why)
    unable = {fault.name for fault, _ in not_run}
    return [fault for fault in chosen if fault.name not in unable], not_run


def _folder(keep: Path | None) -> Path:
    """A new folder, or the one that was named. UsageError: something is in it."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="punchgate-drill-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise click.UsageError(f"--keep: {keep} is not empty.")
    except OSError as error:
        raise click.UsageError(f"--keep: {error}.") from error
    return keep.resolve()


def _enough(rounds: int | None, seconds: float | None) -> Enough:
    """When to stop, by the number of the round or by the clock; one stroke is always struck."""
    if seconds is None:
        return lambda number: number >= (rounds or 1)
    until = time.monotonic() + seconds - STROKE_S
    asked: list[bool] = []

    def over(_number: int) -> bool:
        asked.append(True)
        return len(asked) > 1 and time.monotonic() >= until

    return over


def _play(
    folder: Path, seed: int, progress: Progress, faults: Sequence[Fault], enough: Enough
) -> tuple[Verdict, bool]:
    """The verdict, and whether somebody had enough before. Whatever happens, nothing of it outlives this."""
    with endings_as_interrupt():
        drill = Drill(folder, seed, progress)
        try:
            verdict = drill.play(faults, enough)
        except Unavailable as error:
            verdict = Verdict(remarks=[str(error)])
        finally:
            drill.stage.close()
    return verdict, drill.interrupted


def tell(verdict: Verdict, not_run: Sequence[tuple[Fault, str]], seed: int, folder: Path | None) -> None:
    """The table, what is wrong, and the verdict; its line is the last."""
    for line in table(verdict, not_run):
        click.echo(line)
    for note in notes(verdict):
        click.echo(note)
    for remark in verdict.remarks:
        click.secho(remark, fg="red")
    if folder is not None:
        click.echo(f"logs, journal and ledger are kept in {folder}")
    if not verdict.clean:
        click.echo(f"the same order, ports and lengths again: punchgate drill --seed {seed}")
    click.secho(verdict.line, fg="green" if verdict.clean else "red", bold=True)
