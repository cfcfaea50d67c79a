"""What the centre says to an uplink: settled, missing, refused, restored, a copy; and what it must not believe."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import structlog
from uplink_bench import PUBACK_RULES, TOPICS, Bench, run, until
from uplink_broker import Broker

from gateway.errors import Rejected


async def sent(bench: Bench, count: int) -> None:
    await until(lambda: bench.uplink.connected)
    bench.make(count)
    await until(lambda: len(bench.broker.seqs()) >= count)


def test_receipts_settle_and_acknowledgements_do_not(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await sent(bench, 10)
        await asyncio.sleep(0.05)
        assert bench.uplink.settlement.through() == 0
        bench.receipt(10)
        await until(lambda: bench.uplink.settlement.through() == 10)

    run(tmp_path, Broker(), story)


def test_acknowledgements_settle_where_there_are_no_receipts(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 10)
        await until(lambda: bench.uplink.settlement.through() == 10)

    run(tmp_path, broker, story, PUBACK_RULES)

    async def again(bench: Bench) -> None:
        await until(lambda: len(broker.states()) > 1)
        assert bench.uplink.settlement.through() == 10

    run(tmp_path, broker, again, PUBACK_RULES)
    assert sorted(broker.seqs()) == list(range(1, 11))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no JSON",
        b"[]",
        b"[" * 50_000,
        b'{"ledger":"L","receipt":99,"epoch":"0000000000000000","through":10,"seen":10}',
        b'{"ledger":"L","receipt":99,"epoch":"EPOCH","through":10,"seen":9}',
        b'{"ledger":"L","receipt":99,"epoch":"EPOCH","through":10.5,"seen":11}',
        b'{"ledger":"L","receipt":99,"epoch":"EPOCH","through":-1,"seen":11}',
        b'{"ledger":"","receipt":99,"epoch":"EPOCH","through":10,"seen":11}',
        b'{"ledger":"L","receipt":99,"epoch":"EPOCH","through":0,"seen":0,"rejected":[{"seq":11,"reason":"x"}]}',
    ],
)
def test_a_message_that_is_no_receipt_settles_nothing_and_stops_nothing(tmp_path: Path, payload: bytes) -> None:
    async def story(bench: Bench) -> None:
        await sent(bench, 10)
        bench.broker.say(TOPICS.of("receipt"), payload.replace(b"EPOCH", bench.uplink.settlement.epoch.encode()))
        await asyncio.sleep(0.05)
        assert not bench.uplink.settlement.settled
        bench.receipts = 100
        bench.make(1)
        await until(lambda: bench.newest == 11)
        bench.receipt(10, 11)
        await until(lambda: bench.uplink.settlement.settled)

    run(tmp_path, Broker(), story)


def test_a_flood_of_bad_receipts_is_logged_within_bounds(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:

        async def story(bench: Bench) -> None:
            await sent(bench, 1)
            for number in range(2000):
                epoch = f"{number:016x}"
                message = {"ledger": "L", "receipt": 1, "epoch": epoch, "through": 0, "seen": 0}
                bench.broker.say(TOPICS.of("receipt"), json.dumps(message).encode())
            bench.receipt(1)
            await until(lambda: bench.uplink.settlement.through() == 1)

        run(tmp_path, Broker(), story)
    assert len([line for line in logs if line["event"] == "receipt.refused"]) < 300


def test_refused_records_are_put_into_quarantine_and_not_sent_again(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 5)
        bench.receipt(5, rejected=[{"seq": 3, "reason": "schema"}])
        await until(lambda: bench.uplink.settlement.through() == 5)
        await bench.journal.flush()

    bench = run(tmp_path, broker, story)
    from gateway.journal import Reader

    reader = Reader(bench.journal.path)
    assert [(seq, reason) for seq, reason, _ in reader.quarantine()] == [(3, "schema")]
    reader.close()
    assert sorted(broker.seqs()) == [1, 2, 3, 4, 5]


def test_a_restored_centre_gets_what_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.uplink.outbox.RESEND_AFTER_S", 0.0)
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 50)
        bench.receipts = 900
        bench.receipt(50)
        await until(lambda: bench.uplink.settlement.through() == 50)
        bench.receipts = 0
        bench.receipt(20, ledger="restored")
        await until(lambda: len(broker.seqs("replay")) >= 30)
        bench.receipt(50, ledger="restored")
        await until(lambda: bench.uplink.settlement.through() == 50)

    run(tmp_path, broker, story)
    assert broker.seqs("replay") == list(range(21, 51))


def test_a_copied_journal_stops_sending_and_begins_one_new_epoch(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 10)
        epoch = bench.uplink.settlement.epoch
        for _ in range(3):
            bench.receipt(99)
        await until(lambda: bench.copies)
        count = len(broker.records())
        bench.make(5)
        broker.cut()
        await until(lambda: broker.sessions == 2)
        bench.receipt(99)
        await asyncio.sleep(0.1)
        assert len(broker.records()) == count, "not even over another connection"
        assert bench.copies == 1
        bench.journal.begin_epoch()
        bench.journal.begin_epoch()
        await until(lambda: bench.uplink.settlement.epoch != epoch)
        bench.make(2)
        await until(lambda: len(broker.seqs()) >= 10 + 4)
        assert sorted(broker.seqs()[-4:]) == [1, 2, 3, 4]
        bench.receipts = 0
        bench.receipt(4)
        await until(lambda: bench.uplink.settlement.through() == 4)

    run(tmp_path, broker, story)
    epochs = {data["epoch"] for one in broker.records() for data in one.data()}
    assert len(epochs) == 2
    assert broker.states()[-1]["epoch"] in epochs


def test_the_state_says_what_is_settled_and_that_we_go(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 5)
        bench.receipt(3)
        await until(lambda: bench.uplink.settlement.through() == 3)

    run(tmp_path, broker, story)
    last = broker.states()[-1]
    assert (last["status"], last["oldest"], last["newest"], last["settled"]) == ("offline", 1, 5, 3)
    assert set(last) >= {"epoch", "head", "version", "boot", "clock", "time"}
    assert broker.states()[0]["status"] == "online"


class Signed:
    """A centre's key that believes what begins with its word."""

    def check(self, payload: bytes) -> None:
        if b'"sig":"good"' not in payload:
            raise Rejected("signature is not the centre's")


