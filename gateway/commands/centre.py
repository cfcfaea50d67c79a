"""`punchgate centre …`: run the traceability service, and ask its ledger from a shell."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import get_args

import click

from gateway import log
from gateway.commands.audits import AUDITS
from gateway.commands.centre_options import centre_option, need_libraries, open_ledger, read_centre
from gateway.commands.entries import ENTRIES
from gateway.commands.options import MAX_SEQ
from gateway.commands.questions import QUESTIONS
from gateway.errors import EXIT_FAILED, NotDurable
from gateway.whole_file import whole_file
from gateway.wire import compact, timestamp
from traceability.dating import Basis
from traceability.sign import unsigned

ELSEWHERE = {
    "authority": "authority.authority_group",
    "command": "orders.command_command",
    "directory": "publish.directory_group",
    "enrol": "authority.enrol_command",
    "enrol-code": "invitations.enrol_code",
    "evidence": "evidence.evidence_command",
    "import": "carry.import_command",
    "provision": "provision.provision_command",
    "rebuild": "rebuild.rebuild_command",
    "revoke": "authority.revoke_command",
}
"""Commands of other modules, which are imported when they are asked for."""


class Centre(click.Group):
    """Its own commands, and those of ELSEWHERE."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's object, or None."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = ELSEWHERE[cmd_name].partition(".")
        found: click.Command = getattr(import_module(f"gateway.commands.{module}"), name)
        return found


@click.group("centre", cls=Centre)
def command() -> None:
    """The traceability service and its questions."""


for each in (*QUESTIONS, *AUDITS, *ENTRIES):
    command.add_command(each)


@command.command("run")
@centre_option
def run(config: Path) -> None:
    """Take records from the broker into the ledger and answer with receipts, until SIGTERM."""
    settings = read_centre(config)
    need_libraries()
    from traceability import app

    log.configure(settings.log.level, settings.log.format)
    app.run(settings.centre)


@command.command("coverage")
@centre_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show_coverage(config: Path, as_json: bool) -> None:
    """What is here of each gateway and epoch, and what is missing, lost, contradicting. 1: somebody should look."""
    _, database = open_ledger(config)
    from traceability import app, coverage

    report = coverage.survey(database, app.unix_ms())
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
@click.option(
    "--since-seq", type=click.IntRange(1, MAX_SEQ), default=1, show_default=True, help="First seq of each epoch."
)
@click.option(
    "--manifest",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for counts, ranges and hashes, signed with centre.key_file.",
)
def show_export(
    config: Path, site: str | None, gateway: str | None, epoch: str | None, since_seq: int, manifest: Path | None
) -> None:
    """Print the stored lines unchanged, one a line, ordered by site, gateway, epoch, seq."""
    settings, database = open_ledger(config)
    from traceability import app, export
    from traceability.manifest import Manifest

    wanted = export.Wanted(site, gateway, epoch, since_seq)
    sign, account = app.own_signer(settings) if manifest else unsigned, Manifest(wanted)
    for lines in export.slices(database, wanted):
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
@click.option(
    "--since-seq", type=click.IntRange(1, MAX_SEQ), default=1, show_default=True, help="First seq of each epoch."
)
@click.option("--upto-seq", type=click.IntRange(1, MAX_SEQ), help="Last seq of each epoch; without it all.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object a line.")
def show_flaws(
    config: Path,
    site: str | None,
    gateway: str | None,
    epoch: str | None,
    since_seq: int,
    upto_seq: int | None,
    as_json: bool,
) -> int:
    """Compute the hash chain of the stored lines anew. 1: a line was changed, is gone, or does not follow the one
    before; or there was nothing to check."""
    if upto_seq is not None and upto_seq < since_seq:
        raise click.BadParameter(f"{upto_seq} is before --since-seq {since_seq}", param_hint="--upto-seq")
    _, database = open_ledger(config)
    from traceability import export, verify

    wanted, flawed, lines = export.Wanted(site, gateway, epoch, since_seq), False, 0
    for checked in verify.verify(database, wanted, upto_seq):
        flawed = flawed or bool(checked.flaws)
        lines += checked.lines + checked.expired
        click.echo(json.dumps(checked.as_dict()) if as_json else "\n".join(checked.text()))
    if not lines:
        click.echo("no line was checked: the ledger has none of what was asked for", err=True)
    return EXIT_FAILED if flawed or not lines else 0


@command.command("times")
@centre_option
@click.option("--site", help="Only this site.")
@click.option("--gateway", help="Only this gateway.")
@click.option("--epoch", help="Only this epoch (16 hex digits).")
@click.option(
    "--since-seq", type=click.IntRange(1, MAX_SEQ), default=1, show_default=True, help="First seq of each epoch."
)
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
    _, database = open_ledger(config)
    from traceability import export, times

    wanted = export.Wanted(site, gateway, epoch, since_seq)
    for told in times.tell(database, wanted):
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
