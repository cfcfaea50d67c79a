"""How much a journal holds: pruning, quota, quarantine; what is not settled is never thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_bench import Disk, Heard, all_lines, assert_chain, make_store, notice, number_of, read, run, until

from gateway.journal import Journal, Limits, Store
from gateway.spans import Spans
from gateway.wire import read_line

TIGHT = Limits(400_000, 7 * 86_400_000, ring_bytes=0)
BULK = "x" * 1000


def filled(state_dir: Path, count: int, settled: int, made_ms: int = 0) -> Store:
    store = make_store(state_dir)
    with store.transaction():
        store.append([notice(number) for number in range(count)], made_ms)
        store.remember("settled", f"[[1,{settled}]]")
    return store


def seqs(store: Store) -> list[int]:
    return [entry.seq for entry in store.lines(1, 2**62, 2**62, 2**62)]


def test_only_settled_and_old_records_are_pruned(tmp_path: Path) -> None:
    store = filled(tmp_path, 10, settled=6, made_ms=1000)
    assert store.prune(1000) == 0
    assert store.prune(1001) == 6
    assert seqs(store) == [7, 8, 9, 10]
    assert (store.oldest, store.newest) == (7, 10)


def test_the_newest_record_stays_because_it_is_the_head_of_the_chain(tmp_path: Path) -> None:
    store = filled(tmp_path, 10, settled=10)
    head = store.head
    store.prune(2**60)
    assert seqs(store) == [10]
    store.close()
    again = make_store(tmp_path)
    assert (again.newest, again.head) == (10, head)


def test_refused_records_and_open_reads_stay(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    with store.transaction():
        store.append([notice(1), notice(2), read(3), notice(4), notice(5)], 0)
        store.remember("settled", "[[1,5]]")
        store.refuse(2, "first reason", 7)
        store.refuse(2, "second reason", 8)
    assert store.prune(2**60) == 2
    assert seqs(store) == [2, 3, 5]
    assert store.quarantine() == [(2, "first reason", 7)]


def test_pruning_goes_in_slices(tmp_path: Path) -> None:
    store = filled(tmp_path, 4500, settled=4500)
    assert [store.prune(2**60) for _ in range(4)] == [2000, 2000, 499, 0]


def test_pruning_does_not_look_beyond_its_slice(tmp_path: Path) -> None:
    """A week of settled records that are not old enough must not be scanned each minute."""
    store = filled(tmp_path, 4000, settled=4000, made_ms=1000)
    with store.transaction():
        store._connection.execute("UPDATE records SET made_ms=0 WHERE seq=3000")
    assert store.prune(500) == 0


def test_bounds_do_not_read_the_whole_table(tmp_path: Path) -> None:
    store = filled(tmp_path, 3, settled=0)
    plan = store._connection.execute(
        "EXPLAIN QUERY PLAN SELECT (SELECT min(seq) FROM records), (SELECT max(seq) FROM records)"
    ).fetchall()
    assert not any(row[3].startswith("SCAN records") for row in plan)
    assert store.bounds() == (1, 3)


@pytest.mark.parametrize("failures", [0, 3])
def test_a_full_journal_refuses_counts_and_confesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    disk = Disk(monkeypatch)

    async def story(journal: Journal, heard: Heard) -> None:
        number = 0
        while not any(heard.troubles):
            number += 1
            journal.append([notice(number, BULK)])
            await journal.flush()
        assert heard.troubles[-1] is not None
        assert heard.troubles[-1].kind == "quota"
        held = len(heard.entries)
        disk.fail(failures)
        for extra in range(5):
            journal.append([notice(1000 + extra, BULK)])
        await journal.flush()
        assert len(heard.entries) == held
        disk.heal()
        journal.settle(Spans([(1, held)]), "ledger", 1)
        await until(lambda: heard.troubles[-1] is None)
        journal.append([notice(2000)])
        await until(lambda: heard.entries and number_of(heard.entries[-1]) == 2000)

    heard = run(tmp_path, story, TIGHT)
    confessed = [read_line(entry.line) for entry in heard.entries if b"records.lost" in entry.line]
    refused = [entry for entry in heard.entries if (number_of(entry) or 0) in range(1000, 1999)]
    assert sum(line.data["lost"]["count"] for line in confessed) in (5, 6), "the one that found it full counts too"
    assert [line.data["lost"]["cause"] for line in confessed] == ["quota"]
    assert [line.data["lost"]["device"] for line in confessed] == ["lane-1-in"]
    assert refused == []


def test_a_full_journal_has_room_again_as_soon_as_enough_is_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slice under the limit is not enough: it must get below the mark where it counts as having room."""
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    monkeypatch.setattr("gateway.journal.store.PRUNE_SLICE", 2)

    async def story(journal: Journal, heard: Heard) -> None:
        while not any(heard.troubles):
            journal.append([notice(1, BULK)])
            await journal.flush()
        journal.settle(Spans([(1, heard.entries[-1].seq)]), "ledger", 1)
        await until(lambda: heard.troubles[-1] is None)

    run(tmp_path, story, TIGHT)