def test_with_a_key_only_the_centre_settles(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await sent(bench, 10)
        bench.receipt(10)
        await asyncio.sleep(0.05)
        assert bench.uplink.settlement.through() == 0
        bench.receipt(10, sig="good")
        await until(lambda: bench.uplink.settlement.through() == 10)

    run(tmp_path, Broker(), story, key=Signed())


def test_a_session_taken_over_is_said_with_its_remedy(tmp_path: Path) -> None:
    broker = Broker()
    reasons: list[Any] = []

    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        broker.disconnect(0x8E)
        await until(lambda: reasons.append(bench.uplink.reason) or "gateway.id" in str(bench.uplink.reason))
        await until(lambda: broker.sessions == 2)

    run(tmp_path, broker, story)


@pytest.mark.parametrize(("code", "remedy"), [(134, "password_file"), (135, "username"), (137, "busy")])
def test_a_refused_connection_is_said_with_its_remedy(tmp_path: Path, code: int, remedy: str) -> None:
    broker = Broker()
    broker.orders.connack = code

    async def story(bench: Bench) -> None:
        await until(lambda: remedy in (bench.uplink.reason or ""))
        broker.orders.connack = 0
        await until(lambda: bench.uplink.connected)

    run(tmp_path, broker, story)


def test_a_broker_that_is_away_is_found_within_two_seconds_of_its_return(tmp_path: Path) -> None:
    broker = Broker()

    async def story(bench: Bench) -> None:
        await sent(bench, 1)
        await broker.stop()
        bench.make(1)
        await asyncio.sleep(2.0)
        loop = asyncio.get_running_loop()
        returned = loop.time()
        await broker.start()
        await until(lambda: 2 in broker.seqs())
        assert loop.time() - returned < 2.0

    run(tmp_path, broker, story)
