"""Going back to the release before: it goes on writing the journal that the newer one took over, and so does that."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from journal_bench import Heard, all_lines, assert_chain, notice, run

from gateway.errors import NotDurable
from gateway.journal import Journal, Reader, find_journal, schema

VERSION = schema.SCHEMA_VERSION


def newer(monkeypatch: pytest.MonkeyPatch, *since: int) -> None:
    """This process becomes a release whose schema is ahead by one step for each of `since`."""
    steps = [f"CREATE TABLE companions{number} (seq INTEGER PRIMARY KEY);" for number in range(len(since))]
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, *steps))
    monkeypatch.setattr(schema, "OLDEST_WRITERS", (*schema.OLDEST_WRITERS, *since))
    monkeypatch.setattr(schema, "SCHEMA_VERSION", VERSION + len(since))


async def _one_more(journal: Journal, _: Heard) -> None:
    journal.append([notice(1)])


def version(state_dir: Path) -> int:
    connection = sqlite3.connect(find_journal(state_dir))
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_there_and_back_and_there_again_no_record_is_lost_and_nothing_is_taken_over_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, _one_more)
    with monkeypatch.context() as there:
        newer(there, VERSION)
        run(tmp_path, _one_more)
        assert version(tmp_path) == VERSION + 1
    run(tmp_path, _one_more)
    assert version(tmp_path) == VERSION + 1, "the older release pretends that the journal was its own"
    (tmp_path / f"journal.sqlite.v{VERSION}.bak").unlink()
    with monkeypatch.context() as there:
        newer(there, VERSION)
        run(tmp_path, _one_more)
    assert not list(tmp_path.glob("*.bak"))
    kept = all_lines(tmp_path)
    assert [entry.seq for entry in kept] == [1, 2, 3, 4]
    assert_chain(kept)


def test_the_release_before_the_one_before_is_refused_and_leaves_the_journal_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        newer(there, VERSION, VERSION + 1)
        run(tmp_path, _one_more)
    before = find_journal(tmp_path).read_bytes()
    with pytest.raises(NotDurable, match="newer punchgate"):
        run(tmp_path, _one_more)
    assert find_journal(tmp_path).read_bytes() == before


def test_a_word_that_is_no_version_lets_no_older_release_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        newer(there, VERSION)
        run(tmp_path, _one_more)
    connection = sqlite3.connect(find_journal(tmp_path))
    connection.execute("UPDATE meta SET value = '-2' WHERE key = ?", (schema.WRITABLE_SINCE,))
    connection.commit()
    connection.close()
    with pytest.raises(NotDurable, match="newer punchgate"):
        run(tmp_path, _one_more)


def test_a_copy_says_the_oldest_schema_that_can_go_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        newer(there, VERSION)
        run(tmp_path, _one_more)
    reader = Reader(find_journal(tmp_path))
    assert (reader.version(), reader.usable_since()) == (VERSION + 1, VERSION)
    reader.close()


def test_every_step_can_be_gone_back_from_by_one_release() -> None:
    """The rule for whoever adds a step; the first two are older than it."""
    assert len(schema.OLDEST_WRITERS) == len(schema.STEPS)
    for step, since in enumerate(schema.OLDEST_WRITERS[2:], start=3):
        assert since < step
