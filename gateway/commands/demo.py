"""`punchgate demo`: the whole journey on one machine, no hardware, no root."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click

from gateway.commands.options import NumberRange
from gateway.errors import EXIT_FAILED
from gateway.simulation.children import endings_as_interrupt
from gateway.simulation.demo_acts import Cast, endless, morning
from gateway.simulation.demo_stage import Stage
from gateway.simulation.oracle import Verdict

EXIT_INTERRUPTED = 130


@click.command("demo")
@click.option("--once", is_flag=True, help="One morning peak with a broken broker, then the verdict.")
@click.option(
    "--lanes", type=click.IntRange(1, 64), default=4, show_default=True, help="Lanes; every second has a sensor."
)
@click.option("--people", type=click.IntRange(1, 100_000), default=40, show_default=True, help="How many come.")
@click.option("--outage", type=NumberRange(0, 3600), default=10.0, show_default=True, help="Seconds without broker.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same people.")
def command(once: bool, lanes: int, people: int, outage: float, seed: int) -> int:
    """Show every punch from the edge to the centre, with a real broker, simulated readers and the real daemons."""
    folder = Path(tempfile.mkdtemp(prefix="punchgate-demo-"))
    cast = Cast(people, seed, outage)
    try:
        stage = Stage(folder, lanes, terminal=sys.stdout.isatty(), keep_log=once)
        click.echo(f"broker {stage.broker.name} on {stage.broker.url}, files in {folder}")
        verdict = _play(stage, cast, once=once)
    except (KeyboardInterrupt, BrokenPipeError):
        shutil.rmtree(folder)
        raise
    if verdict is not None:
        tell(verdict, folder)
    if verdict is None or verdict.clean:
        shutil.rmtree(folder)
    if verdict is None:
        return EXIT_INTERRUPTED if once else 0
    return 0 if verdict.clean else EXIT_FAILED


def _play(stage: Stage, cast: Cast, *, once: bool) -> Verdict | None:
    """The verdict of a morning; None where there is none. Whatever happens, nothing of it outlives this."""
    with endings_as_interrupt():
        try:
            if once:
                return morning(stage, cast)
            endless(stage, cast)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be what went away
                stage.show.finish()
                click.echo("ended")
        finally:
            stage.close()
    return None


def tell(verdict: Verdict, folder: Path) -> None:
    """The verdict; its line is the last."""
    click.echo(f"{verdict.as_acted} of {verdict.acted} punches say exactly what was played")
    for remark in verdict.remarks:
        click.secho(remark, fg="red")
    if not verdict.clean:
        click.echo(f"logs, journal and ledger are kept in {folder}")
    click.secho(verdict.line, fg="green" if verdict.clean else "red", bold=True)
