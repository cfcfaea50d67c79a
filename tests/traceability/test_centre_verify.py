"""The ledger's chain computed anew: what was changed behind its back is found, with its range."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from centre_lines import EPOCH, chain
from click.testing import CliRunner
from sqlalchemy import update

from gateway.commands.centre import command
from gateway.wire import line_hash
from traceability.database import Database, tables
from traceability.export import Wanted
from traceability.ledger import Ledger
from traceability.verify import Flaw, verify

LINES = chain(30)


@pytest.fixture
def kept(ledger: Ledger) -> Database:
    """Lines 1..30 without 20, of which nothing was changed."""
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [*LINES[:19], *LINES[20:]])
    return ledger.database


def spoil(database: Database, seq: int, **values: bytes) -> None:
    """As somebody with the right to write to the database would do it."""
    with database.writing() as connection:
        connection.execute(update(tables.records).where(tables.records.c.seq == seq).values(**values))


def change(database: Database, *seqs: int, with_hash: bool = False) -> None:
    for seq in seqs:
        forged = LINES[seq - 1].replace(b"lobby-1", b"lobby-9")
        own = {"hash": bytes.fromhex(line_hash(forged))} if with_hash else {}
        spoil(database, seq, line=forged, **own)


def flaws(database: Database, since_seq: int = 1) -> list[Flaw]:
    return [flaw for checked in verify(database, Wanted(since_seq=since_seq)) for flaw in checked.flaws]


def test_an_untouched_ledger_has_no_flaw_and_a_hole_is_none(kept: Database) -> None:
    (checked,) = verify(kept, Wanted())
    assert (checked.epoch, checked.lines, checked.links, checked.flaws) == (EPOCH, 29, 28, [])


def test_changed_bytes_are_found_with_their_range(kept: Database) -> None:
    change(kept, 5, 6, 7)
    assert flaws(kept) == [Flaw(5, 7, "changed"), Flaw(6, 8, "broken")]


def test_who_changes_the_hash_too_is_given_away_by_the_next_line(kept: Database) -> None:
    change(kept, 5, with_hash=True)
    assert flaws(kept) == [Flaw(6, 6, "broken")]
    assert flaws(kept, since_seq=6) == [], "the link to a line that is not asked for is not checked"


def test_a_line_that_is_none_any_more_is_both(kept: Database) -> None:
    spoil(kept, 30, line=b"\0")
    assert flaws(kept) == [Flaw(30, 30, "changed"), Flaw(30, 30, "broken")]


def test_the_command_says_where_and_fails(kept: Database, place: str, tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1:1"\ndatabase = "{place}"\n')
    clean = CliRunner().invoke(command, ["verify", "-c", str(file)], standalone_mode=False)
    assert (clean.return_value, clean.output) == (0, f"hq/edge-01/{EPOCH}  29 lines, 28 links: no flaw\n")
    change(kept, 5)
    told = CliRunner().invoke(command, ["verify", "-c", str(file), "--json"], standalone_mode=False)
    assert told.return_value == 1
    assert json.loads(told.output)["flaws"][0] == {"first": 5, "last": 5, "kind": "changed"}
    words = CliRunner().invoke(command, ["verify", "-c", str(file)], standalone_mode=False).output
    assert "  5: not the bytes that arrived" in words
    elsewhere = CliRunner().invoke(command, ["verify", "-c", str(file), "--site", "x"], standalone_mode=False)
    assert (elsewhere.return_value, elsewhere.output) == (0, "")
