"""`punchgate centre …`: run the traceability service, and ask its ledger from a shell."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import get_args

import click

from gateway import log
from gateway.commands.authority import authority_group, enrol_command, revoke_command
from gateway.commands.carry import import_command
from gateway.commands.centre_options import centre_option, read_centre
from gateway.commands.evidence import evidence_command
from gateway.commands.invitations import enrol_code
from gateway.errors import EXIT_FAILED, NotDurable
from gateway.whole_file import whole_file
from gateway.wire import compact, timestamp
from traceability import app, coverage, export, times, verify
from traceability.database import database_path
from traceability.dating import Basis
from traceability.manifest import Manifest
from traceability.sign import unsigned


@click.group("centre")
def command() -> None:
    """The traceability service and its questions."""


command.add_command(evidence_command)
command.add_command(import_command)
command.add_command(authority_group)
command.add_command(enrol_command)
command.add_command(revoke_command)
command.add_command(enrol_code)


@command.command("run")
@centre_option
def run(config: Path) -> None:
    """Take records from the broker into the ledger and answer with receipts, until SIGTERM."""
    settings = read_centre(config)
    log.configure(settings.log.level, settings.log.format)
    app.run(settings.centre)


@command.command("coverage")
@centre_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show_coverage(config: Path, as_json: bool) -> None:
    """What is here of each gateway and epoch, and what is missing, lost, contradicting. 1: somebody should look."""
    report = coverage.survey(database_path(read_centre(config).centre.database), app.unix_ms())
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(report.lines()))
    if any(stream.is_finding for stream in report.streams):
        sys.exit(EXIT_FAILED)


@command.command("export")
@centre_option
@click.option("--site", help="Only this site.")
@click.option("--gateway", help="Only this gateway.")
@click.option("--epoch", help="Only this epoch (16 hex digits).")
@click.option("--since-seq", type=click.IntRange(1), default=1, show_default=True, help="First seq of each epoch.")
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for counts, ranges and hashes, signed with centre.key_file.",
)
def show_export(
    config: Path, site: str | None, gateway: str | None, epoch: str | None, since_seq: int, manifest: Path | None
) -> None:
    """Print the stored lines unchanged, one a line, ordered by site, gateway, epoch, seq."""
    settings, wanted = read_centre(config).centre, export.Wanted(site, gateway, epoch, since_seq)
    sign, account = app.own_signer(settings) if manifest else unsigned, Manifest(wanted)
    for lines in export.slices(database_path(settings.database), wanted):
        printed = b"\n".join(lines) + b"\n"
        _print(printed)
        if manifest:
            account.add(lines, printed)
    if manifest:
        with whole_file(manifest) as file:
            file.write(compact(sign(account.words(timestamp(app.unix_ms())))) + b"\n")


@command.command("verify")
@centre_option
@click.option("--site", help="Only this site.")
@click.option("--gateway", help="Only this gateway.")
@click.option("--epoch", help="Only this epoch (16 hex digits).")
@click.option("--since-seq", type=click.IntRange(1), default=1, show_default=True, help="First seq of each epoch.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object a line.")
def show_flaws(
    config: Path, site: str | None, gateway: str | None, epoch: str | None, since_seq: int, as_json: bool
) -> int:
    """Compute the hash chain of the stored lines anew. 1: a line was changed, or does not follow the one before."""
    wanted, flawed = export.Wanted(site, gateway, epoch, since_seq), False
    for checked in verify.verify(database_path(read_centre(config).centre.database), wanted):
        flawed = flawed or bool(checked.flaws)
        click.echo(json.dumps(checked.as_dict()) if as_json else "\n".join(checked.text()))
    return EXIT_FAILED if flawed else 0


@command.command("times")
@centre_option
@click.option("--site", help="Only this site.")
@click.option("--gateway", help="Only this gateway.")
@click.option("--epoch", help="Only this epoch (16 hex digits).")
@click.option("--since-seq", type=click.IntRange(1), default=1, show_default=True, help="First seq of each epoch.")
@click.option("--basis", type=click.Choice(get_args(Basis)), help="Only what is dated in this way.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object a line.")
def show_times(
    config: Path,
    site: str | None,
    gateway: str | None,
    epoch: str | None,
    since_seq: int,
    basis: str | None,
    as_json: bool,
) -> None:
    """When each record happened, and how that is known: by its own clock, by an anchor, or by the order only."""
    wanted = export.Wanted(site, gateway, epoch, since_seq)
    for told in times.tell(database_path(read_centre(config).centre.database), wanted):
        chosen = [time for time in told if basis in (None, time.dated.basis)]
        rows = [json.dumps(time.as_dict()) if as_json else time.text() for time in chosen]
        _print("".join(f"{row}\n" for row in rows).encode())


def _print(text: bytes) -> None:
    """Out at once, so that what goes wrong has a sentence. A reader that has seen enough is no failure."""
    try:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):
            sys.stdout.close()
        raise NotDurable(f"standard output: {error.strerror}; the export is cut", remedy="make room there") from error