def test_what_a_full_journal_refused_is_confessed_after_a_restart_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)

    async def fill(journal: Journal, heard: Heard) -> None:
        while not any(heard.troubles):
            journal.append([notice(1, BULK)])
            await journal.flush()
        for _ in range(5):
            journal.append([notice(2)])
        await journal.flush()

    async def go_on(journal: Journal, heard: Heard) -> None:
        journal.append([notice(3)])
        await until(lambda: len(heard.entries) >= 2)

    run(tmp_path, fill, TIGHT)
    entries = run(tmp_path, go_on).entries
    assert read_line(entries[0].line).data["lost"]["count"] in (5, 6)
    assert number_of(entries[1]) == 3
    assert_chain(all_lines(tmp_path))


def test_a_refused_draft_keeps_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.journal.quota.MEASURE_EVERY", 2)
    last = notice(9)

    async def story(journal: Journal, heard: Heard) -> None:
        while not any(heard.troubles):
            journal.append([notice(1, BULK)])
            await journal.flush()
        last.seq = 5
        journal.append([last])
        await journal.flush()

    run(tmp_path, story, TIGHT)
    assert last.seq is None


def test_an_error_while_pruning_does_not_leave_the_ports_paused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.journal.writer.PRUNE_EVERY_S", 0.02)
    disk = Disk(monkeypatch)

    async def story(_: Journal, heard: Heard) -> None:
        disk.fail(1)
        await until(lambda: len(heard.troubles) == 2)

    assert run(tmp_path, story).troubles[-1] is None


def test_stats_count_what_is_there(tmp_path: Path) -> None:
    store = filled(tmp_path, 10, settled=4)
    with store.transaction():
        store.append([read(11)], 0)
        store.remember("settled", "[[1,4],[7,8]]")
        store.refuse(7, "no", 0)
    stats = store.stats()
    assert (stats.oldest, stats.newest, stats.held, stats.settled, stats.unsettled) == (1, 11, 11, 4, 5)
    assert (stats.open_reads, stats.quarantined, stats.head) == (1, 1, store.head)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(["append", "append", "fail", "late", "settle", "prune", "reopen"]), min_size=1, max_size=25
    )
)
def test_whatever_happens_the_chain_is_whole_and_the_numbers_gapless(
    tmp_path_factory: pytest.TempPathFactory, story: list[str]
) -> None:
    state_dir = tmp_path_factory.mktemp("chain")
    store = make_store(state_dir)
    hashes: dict[int, bytes] = {}
    for number, word in enumerate(story, 1):
        known = store.as_previous()
        if word in ("append", "late"):
            with store.transaction():
                entries = store.append([notice(number), notice(number)], number)
            if word == "late":
                store.close()
                store = make_store(state_dir)
                assert store.rewind(known)
            else:
                hashes |= {entry.seq: entry.line for entry in entries}
        elif word == "fail":
            with pytest.raises(KeyError):
                _append_and_fail(store)
        elif word == "settle":
            with store.transaction():
                store.remember("settled", f"[[1,{store.newest}]]" if store.newest else "[]")
        elif word == "prune":
            store.prune(2**60)
        else:
            store.close()
            store = make_store(state_dir)
        assert store.newest == max(hashes, default=0)
    prev = None
    for entry in store.lines(1, 2**62, 2**62, 2**62):
        assert entry.line == hashes[entry.seq]
        line = read_line(entry.line)
        assert prev is None or (line.seq, line.prev) == (prev.seq + 1, _hash(prev.raw))
        prev = line
    store.close()


def _append_and_fail(store: Store) -> None:
    with store.transaction():
        store.append([notice(1)], 0)
        raise KeyError("no")


def _hash(line: bytes) -> str:
    from gateway.wire import line_hash

    return line_hash(line)
