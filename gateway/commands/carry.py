"""`punchgate journal export` and `import`: records on a USB stick, where the network does not reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway import assembly
from gateway.carry import CarryWriter, Head, Seal
from gateway.clock import Clock
from gateway.commands.centre_options import centre_option, open_ledger
from gateway.commands.options import MAX_SEQ, config_option
from gateway.commands.progress import progress
from gateway.commands.signing import own_signer
from gateway.errors import EXIT_FAILED, NotDurable, Rejected
from gateway.journal import Reader, find_journal
from gateway.journal.export import export, wanted
from gateway.journal.former import name_in
from gateway.journal.schema import Error
from gateway.whole_file import whole_file
from gateway.wire import timestamp
from traceability.sign import GatewayKeys

if TYPE_CHECKING:
    from traceability.carried import Taken


@click.command("export")
@config_option
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--since-seq", type=click.IntRange(1, MAX_SEQ), default=1, show_default=True, help="First record.")
@click.option("--unsettled", is_flag=True, help="Only what the centre has not committed yet.")
@click.option(
    "--journal",
    "aside",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of a journal that was set aside (journal-….aside), not of the one in use.",
)
def export_command(config: Path, output: Path, since_seq: int, unsettled: bool, aside: Path | None) -> None:
    """Write records into a file for `punchgate journal import` at the centre; safe beside the daemon.

    With sign.key_file it is signed, and a centre that knows the public key takes no other.
    """
    settings = assembly.read_settings(config)
    gateway = settings.gateway
    path = aside or find_journal(gateway.state_dir)
    reader = Reader(path)
    try:
        made = timestamp(Clock().unix_ms())
        site, name = name_in(reader) or (gateway.site, gateway.id)
        head = Head(site=site, gateway=name, epoch=reader.meta("epoch") or "", made=made)
        with whole_file(output) as file:
            writer = CarryWriter(file, head, own_signer(settings))
            export(reader, wanted(reader, since_seq, unsettled=unsettled), writer, progress("exporting"))
            seal = writer.seal()
    except Error as error:
        raise NotDurable(f"{path}: cannot be read: {error}", remedy="see `punchgate journal verify`") from error
    finally:
        reader.close()
    click.echo(
        f"{output}: {_told(seal)} of {head.site}/{head.gateway}, epoch {head.epoch}{', signed' if seal.sig else ''}"
    )


@click.command("import")
@centre_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_command(config: Path, as_json: bool, file: Path) -> int:
    """Take a file of `punchgate journal export` into the centre's ledger; safe beside the running centre.

    The configuration is the centre's. A file that was damaged on its way is refused whole; one that was taken
    before changes nothing. Of a gateway whose public key is in centre.gateway_keys only what it has signed is
    taken. Exit 1 if the file is refused, or a record in it is refused or contradicts another.
    """
    settings, database = open_ledger(config)
    from traceability import carried
    from traceability.ledger import Ledger

    ledger = Ledger(database, settings.id or "import", Clock().unix_ms)
    try:
        with file.open("rb") as source:
            taken = carried.take(ledger, source, progress("importing"), GatewayKeys(settings.gateway_keys))
    except Rejected as error:
        raise Rejected(f"{file}: {error.message}", remedy=error.remedy) from error
    except OSError as error:
        raise NotDurable(f"{file}: cannot be read: {error.strerror or error}") from error
    finally:
        ledger.close()
    _report(taken, file, as_json=as_json)
    return EXIT_FAILED if taken.is_finding else 0


def _report(taken: Taken, file: Path, *, as_json: bool) -> None:
    head, counts = taken.head, taken.counts
    for alarm in taken.alarms:
        fields = ", ".join(f"{name} {value}" for name, value in alarm.fields.items())
        click.echo(f"{alarm.event}: {alarm.stream}: {fields}", err=True)
    fates = {fate: counts[fate] for fate in ("new", "repeated", "refused", "conflicts")}
    if as_json:
        click.echo(json.dumps({"site": head.site, "gateway": head.gateway, "epoch": head.epoch} | fates))
        return
    told = f"{fates['new']} new, {fates['repeated']} known already"
    told += "".join(f", {fates[fate]} {fate}" for fate in ("refused", "conflicts") if fates[fate])
    click.echo(f"{file}: {taken.lines} records of {head.site}/{head.gateway}, epoch {head.epoch}: {told}")


def _told(seal: Seal) -> str:
    return f"{seal.count} records" if seal.first is None else f"{seal.count} records ({seal.first}..{seal.last})"
