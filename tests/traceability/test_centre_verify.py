"""The ledger's chain computed anew: what was changed behind its back is found, with its range."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from centre_lines import EPOCH, chain, loss
from click.testing import CliRunner
from sqlalchemy import delete, update

from gateway.commands.centre import command
from gateway.wire import line_hash
from traceability.database import Database, tables
from traceability.export import Wanted
from traceability.ledger import Ledger
from traceability.verify import Flaw, Missing, verify

LINES = chain(30)
HOLE = "not here, so nothing is shown over it; `centre coverage` tells why"


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
    assert (checked.missing, checked.holds) == ([Missing(20, 20)], False), "nothing is shown over a hole"


def test_a_range_without_a_hole_holds_and_one_beyond_what_is_here_does_not(kept: Database) -> None:
    ranges = ((1, 19), (21, 30), (25, 33), (31, 40))
    told = [next(verify(kept, Wanted(since_seq=first), last)) for first, last in ranges]
    assert [each.holds for each in told] == [True, True, False, False]
    assert [each.missing for each in told[2:]] == [[Missing(31, 33)], [Missing(31, 40)]]


@pytest.mark.parametrize(("first", "last"), [(7, 9), (30, 30), (1, 2), (19, 21)])
def test_a_line_that_was_taken_out_of_the_ledger_is_gone(kept: Database, first: int, last: int) -> None:
    with kept.writing() as connection:
        connection.execute(delete(tables.records).where(tables.records.c.seq.between(first, last)))
    (checked,) = verify(kept, Wanted())
    told = [Flaw(first, 19, "gone"), Flaw(21, last, "gone")] if first < 20 < last else [Flaw(first, last, "gone")]
    assert (checked.flaws, checked.missing) == (told, [Missing(20, 20)])


def test_what_was_refused_or_declared_lost_is_missing_and_not_gone(ledger: Ledger) -> None:
    said = loss(4, "0" * 64, epoch=EPOCH, first=2, last=3, count=2, cause="quota")
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [LINES[0], said])
    (checked,) = verify(ledger.database, Wanted())
    assert (checked.flaws, checked.missing) == ([], [Missing(2, 3)])


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
    assert clean.return_value == 0
    assert clean.output == f"hq/edge-01/{EPOCH}  29 lines, 28 links: no flaw\n  20: {HOLE}\n"
    change(kept, 5)
    told = CliRunner().invoke(command, ["verify", "-c", str(file), "--json"], standalone_mode=False)
    assert told.return_value == 1
    assert json.loads(told.output)["flaws"][0] == {"first": 5, "last": 5, "kind": "changed"}
    words = CliRunner().invoke(command, ["verify", "-c", str(file)], standalone_mode=False).output
    assert "  5: not the bytes that arrived" in words
    elsewhere = CliRunner().invoke(command, ["verify", "-c", str(file), "--site", "x"], standalone_mode=False)
    assert (elsewhere.return_value, elsewhere.stdout) == (1, "")
    assert "no line was checked" in elsewhere.stderr
