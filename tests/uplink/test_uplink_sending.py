"""An uplink between a real journal and a broker that does as it is told: what is sent, when, how often."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from uplink_bench import PUBACK_RULES, RULES, WINDOW, Bench, find_journal, run, until
from uplink_broker import Broker, Orders, Published

from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.journal import Entry, Journal, Limits, Listeners, Reader
from gateway.uplink import UplinkRules

NARROW = replace(RULES, window=replace(WINDOW, batch_records=5))


def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the journal at the connect counts as the past at once."""
    monkeypatch.setattr("gateway.uplink.outbox.FRESH_S", -1.0)


def test_every_record_is_sent_once_in_order_while_all_is_well(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        for _ in range(20):
            bench.make(5)
            await asyncio.sleep(0.001)
        await until(lambda: len(broker.seqs()) >= 100)

    run(tmp_path, broker, story)
    assert broker.seqs("records") == list(range(1, 101))
    assert broker.seqs("replay") == []


def test_who_we_are_is_said_before_any_record(tmp_path: Path) -> None:
    broker = Broker()

    async def story(_: Bench) -> None:
        await until(broker.seqs)

    run(tmp_path, broker, story, before=3)
    leaves = [one.leaf for one in broker.messages]
    first = min(leaves.index(leaf) for leaf in ("records", "replay") if leaf in leaves)
    assert set(leaves[:first]) == {"device/lane-1-in", "state"}
    assert all(one.retain and one.qos == 0 for one in broker.messages[:first])
    assert all(not one.retain and one.qos == 1 for one in broker.records())


def test_the_past_goes_by_the_replay_topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old(monkeypatch)
    broker = Broker()

    async def story(bench: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 500)
        bench.make(1)
        await until(lambda: len(broker.seqs()) >= 501)

    run(tmp_path, broker, story, before=500)
    assert broker.seqs("replay") == list(range(1, 501))
    assert broker.seqs("records") == [501]


@pytest.mark.parametrize("settle", [RULES, PUBACK_RULES], ids=["receipt", "puback"])
def test_nothing_is_lost_when_the_broker_comes_and_goes(tmp_path: Path, settle: UplinkRules) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        for _ in range(6):
            bench.make(40)
            await until(lambda: bench.uplink.connected)
            bench.make(20)
            await asyncio.sleep(0.01)
            await broker.stop()
            bench.make(10)
            await broker.start()
        await until(lambda: set(broker.seqs()) == set(range(1, 421)))

    run(tmp_path, broker, story, settle)


@pytest.mark.parametrize("receive_maximum", [1, 2, 3])
def test_a_receive_maximum_is_never_exceeded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receive_maximum: int
) -> None:
    old(monkeypatch)
    broker = Broker(Orders(receive_maximum=receive_maximum, delay_s=0.002))

    async def story(bench: Bench) -> None:
        for _ in range(60):
            bench.make(1)
            await asyncio.sleep(0.003)
        await until(lambda: set(broker.seqs()) == set(range(1, 261)))

    run(tmp_path, broker, story, NARROW, before=200)
    assert broker.too_many == 0
    assert len(broker.seqs()) == 260


def test_a_record_larger_than_the_broker_takes_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(monkeypatch)
    broker = Broker(Orders(packet_bytes=4000))

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        bench.make(1, "x" * 5000)
        bench.make(3)
        await until(lambda: len(broker.seqs()) >= 23)
        await asyncio.sleep(0.1)

    rules = replace(RULES, deflate=False)
    bench = run(tmp_path, broker, story, rules, before=20)
    assert set(broker.seqs()) == set(range(1, 25)) - {21}
    assert (broker.too_large, broker.sessions) == (0, 1)
    assert bench.uplink.settlement.through() == 0


@pytest.mark.parametrize("says", [0x95, None], ids=["code-no-client-knows", "hangs-up"])
@pytest.mark.parametrize("oversized", [0, 1], ids=["batch", "single-record"])
def test_a_message_that_ends_connections_does_not_end_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, oversized: int, says: int | None
) -> None:
    """mosquitto's message_size_limit is not in the greeting, and its 0x95 is no code that a PUBACK may have."""
    old(monkeypatch)
    broker = Broker()

    def puback(one: Published) -> int | None:
        if len(one.payload) <= 3000:
            return 0
        if says is None:
            broker.cut()
        return says

    broker.orders.puback = puback

    async def story(bench: Bench) -> None:
        bench.make(oversized, "x" * 5000)
        bench.make(50)
        await until(lambda: len(accepted(broker)) >= 100, 20.0)

    bench = run(tmp_path, broker, story, replace(RULES, deflate=False), before=50)
    assert accepted(broker) == set(range(1, 101 + oversized)) - ({51} if oversized else set())
    assert bench.uplink.settlement.through() == 0


