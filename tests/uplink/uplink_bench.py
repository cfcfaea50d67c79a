"""A real journal and a real uplink between a test and a broker that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uplink_broker import Broker

from gateway.clock import Clock, Moment, Quality
from gateway.journal import Entry, Journal, Limits, Listeners, Opened, Trouble, find_journal
from gateway.records import Draft, Notice
from gateway.spans import Range
from gateway.uplink import CentreKey, Link, Uplink, UplinkRules, WindowLimits
from gateway.wire import Topics, compact

TOPICS = Topics("punchgate/v1", "hq", "edge-01")
WINDOW = WindowLimits(window=10, batch_records=200, batch_bytes=262_144, unreceipted_max=8000)
RULES = UplinkRules("receipt", deflate=True, window=WINDOW)
PUBACK_RULES = UplinkRules("puback", deflate=True, window=replace(WINDOW, unreceipted_max=None))


class Bench:
    """One gateway without ports: `make` records, see what the broker got, answer as a centre."""

    warnings: Sequence[str] = ()

    def __init__(
        self, state_dir: Path, broker: Broker, rules: UplinkRules, key: CentreKey | None, link: Link
    ) -> None:
        self.broker = broker
        self.pruned_: list[tuple[str, list[Range]]] = []
        self.copies = 0
        self.bugs: list[Any] = []
        self.newest = 0
        self.receipts = 0
        self.journal = Journal(state_dir, ("hq", "edge-01", "UTC"), Limits(1 << 30, 86_400_000), Clock())
        self.uplink = Uplink(link, TOPICS, rules, self.journal, Clock(), self, key)
        self._number = 0

    def open(self) -> None:
        opened = self.journal.open(Listeners(self._committed, self._trouble, self._epoch))
        self.newest = opened.newest
        self.uplink.begin(opened)

    def make(self, count: int = 1, text: str = "") -> None:
        """So many records, each in a commit of its own."""
        for _ in range(count):
            self._number += 1
            moment = Moment(1_795_400_000_000, 0.0, 0, Quality("synced", "ntp", 1, "boot"))
            body = Notice(kind="device.up", device="lane-1-in", details={"number": self._number, "text": text})
            self.journal.append([Draft(body, moment)])

    def receipt(self, through: int, seen: int | None = None, ledger: str = "L", **more: Any) -> None:
        """Speak as the centre."""
        self.receipts += 1
        message = {
            "ledger": ledger,
            "receipt": self.receipts,
            "epoch": self.uplink.settlement.epoch,
            "through": through,
            "seen": through if seen is None else seen,
            **more,
        }
        self.broker.say(TOPICS.of("receipt"), compact(message))

    def devices(self) -> Sequence[dict[str, Any]]:
        return [{"device": "lane-1-in", "status": "up"}]

    def pruned(self, epoch: str, ranges: Sequence[Range]) -> None:
        self.pruned_.append((epoch, list(ranges)))

    def journal_is_a_copy(self) -> None:
        self.copies += 1

    def _committed(self, entries: list[Entry]) -> None:
        self.newest = entries[-1].seq
        self.uplink.committed(entries, self.journal.oldest)

    def _trouble(self, _: Trouble | None) -> None: ...

    def _epoch(self, opened: Opened) -> None:
        self.newest = opened.newest
        self.uplink.begin(opened)


def link_to(broker: Broker, **more: Any) -> Link:
    return Link("127.0.0.1", broker.port, False, "hq.edge-01", **more)


Story = Callable[[Bench], Awaitable[None]]


def run(
    state_dir: Path,
    broker: Broker,
    story: Story,
    rules: UplinkRules = RULES,
    *,
    before: int = 0,
    key: CentreKey | None = None,
    **link: Any,
) -> Bench:
    """`before` records lie in the journal when the uplink starts."""

    async def main() -> Bench:
        loop = asyncio.get_running_loop()
        await broker.start()
        bench = Bench(state_dir, broker, rules, key, link_to(broker, **link))
        loop.set_exception_handler(lambda _, context: bench.bugs.append(context))
        bench.open()
        bench.make(before)
        await until(lambda: bench.newest >= before)
        if before:
            await asyncio.sleep(0.01)
        task = asyncio.create_task(bench.uplink.run())
        try:
            await story(bench)
        finally:
            await bench.journal.flush()
            await bench.uplink.close()
            task.cancel()
            await asyncio.wait([task])
            await bench.journal.close()
            await broker.stop()
        if not task.cancelled() and task.exception() is not None:
            raise task.exception() or AssertionError
        assert bench.bugs == []
        return bench

    return asyncio.run(main())


async def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


__all__ = ["PUBACK_RULES", "RULES", "TOPICS", "WINDOW", "Bench", "find_journal", "link_to", "run", "until"]
