"""`punchgate journal resend` and `quarantine`: records once more, and what to do with those the centre refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from gateway import assembly
from gateway.commands.options import MAX_SEQ, config_option
from gateway.control import DropRefused, Resend, RetryRefused, ask_daemon
from gateway.errors import NotDurable
from gateway.journal import Reader, find_journal
from gateway.journal.schema import Error
from gateway.wire import timestamp


class RangeOfSeqs(click.ParamType[tuple[int, int]]):
    """`A..B`, or a single number."""

    name = "A..B"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """First and last."""
        match = re.fullmatch(r"([0-9]{1,19})(?:\.\.([0-9]{1,19}))?", str(value), re.ASCII)
        if match is None:
            self.fail(f"{value!r} is not a range: give first and last, such as 17..42", param, ctx)
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= MAX_SEQ:
            self.fail(f"{value!r} is not a range: records count from 1, and the first comes first", param, ctx)
        return first, last


@click.command("resend")
@config_option
@click.argument("span", type=RangeOfSeqs(), metavar="A..B")
def resend_command(config: Path, span: tuple[int, int]) -> None:
    """Send records A to B once more, settled or not; needs the running daemon.

    They go on the topic `replay`. Whoever knows them already sees by their names that he does.
    """
    state_dir = assembly.read_settings(config).gateway.state_dir
    done = ask_daemon(state_dir, Resend(first=span[0], last=span[1]))
    click.echo(f"{done['queued']} records ({span[0]}..{span[1]}) are queued on replay{_when(done)}")


@click.command("quarantine")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The list, for machines.")
@click.argument("action", type=click.Choice(["list", "retry", "drop"]), default="list")
@click.argument("seqs", type=click.IntRange(1, MAX_SEQ), nargs=-1, metavar="[SEQ]...")
def quarantine_command(config: Path, as_json: bool, action: str, seqs: tuple[int, ...]) -> None:
    """Records the centre refused: list them, retry or drop some. Only the list works without the daemon.

    retry: send it once more; if it is refused again it comes back. drop: give it up; it is declared lost
    (`records.lost`, cause `refused`), and `punchgate journal show SEQ` goes on telling why.
    """
    if (action == "list") == bool(seqs):
        raise click.UsageError(f"{action} takes {'no SEQ' if seqs else 'at least one SEQ'}")
    state_dir = assembly.read_settings(config).gateway.state_dir
    if action == "list":
        _list(_refused(find_journal(state_dir)), as_json=as_json)
    for seq in seqs:
        if action == "retry":
            done = ask_daemon(state_dir, RetryRefused(seq=seq))
            click.echo(f"record {seq} is queued on replay{_when(done)}; it was refused: {done['reason']}")
        else:
            done = ask_daemon(state_dir, DropRefused(seq=seq))
            click.echo(f"record {seq} is given up and declared lost; it was refused: {done['reason']}")


def _when(done: dict[str, Any]) -> str:
    return "" if done["connected"] else f"; it goes when there is a connection ({done['uplink']})"


def _refused(path: Path) -> list[dict[str, Any]]:
    """One entry for each record in quarantine."""
    reader = Reader(path)
    try:
        return [_entry(reader, *row) for row in reader.quarantine()]
    except Error as error:
        raise NotDurable(f"{path}: cannot be read: {error}") from error
    finally:
        reader.close()


def _entry(reader: Reader, seq: int, reason: str, at_ms: int) -> dict[str, Any]:
    found = reader.lines(seq, seq, 1, 1)
    event = json.loads(found[0].line) if found else {}
    of = {"type": event.get("type"), "time": event.get("time"), "source": event.get("source")}
    return {"seq": seq, "reason": reason, "refused": timestamp(at_ms)} | of


def _list(entries: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(entries, ensure_ascii=False))
        return
    for entry in entries:
        of = f"{entry['type']} of {entry['time']}" if entry["type"] else "its body is not held any more"
        click.echo(f"{entry['seq']}  refused {entry['refused']}: {entry['reason']}  ({of})")
    if not entries:
        click.echo("nothing is in quarantine")