def accepted(broker: Broker) -> set[int]:
    return {seq for one in broker.records() if len(one.payload) <= 3000 for seq in one.seqs()}


def test_without_a_subscriber_nothing_is_settled_and_it_is_said(tmp_path: Path) -> None:
    broker = Broker(Orders(puback=lambda _: 0x10))

    async def story(bench: Bench) -> None:
        bench.make(10)
        await until(lambda: "nobody subscribes" in (bench.uplink.reason or ""))
        assert bench.uplink.settlement.through() == 0
        await until(lambda: any("nobody" in state.get("reason", "") for state in broker.states()))
        broker.orders.puback = lambda _: 0
        await until(lambda: bench.uplink.settlement.through() == 10, 5.0)
        await until(lambda: bench.uplink.reason is None)
        await until(lambda: "reason" not in broker.states()[-1])

    run(tmp_path, broker, story, PUBACK_RULES)


def test_a_missing_subscriber_is_not_flooded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.uplink.acknowledgements.NOBODY_PAUSE_S", 0.2)
    broker = Broker(Orders(puback=lambda _: 0x10))

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        for _ in range(100):
            bench.make(1)
            await asyncio.sleep(0.01)

    run(tmp_path, broker, story, PUBACK_RULES)
    assert len(broker.records()) <= 30


def test_a_consumer_of_the_present_alone_gets_it_though_nobody_takes_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(monkeypatch)
    broker = Broker(Orders(puback=lambda one: 0x10 if one.leaf == "replay" else 0))

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.reason is not None and broker.seqs("replay"))
        for number in range(1, 6):
            bench.make(1)
            await until(lambda number=number: len(broker.seqs("records")) >= number, 0.5)
        assert "nobody" in (bench.uplink.reason or ""), "the past is still not taken"

    run(tmp_path, broker, story, PUBACK_RULES, before=20)
    assert broker.seqs("records") == list(range(21, 26))


def test_a_refused_topic_stops_with_a_remedy_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.uplink.acknowledgements.REFUSED_PAUSE_S", 0.3)
    broker = Broker(Orders(puback=lambda _: 0x87))

    async def story(bench: Bench) -> None:
        bench.make(5)
        await until(lambda: "reason 135" in (bench.uplink.reason or ""))
        assert "ACL" in (bench.uplink.reason or "")
        sent = len(broker.records())
        bench.make(5)
        await asyncio.sleep(0.1)
        assert len(broker.records()) == sent
        broker.orders.puback = lambda _: 0
        await until(lambda: bench.uplink.settlement.through() == 10)

    run(tmp_path, broker, story, PUBACK_RULES)


def test_a_refused_subscription_stays_said_though_records_are_taken(tmp_path: Path) -> None:
    broker = Broker(Orders(suback=0x87))

    async def story(bench: Bench) -> None:
        await until(lambda: "receipts: " in (bench.uplink.reason or ""))
        bench.make(5)
        await until(lambda: len(broker.seqs()) >= 5)
        await asyncio.sleep(0.05)
        assert "reason 135" in (bench.uplink.reason or "")
        broker.orders.suback = 1
        broker.cut()
        await until(lambda: broker.sessions == 2 and bench.uplink.reason is None)

    run(tmp_path, broker, story)


def test_a_silent_broker_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.uplink.uplink.PUBACK_TIMEOUT_S", 0.2)
    monkeypatch.setattr("gateway.uplink.uplink.HOUSEKEEPING_S", 0.05)
    broker = Broker(Orders(puback=lambda _: None))

    async def story(bench: Bench) -> None:
        bench.make(5)
        await until(lambda: broker.sessions >= 2)
        broker.orders.puback = lambda _: 0
        await until(lambda: not bench.uplink._sender.outbox.in_flight and bench.uplink.connected)

    run(tmp_path, broker, story)


