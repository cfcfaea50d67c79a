"""A receipt names records by hash: who holds other lines is one of two boxes, and settles nothing by it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from uplink_bench import Bench, run, until
from uplink_broker import Broker

from gateway.errors import NotDurable
from gateway.journal import Entry
from gateway.journal.store import Store
from gateway.wire import line_hash

OTHER = "f" * 64


async def made(bench: Bench, count: int) -> list[str]:
    """The hashes of that many records, which are sent."""
    await until(lambda: bench.uplink.connected)
    bench.make(count)
    await until(lambda: len(bench.broker.seqs()) >= count)
    return [line_hash(entry.line) for entry in await bench.journal.read(1, count, count, 1_000_000)]


def head(seq: int, of: str) -> dict[str, Any]:
    return {"seq": seq, "hash": of}


def test_lines_that_are_ours_settle_and_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(bench: Bench) -> None:
        hashes = await made(bench, 10)
        reads = []
        read = bench.journal.read
        monkeypatch.setattr(bench.journal, "read", lambda *span: reads.append(span) or read(*span))
        for through in (8, 9, 10):
            bench.receipt(through, heads=[head(3, hashes[2]), head(8, hashes[7])])
        await until(lambda: bench.uplink.settlement.through() == 10)
        bench.receipt(10, heads=[head(3, hashes[2])])
        await asyncio.sleep(0.1)
        assert {span[0] for span in reads} == {3, 8}
        assert len(reads) <= 6, "only those that were under way together"
        assert bench.copies == 0

    run(tmp_path, Broker(), story)


def test_another_line_under_a_number_we_hold_proves_a_copy_and_settles_nothing(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        hashes = await made(bench, 10)
        for _ in range(3):
            bench.receipt(10, heads=[head(10, hashes[9]), head(4, OTHER)])
        await until(lambda: bench.copies)
        bench.receipt(10)
        await asyncio.sleep(0.1)
        assert (bench.copies, bench.uplink.settlement.through()) == (1, 0)

    run(tmp_path, Broker(), story)


@pytest.mark.parametrize("is_ours", [True, False])
def test_of_what_has_expired_the_tombstone_is_compared(tmp_path: Path, is_ours: bool) -> None:
    async def story(bench: Bench) -> None:
        hashes = await made(bench, 5)

        def expire(store: Store) -> list[Entry]:
            store.bury(2, hashes[1])
            store.forget([2])
            return []

        await bench.journal.carry_out(expire)
        bench.receipt(5, heads=[head(2, hashes[1] if is_ours else OTHER)])
        await until(lambda: bench.copies or bench.uplink.settlement.through() == 5)
        assert bench.copies == (not is_ours)

    run(tmp_path, Broker(), story)


@pytest.mark.parametrize("trouble", ["pruned", "unreadable"])
def test_what_cannot_be_compared_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    async def nothing(*_: int) -> list[Any]:
        if trouble == "unreadable":
            raise NotDurable("cannot be read")
        return []

    async def story(bench: Bench) -> None:
        await made(bench, 5)
        monkeypatch.setattr(bench.journal, "read", nothing)
        bench.receipt(5, heads=[head(2, OTHER)])
        await until(lambda: bench.uplink.settlement.through() == 5)
        assert bench.copies == 0

    run(tmp_path, Broker(), story)


def test_a_receipt_that_was_under_way_when_the_epoch_changed_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal's file is the new epoch's already when the loop has not heard of it yet."""

    async def story(bench: Bench) -> None:
        await made(bench, 5)
        before = bench.uplink.settlement.epoch
        read, late = bench.journal.read, asyncio.Event()

        async def later(*span: int) -> list[Any]:
            await late.wait()
            return await read(*span)

        monkeypatch.setattr(bench.journal, "read", later)
        bench.receipt(5, heads=[head(1, OTHER)])
        await asyncio.sleep(0.05)
        bench.journal.begin_epoch()
        await until(lambda: bench.uplink.settlement.epoch != before)
        late.set()
        await asyncio.sleep(0.1)
        assert (bench.copies, bench.uplink.settlement.through()) == (0, 0)

    run(tmp_path, Broker(), story)


@pytest.mark.parametrize("wrong", [[{"seq": 0, "hash": OTHER}], [{"seq": 1, "hash": "x"}], [{}], "no", [7] * 9])
def test_heads_that_make_no_sense_are_refused_with_their_receipt(tmp_path: Path, wrong: Any) -> None:
    async def story(bench: Bench) -> None:
        await made(bench, 5)
        bench.receipt(5, heads=wrong)
        await asyncio.sleep(0.1)
        assert (bench.copies, bench.uplink.settlement.through()) == (0, 0)

    run(tmp_path, Broker(), story)
