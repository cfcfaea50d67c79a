"""`punchgate journal …`: look into the local journal; safe beside the running daemon."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import click

from gateway import assembly
from gateway.commands.carry import export_command, import_command
from gateway.commands.options import config_option
from gateway.commands.requests import quarantine_command, resend_command
from gateway.errors import EXIT_FAILED, Rejected, Unavailable
from gateway.journal import Reader, find_journal
from gateway.journal.letters import drafts_in
from gateway.journal.marks import DRAINED
from gateway.journal.ring import Filling, count_of, find_ring, peek
from gateway.spans import Spans
from gateway.wire import line_hash, read_line

MIB = 1024 * 1024
SLICE = 1000
SLICE_BYTES = 8 * 1024 * 1024


@click.group("journal")
def command() -> None:
    """The local journal: figures, one record's life, the chain; hand-carry, sending again, refused records."""


for other in (export_command, import_command, quarantine_command, resend_command):
    command.add_command(other)


@command.command("stats")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def stats(config: Path, as_json: bool) -> None:
    """Epoch, bounds, what is settled, sizes."""
    settings = assembly.read_settings(config)
    reader = Reader(find_journal(settings.gateway.state_dir))
    figures = asdict(reader.stats()) | _fullness(reader, settings.journal.max_mb * MIB)
    if as_json:
        click.echo(json.dumps(figures))
        return
    for name, figure in figures.items():
        click.echo(f"{name:12} {figure}")


@command.command("show")
@config_option
@click.argument("name", metavar="ID")
def show(config: Path, name: str) -> None:
    """The life of one record. ID is its seq, or the whole id site/gateway/epoch/seq."""
    gateway = assembly.read_settings(config).gateway
    reader = Reader(find_journal(gateway.state_dir))
    seq = _seq(name, f"{gateway.site}/{gateway.id}/{reader.meta('epoch') or ''}")
    found = reader.lines(seq, seq, 1, 1)
    if not found:
        oldest, newest = reader.bounds()
        raise Unavailable(f"record {seq} is not held{_grave(reader, seq)}; the journal has {oldest}..{newest}")
    line = found[0].line
    refused = {number: reason for number, reason, _ in reader.quarantine()}
    life = {
        "record": json.loads(line),
        "hash": line_hash(line),
        "committed_ms": found[0].made_ms,
        "settled": seq in reader.settled(),
        "open": any(entry.seq == seq for entry in reader.open_reads()),
        "refused": refused.get(seq),
        "dropped": reader.dropped().get(str(seq)),
        "mentioned_by": _mentions(reader, seq),
    }
    click.echo(json.dumps(life, ensure_ascii=False, indent=2))


@command.command("verify")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def verify(config: Path, as_json: bool) -> int:
    """Check every line, number and hash of the chain. Exit 1 if it is broken."""
    reader = _reader(config)
    oldest, newest = reader.bounds()
    flaws = _flaws(reader, oldest, newest)
    epoch, head = reader.meta("epoch"), reader.stats().head
    if as_json:
        verdict = {"epoch": epoch, "first": oldest, "last": newest, "head": head, "flaws": flaws}
        click.echo(json.dumps(verdict))
    else:
        for flaw in flaws:
            click.echo(flaw, err=True)
        click.echo(f"epoch {epoch}: records {oldest}..{newest}, chain {'BROKEN' if flaws else 'intact'}, head {head}")
    return EXIT_FAILED if flaws else 0


def _fullness(reader: Reader, max_bytes: int) -> dict[str, object]:
    """How full it is, and what waits in the emergency ring."""
    room = reader.room(max_bytes)
    try:
        filling, frames, size = peek(find_ring(reader.path))
    except OSError:
        filling, frames, size = Filling(0, 0, {}), [], 0
    if reader.meta(DRAINED) == str(filling.generation):
        filling, frames = Filling(0, 0, {}), []
    waiting = sum(drafts_in(frame.letter) for frame in frames)
    ring = {"kept": waiting, "refused": count_of(filling.refused), "size": size}
    return {"percent": room.percent, "level": room.level(), "ring": ring}


def _grave(reader: Reader, seq: int) -> str:
    """What is still known of a record whose body is gone; the one behind a pruned one names its hash."""
    if (hash_ := reader.tombstone(seq)) is not None:
        return f": expired, hash {hash_}"
    if not 1 <= seq < reader.bounds()[1]:
        return ""
    behind = reader.lines(seq + 1, seq + 1, 1, 1)
    return f": pruned, hash {read_line(behind[0].line).prev}" if behind else ": pruned"


def _flaws(reader: Reader, oldest: int, newest: int) -> list[str]:
    flaws: list[str] = []
    settled, expired = reader.settled(), reader.expired()
    expected, previous = oldest, reader.tombstone(oldest - 1)
    while entries := reader.lines(expected, newest, SLICE, SLICE_BYTES):
        for entry in entries:
            if entry.seq != expected:
                lacking = Spans(settled.gaps(expected, entry.seq - 1))
                lacking.subtract(expired)
                flaws += [f"records {first}..{last} are missing" for first, last in lacking]
                previous = reader.tombstone(entry.seq - 1)
            try:
                line = read_line(entry.line)
                if line.seq != entry.seq:
                    flaws.append(f"record {entry.seq} calls itself {line.seq}")
                if previous is not None and line.prev != previous:
                    flaws.append(f"record {entry.seq} does not follow the bytes of {entry.seq - 1}")
            except Rejected as error:
                flaws.append(f"record {entry.seq}: {error}")
            previous, expected = line_hash(entry.line), entry.seq + 1
    return flaws


def _mentions(reader: Reader, seq: int) -> list[int]:
    """Records shortly after it whose refs name it."""
    found = []
    for entry in reader.lines(seq + 1, seq + SLICE, SLICE, SLICE_BYTES):
        data = json.loads(entry.line)["data"]
        refs = data.get("refs") or {"read": data.get("read")}
        numbers = {refs.get("read"), refs.get("burst"), *refs.get("passes", ()), *refs.get("candidates", ())}
        if seq in numbers:
            found.append(entry.seq)
    return found


def _seq(name: str, origin: str) -> int:
    rest, slash, last = name.rpartition("/")
    if not re.fullmatch("[0-9]{1,18}", last) or (slash and rest != origin):
        raise click.UsageError(f"{name!r} is not a seq of this journal, nor {origin}/SEQ")
    return int(last)


def _reader(config: Path) -> Reader:
    return Reader(find_journal(assembly.read_settings(config).gateway.state_dir))
