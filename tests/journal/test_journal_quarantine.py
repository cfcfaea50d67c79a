"""Refused records: retried, dropped with their story, and never forgotten in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_bench import Heard, make_store, moment, notice, run

from gateway.journal import Journal, Store
from gateway.records import Draft, Lost


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five records, all settled; the second was refused."""
    store = make_store(tmp_path)
    with store.transaction():
        store.append([notice(number) for number in range(5)], 1)
        store.refuse(2, "no CloudEvent", 7)
        store.remember("settled", "[[1, 5]]")
    return store


def test_a_released_record_is_an_ordinary_one_again(store: Store) -> None:
    with store.transaction():
        assert store.release(2)
        assert not store.release(2)
    assert store.quarantine() == []
    store.prune(100)
    assert store.bounds() == (5, 5)


def test_a_dropped_record_leaves_its_story(store: Store) -> None:
    with store.transaction():
        assert store.drop(2, 9)
        assert not store.drop(2, 10)
        assert not store.drop(3, 10)
    assert store.quarantine() == []
    assert store.dropped() == {"2": {"reason": "no CloudEvent", "refused_ms": 7, "dropped_ms": 9}}


def test_a_dropped_record_does_not_come_back_when_it_is_refused_again(store: Store) -> None:
    with store.transaction():
        store.drop(2, 9)
        store.refuse(2, "no CloudEvent", 11)
        store.refuse(3, "no CloudEvent", 11)
    assert [seq for seq, _, _ in store.quarantine()] == [3]


def test_what_was_pruned_is_missing(store: Store) -> None:
    assert store.missing(1, 5) == []
    store.prune(100)
    assert store.missing(1, 5) == [(1, 1), (3, 4)]
    assert store.missing(2, 2) == []
    assert store.missing(5, 8) == [(6, 8)]


def test_a_drop_and_its_declaration_are_one_transaction(tmp_path: Path) -> None:
    loss = Draft(Lost(cause="refused", epoch="0" * 16, first=2, last=2, count=1), moment())
    done: list[bool] = []

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(1), notice(2)])
        journal.refuse([(2, "no CloudEvent")])
        await journal.flush()
        done.append(await journal.carry_out(lambda store: store.append([loss], 0) if store.drop(2, 9) else []))

    heard = run(tmp_path, story)
    assert done == [True]
    assert b'"cause":"refused"' in heard.entries[-1].line
    assert make_store(tmp_path).dropped()["2"]["dropped_ms"] == 9
