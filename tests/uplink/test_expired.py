"""What went because it was too old is not sent, not asked for, and not declared lost a second time."""

from __future__ import annotations

from pathlib import Path

from uplink_bench import Bench, find_journal, run, until
from uplink_broker import Broker

from gateway.clock import Moment, Quality
from gateway.journal import Store
from gateway.records import Draft, Notice
from gateway.wire import line_hash

MOMENT = Moment(1_795_400_000_000, 0.0, 0, Quality("synced", "ntp", 1, "boot"))


def test_what_has_expired_is_not_sent_and_not_declared_again(tmp_path: Path) -> None:
    store = Store(find_journal(tmp_path), ("hq", "edge-01", "UTC"))
    with store.transaction():
        entries = store.append([Draft(Notice(kind="device.up"), MOMENT) for _ in range(10)], 0)
        for entry in entries[1:4]:
            store.bury(entry.seq, line_hash(entry.line))
        store.forget([2, 3, 4])
    store.close()
    broker = Broker()

    async def story(bench: Bench) -> None:
        await until(lambda: set(broker.seqs()) >= {1, *range(5, 11)})
        bench.receipt(1, 10, missing=[(2, 4)])
        await until(lambda: bench.uplink.settlement.through() == 10)
        bench.make(1)
        bench.uplink.expired([(11, 11)])
        await until(lambda: 11 in bench.uplink.settlement.settled)

    bench = run(tmp_path, broker, story)
    assert bench.pruned_ == []
    assert not {2, 3, 4} & set(broker.seqs())
