"""The seam the ledger stands on: the same words on both engines, and not a word of it at the edge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from centre_bench import Wall
from sqlalchemy import inspect, select

from gateway.errors import NotDurable
from traceability.database import Database, tables
from traceability.database.base import MISTAKE, VERSION
from traceability.database.portable import add, append_lines, put
from traceability.ledger import Ledger
from traceability.streams import plain

WITHOUT = """
import sys
for library in ("sqlalchemy", "alembic", "pg8000"):
    sys.modules[library] = None
from gateway.commands import main
main(sys.argv[1:])
"""


def test_what_the_revisions_make_is_what_the_statements_know(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        is_server = connection.dialect.name == "postgresql"
        made = inspect(connection)
        assert set(made.get_table_names()) == {*tables.metadata.tables, "alembic_version"}
        for table in tables.metadata.sorted_tables:
            known = {column.name: bool(column.nullable) for column in table.c if is_server or column.name != "rowid"}
            assert {column["name"]: column["nullable"] for column in made.get_columns(table.name)} == known
    assert (
        max(int(path.stem[1:2]) for path in Path(tables.__file__).parent.glob("migrations/versions/v*.py")) == VERSION
    )


@pytest.mark.parametrize("count", [1, 24])
def test_rows_are_put_over_those_of_their_key_few_or_many(ledger: Ledger, count: int) -> None:
    rows = [{"stream": 1, "first": seq, "last": seq, "since_ms": 1} for seq in range(1, count + 1)]
    with ledger.database.writing() as connection:
        names = {"site": "hq", "gateway": "edge-01", "epoch": "0" * 16, "receipt": 0, "held": 0, "expired": 0}
        connection.execute(tables.streams.insert(), names | {"id": 1, "first_ms": 1})
        put(connection, tables.spans, rows)
        put(connection, tables.spans, [row | {"since_ms": 2**40} for row in rows])
        put(connection, tables.spans, [])
        assert list(connection.scalars(select(tables.spans.c.since_ms))) == [2**40] * count


def test_whole_numbers_text_nothing_and_flags_are_put_as_they_are(ledger: Ledger) -> None:
    names = {"site": "hq", "gateway": "edge-01", "epoch": "0" * 16, "receipt": 0, "held": 0, "expired": 0}
    row = {
        "stream": 1, "seq": 2**53 - 1, "time_ms": -(2**53), "boot": "é\t\\N\"'🚪", "boot_ns": 2**63 - 1,
        "state": "null", "error_ms": None, "live": True, "waited_ms": 0, "device_error_ms": 0,
    }  # fmt: skip
    with ledger.database.writing() as connection:
        connection.execute(tables.streams.insert(), names | {"id": 1, "first_ms": 1})
        put(connection, tables.doubts, [row, row | {"seq": 1, "live": False}])
        kept = connection.execute(select(tables.doubts).order_by(tables.doubts.c.seq)).all()
        assert [each._asdict() for each in kept] == [row | {"seq": 1, "live": False}, row]


def test_a_row_is_added_once_and_null_text_and_bytes_come_back_as_they_were(ledger: Ledger) -> None:
    row = {
        "stream": 1,
        "seq": 1,
        "hash": bytes(range(224, 256)),
        "line": bytes(range(256)) + b"\0\xff\n\\",
        "at_ms": 2**53,
    }
    names = {"site": "hq", "gateway": "é\t\\N", "epoch": "0" * 16, "told": None, "first_ms": 1}
    with ledger.database.writing() as connection:
        connection.execute(tables.streams.insert(), names | {"id": 1, "receipt": 0, "held": 0, "expired": 0})
        append_lines(connection, tables.records, [(1, 1, row["hash"], row["line"])], 2**53)
        assert not add(connection, tables.records, row | {"line": b"other"})
        records = tables.records.c
        kept = connection.execute(
            select(records.stream, records.seq, records.hash, records.line, records.at_ms)
        ).one()
        assert kept._asdict() == row
        assert tuple(connection.execute(select(tables.streams.c.gateway, tables.streams.c.told)).one()) == (
            "é\t\\N",
            None,
        )


def test_what_raises_in_the_middle_leaves_nothing(database: Database, wall: Wall) -> None:
    before = Ledger(database, "centre-1", wall).open()

    def cut() -> None:
        with database.writing() as connection:
            connection.execute(tables.ledger.insert(), {"id": "new", "minted_ms": 1, "cause": "none"})
            raise KeyError

    with pytest.raises(KeyError):
        cut()
    assert Ledger(database, "centre-1", wall).open() == before


def test_rows_that_contradict_each_other_are_not_blamed_on_the_disk(database: Database, wall: Wall) -> None:
    Ledger(database, "centre-1", wall).open()
    row = {
        "site": "hq",
        "gateway": "edge-01",
        "epoch": "0" * 16,
        "receipt": 0,
        "held": 0,
        "expired": 0,
        "first_ms": 1,
    }
    with pytest.raises(NotDurable) as told, database.writing() as connection:
        connection.execute(tables.streams.insert(), [row | {"id": 1}, row | {"id": 1}])
    assert told.value.remedy == MISTAKE
    with database.reading() as connection:
        assert not connection.execute(select(tables.streams)).all()


def test_text_that_no_database_takes_becomes_one_that_any_does() -> None:
    assert plain("a\0b\ud800c") == "a?b?c"


@pytest.mark.parametrize(
    "words", [["centre", "--help"], ["centre", "coverage", "--help"], ["journal", "--help"], ["run", "--help"]]
)
def test_a_gateway_needs_none_of_the_ledgers_libraries(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", [["run"], ["coverage"], ["export"], ["verify"], ["times"], ["evidence"]])
def test_a_centre_without_them_says_how_to_get_them(tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "centre.toml"
    file.write_text('[centre]\nurl = "mqtt://127.0.0.1:1"\n')
    command = [sys.executable, "-c", WITHOUT, "centre", *words, "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "pip install 'punchgate[centre]'" in done.stderr
    assert "Traceback" not in done.stderr
