"""The ledger's chain computed anew: what was changed behind its back is found, with its range."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from centre_lines import EPOCH, chain
from click.testing import CliRunner

from gateway.commands.centre import command
from gateway.wire import line_hash
from traceability.database import open_database
from traceability.export import Wanted
from traceability.ledger import Ledger
from traceability.verify import Flaw, verify

LINES = chain(30)


@pytest.fixture
def path(ledger: Ledger, tmp_path: Path) -> Path:
    """Lines 1..30 without 20, of which nothing was changed."""
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [*LINES[:19], *LINES[20:]])
    return tmp_path / "ledger.sqlite"


def change(path: Path, *seqs: int, with_hash: bool = False) -> None:
    connection = sqlite3.connect(path)
    for seq in seqs:
        forged = LINES[seq - 1].replace(b"lobby-1", b"lobby-9")
        connection.execute("UPDATE records SET line = ? WHERE seq = ?", (forged, seq))
        if with_hash:
            own_hash = bytes.fromhex(line_hash(forged))
            connection.execute("UPDATE records SET hash = ? WHERE seq = ?", (own_hash, seq))
    connection.commit()
    connection.close()


def flaws(path: Path, since_seq: int = 1) -> list[Flaw]:
    return [
        flaw for checked in verify(open_database(str(path)), Wanted(since_seq=since_seq)) for flaw in checked.flaws
    ]


def test_an_untouched_ledger_has_no_flaw_and_a_hole_is_none(path: Path) -> None:
    (checked,) = verify(open_database(str(path)), Wanted())
    assert (checked.epoch, checked.lines, checked.links, checked.flaws) == (EPOCH, 29, 28, [])


def test_changed_bytes_are_found_with_their_range(path: Path) -> None:
    change(path, 5, 6, 7)
    assert flaws(path) == [Flaw(5, 7, "changed"), Flaw(6, 8, "broken")]


def test_who_changes_the_hash_too_is_given_away_by_the_next_line(path: Path) -> None:
    change(path, 5, with_hash=True)
    assert flaws(path) == [Flaw(6, 6, "broken")]
    assert flaws(path, since_seq=6) == [], "the link to a line that is not asked for is not checked"


def test_a_line_that_is_none_any_more_is_both(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("UPDATE records SET line = x'00' WHERE seq = 30")
    connection.commit()
    connection.close()
    assert flaws(path) == [Flaw(30, 30, "changed"), Flaw(30, 30, "broken")]


def test_the_command_says_where_and_fails(path: Path) -> None:
    file = path.with_name("centre.toml")
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1:1"\ndatabase = "{path}"\n')
    clean = CliRunner().invoke(command, ["verify", "-c", str(file)], standalone_mode=False)
    assert (clean.return_value, clean.output) == (0, f"hq/edge-01/{EPOCH}  29 lines, 28 links: no flaw\n")
    change(path, 5)
    told = CliRunner().invoke(command, ["verify", "-c", str(file), "--json"], standalone_mode=False)
    assert told.return_value == 1
    assert json.loads(told.output)["flaws"][0] == {"first": 5, "last": 5, "kind": "changed"}
    words = CliRunner().invoke(command, ["verify", "-c", str(file)], standalone_mode=False).output
    assert "  5: not the bytes that arrived" in words
    elsewhere = CliRunner().invoke(command, ["verify", "-c", str(file), "--site", "x"], standalone_mode=False)
    assert (elsewhere.return_value, elsewhere.output) == (0, "")