def test_bodies_that_are_gone_from_the_middle_are_declared_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused record is kept below what was pruned: the hole is inside of what is held."""
    old(monkeypatch)
    broker = Broker()

    async def story(bench: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 50)
        await bench.journal.flush()
        connection = sqlite3.connect(find_journal(tmp_path), timeout=5.0)
        connection.execute("DELETE FROM records WHERE seq BETWEEN 11 AND 30")
        connection.commit()
        connection.close()
        bench.receipt(50)
        await until(lambda: bench.uplink.settlement.through() == 50)
        bench.receipt(5, ledger="restored")
        await until(lambda: bench.pruned_, 15.0)

    monkeypatch.setattr("gateway.uplink.outbox.RESEND_AFTER_S", 0.0)
    bench = run(tmp_path, broker, story, before=50)
    assert [ranges for _, ranges in bench.pruned_] == [[(11, 30)]]
    assert list(bench.uplink.settlement.settled) == [(1, 5), (11, 30)]
    assert sorted(broker.seqs()) == sorted([*range(1, 51), *range(6, 11), *range(31, 51)])


def test_a_journal_that_cannot_be_read_for_a_moment_is_read_again_without_new_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(monkeypatch)
    monkeypatch.setattr("gateway.uplink.sender.READ_RETRY_S", 0.05)
    broker = Broker()
    real, failures = Reader.lines, [3]

    def lines(self: Reader, *args: int) -> list[Entry]:
        if type(self) is Reader and failures[0]:
            failures[0] -= 1
            raise sqlite3.OperationalError("database is locked")
        return real(self, *args)

    monkeypatch.setattr(Reader, "lines", lines)

    async def story(_: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 20)

    run(tmp_path, broker, story, before=20)
    assert failures == [0]


def test_what_the_broker_took_and_lost_is_sent_again_when_the_centre_misses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.uplink.outbox.RESEND_AFTER_S", 0.05)
    broker = Broker()

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        bench.make(20)
        await until(lambda: len(broker.seqs()) >= 20)
        await asyncio.sleep(0.1)
        bench.receipt(4, 15, missing=[[5, 9], [16, 20]])
        await until(lambda: len(broker.seqs()) >= 30)
        assert broker.seqs("replay") == [*range(5, 10), *range(16, 21)]
        bench.receipt(20)
        await until(lambda: bench.uplink.settlement.through() == 20)

    run(tmp_path, broker, story)


def test_records_pile_up_only_to_the_credit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old(monkeypatch)
    broker = Broker()
    rules = replace(RULES, window=replace(WINDOW, batch_records=7, unreceipted_max=30))

    async def story(bench: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 30)
        await asyncio.sleep(0.1)
        assert broker.seqs() == list(range(1, 31))
        bench.make(1)
        await until(lambda: broker.seqs("records"), 0.5)
        bench.receipt(30)
        await until(lambda: len(broker.seqs()) >= 60)

    run(tmp_path, broker, story, rules, before=100)


def test_a_settled_journal_sends_nothing_at_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker()

    async def first(bench: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 10)
        bench.receipt(10)
        await until(lambda: bench.uplink.settlement.through() == 10)

    run(tmp_path, broker, first, before=10)
    old(monkeypatch)
    broker.messages.clear()

    async def second(bench: Bench) -> None:
        await until(broker.states)
        assert bench.uplink.settlement.through() == 10
        await asyncio.sleep(0.1)

    run(tmp_path, broker, second)
    assert broker.seqs() == []


def test_what_was_not_settled_is_sent_at_the_next_start(tmp_path: Path) -> None:
    broker = Broker()

    async def fill() -> None:
        entries: list[Entry] = []
        journal = Journal(tmp_path, ("hq", "edge-01", "UTC"), Limits(1 << 30, 0), Clock())
        journal.open(Listeners(entries.extend, print, print))
        bench = Bench.__new__(Bench)
        bench.journal, bench._number = journal, 0
        bench.make(10)
        await until(lambda: len(entries) == 10)
        await journal.close()

    asyncio.run(fill())

    async def story(_: Bench) -> None:
        await until(lambda: len(broker.seqs()) >= 10)

    run(tmp_path, broker, story)
    assert broker.seqs("replay") == list(range(1, 11))


def test_compressed_only_where_both_ends_can(tmp_path: Path) -> None:
    for name, orders, protocol, expected in [
        ("5", Orders(), "5", True),
        ("311", Orders(v5=False), "3.1.1", False),
    ]:
        broker = Broker(orders)

        async def story(bench: Bench, broker: Broker = broker) -> None:
            await until(lambda: bench.uplink.connected)
            bench.make(1, "x" * 9000)
            await until(broker.records)

        (tmp_path / name).mkdir()
        run(tmp_path / name, broker, story, replace(RULES, deflate=expected), protocol=protocol)
        assert (b"deflate" in broker.records()[0].properties) == expected
        assert broker.seqs() == [1]


def test_an_unreadable_reader_is_not_durable(tmp_path: Path) -> None:
    with pytest.raises(NotDurable):
        Reader(tmp_path / "nothing.sqlite")


def test_published_names_its_leaf() -> None:
    assert Published("punchgate/v1/hq/edge-01/device/x", b"", 0, False, b"").leaf == "device/x"
