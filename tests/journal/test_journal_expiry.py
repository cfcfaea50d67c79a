"""The personal-data limit: bodies go, settled or not; what only we had leaves a tombstone and is declared lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from journal_bench import Heard, all_lines, make_store, moment, notice, number_of, read, run, until

from gateway.clock import Clock, Moment, Quality
from gateway.journal import Entry, Journal, Limits, Store
from gateway.journal.expiry import Expire
from gateway.records import Draft, Notice
from gateway.spans import Range, Spans
from gateway.wire import line_hash, read_line

DAY_MS = 86_400_000
KEEP_MS = 30 * DAY_MS
START_MS = 1_790_000_000_000


class Watch:
    """A clock that stands."""

    def __init__(self, day: float, state: Any = "synced") -> None:
        self.moment = at(day, state)

    def now(self) -> Moment:
        return self.moment


def at(day: float, state: Any = "synced") -> Moment:
    return Moment(round(START_MS + day * DAY_MS), 0.0, 0, Quality(state, "ntp", 1, "boot"))


def say(store: Store, day: float, state: Any = "synced") -> None:
    with store.transaction():
        when = at(day, state)
        store.append([Draft(Notice(kind="device.up", device="a"), when)], when.time_ms)


def expire(store: Store, day: float, state: Any = "synced") -> tuple[list[Range], list[dict[str, Any]]]:
    """One go of the job; what it told and the losses it declared."""
    told: list[Range] = []

    def done(_: Store, ranges: list[Range], *, more: bool) -> None:
        told.extend(ranges)

    after: list[Any] = []
    with store.transaction():
        entries = Expire(KEEP_MS, Watch(day, state), after, done)(store)  # type: ignore[arg-type]
    for then in after:
        then()
    return told, [read_line(entry.line).data["lost"] for entry in entries]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Ten records, one a day; 1 to 3 and 6 are settled, 2 was refused."""
    store = make_store(tmp_path)
    for day in range(10):
        say(store, day)
    with store.transaction():
        store.remember("settled", "[[1,3],[6,6]]")
        store.refuse(2, "no", 1)
    return store


def held(store: Store) -> list[int]:
    return [entry.seq for entry in store.lines(1, 1 << 40, 1 << 40, 1 << 40)]


def test_what_is_old_goes_and_what_only_we_had_is_declared(store: Store) -> None:
    hashes = {entry.seq: line_hash(entry.line) for entry in store.lines(1, 10, 10, 1 << 20)}
    told, lost = expire(store, 37.5)
    assert told == [(2, 2), (4, 5), (7, 8)]
    assert held(store) == [9, 10, 11, 12, 13]
    assert [(each["first"], each["last"], each["count"], each["cause"]) for each in lost] == [
        (2, 2, 1, "expired"),
        (4, 5, 2, "expired"),
        (7, 8, 2, "expired"),
    ]
    assert (lost[1]["epoch"], lost[1]["from"][:10], lost[1]["to"][:10]) == (
        store.origin.epoch,
        "2026-09-24",
        "2026-09-25",
    )
    assert store.expired() == Spans(told)
    assert {seq: store.tombstone(seq) for seq in (1, 2, 8)} == {1: None, 2: hashes[2], 8: hashes[8]}
    assert read_line(store.lines(9, 9, 1, 1)[0].line).prev == store.tombstone(8)
    assert store.settled().through() == 8
    assert store.quarantine() == []


def test_it_is_done_once_and_the_newest_stays(store: Store) -> None:
    expire(store, 37.5)
    assert expire(store, 37.5) == ([], [])
    expire(store, 400)
    assert held(store)[0] == 13


def test_without_a_clock_that_somebody_vouches_for_nothing_goes(store: Store) -> None:
    assert expire(store, 400, "restored") == ([], [])
    assert len(held(store)) == 10


def test_a_record_dated_by_a_wrong_clock_is_as_old_as_its_neighbours(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    say(store, -20_000, "unset")
    say(store, -300, "restored")
    say(store, 1)
    say(store, 900, "restored")
    say(store, 20)
    say(store, 21)
    assert expire(store, 30) == ([], []), "the first two are from before day 1, which is not old"
    assert expire(store, 31.5)[0] == [(1, 3)]
    assert expire(store, 50.5)[0] == [(4, 5)]


def test_reads_that_were_open_are_forgotten_with_their_bodies(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([read(1)], at(0).time_ms)
    say(store, 1)
    say(store, 40)
    expire(store, 33)
    assert store.open_reads() == []


def test_the_daemon_expires_by_itself_and_goes_on_numbering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.writer.PRUNE_EVERY_S", 0.02)
    monkeypatch.setattr(Clock, "quality", lambda self: Quality("synced", "ntp", 1, "boot"))
    monkeypatch.setattr(Clock, "unix_ms", lambda self: at(day).time_ms)
    monkeypatch.setattr(Clock, "now", lambda self: at(40))
    told: list[Range] = []
    day = 3

    async def fill(journal: Journal, heard: Heard) -> None:
        """Only four are old: what is young stays, however often it is looked at."""
        nonlocal day
        journal.append([notice(number) for number in range(4)])
        await until(lambda: len(heard.entries) == 4)
        day = 40
        journal.append([notice(4)])
        await until(lambda: len(heard.entries) == 5)

    async def story(journal: Journal, heard: Heard) -> None:
        await until(lambda: heard.entries and heard.expired)
        told.extend(heard.expired)
        assert journal.oldest == 5
        journal.append([notice(9)])
        await until(lambda: len(heard.entries) == 2)

    assert moment().quality.state == "synced"
    run(tmp_path, fill)
    run(tmp_path, story, Limits(1 << 30, 0, ring_bytes=0, keep_ms=KEEP_MS))
    assert told == [(1, 4)]
    kept: list[Entry] = all_lines(tmp_path)
    assert [(entry.seq, number_of(entry)) for entry in kept] == [(5, 4), (6, None), (7, 9)]
    assert make_store(tmp_path).settled().through() == 4
