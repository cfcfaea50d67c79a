from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import structlog
from centre_bench import Wall, eventually
from centre_lines import chain
from structlog.testing import capture_logs

import traceability
from gateway.errors import NotDurable
from gateway.wire import Topics
from traceability import consumer as consumer_module
from traceability import remedies
from traceability.consumer import Consumer
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.sign import unsigned
from traceability.subscription import Connected, Delivery, Died, Disconnected, Inbox, Refused, filters
from traceability.tally import Tally

PREFIX = "punchgate/v1"


class FakeLink:
    """A broker connection that remembers what was done to it, in order."""

    def __init__(self, done: list[tuple[str, Any]]) -> None:
        self.connected = True
        self.takes = True
        self.done = done

    def subscribe(self) -> None:
        self.done.append(("subscribe", None))

    def ack(self, delivery: Delivery) -> None:
        self.done.append(("ack", delivery.mid))

    def publish(self, topic: str, payload: bytes) -> bool:
        self.done.append(("publish", (topic, json.loads(payload))))
        return self.takes


class Desk:
    """A consumer in a thread, with a ledger whose commits are noted among what the link did."""

    def __init__(self, path: Path) -> None:
        self.done: list[tuple[str, Any]] = []
        self.failures = 0
        self.inbox: Inbox = SimpleQueue()
        self.link = FakeLink(self.done)
        self.ledger = Ledger(open_database(str(path)), "centre-1", Wall())
        self._writing = self.ledger.database.writing  # the seam where a disk fails
        self.ledger.database.writing = self._noted  # type: ignore[method-assign, assignment]
        self.consumer = Consumer(self.ledger, self.link, self.inbox, PREFIX, unsigned)
        self.thread = threading.Thread(target=self.consumer.run)
        self.thread.start()

    def _noted(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def noted() -> Iterator[Any]:
            if self.failures:
                self.failures -= 1
                raise NotDurable("disk is full", remedy="make room")
            with self._writing() as connection:
                yield connection
            self.done.append(("commit", None))

        return noted()

    def deliver(self, mid: int, lines: list[bytes], leaf: str = "records", gateway: str = "edge-01") -> None:
        body = b"\n".join(lines)
        self.inbox.put(Delivery(f"{PREFIX}/hq/{gateway}/{leaf}", body, None, 1, mid, 1))

    def names(self) -> list[str]:
        return [name for name, _ in self.done]

    def acked(self) -> list[int]:
        return [mid for name, mid in self.done if name == "ack"]

    def receipts(self) -> list[dict[str, Any]]:
        return [message for name, what in self.done if name == "publish" for message in (what[1],)]

    def close(self) -> None:
        self.consumer.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()
        self.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "ledger.sqlite")
    yield desk
    desk.close()


def test_first_the_commit_then_the_acknowledgement_then_the_receipt(desk: Desk) -> None:
    desk.deliver(1, chain(3))
    eventually(lambda: "publish" in desk.names())
    assert desk.names()[:3] == ["commit", "ack", "publish"]


def test_what_waits_is_committed_together(desk: Desk) -> None:
    desk.failures = 1
    lines = chain(40)
    for mid, each in enumerate(lines):
        desk.deliver(mid, [each])
    eventually(lambda: len(desk.acked()) == 40)
    assert desk.names().count("commit") < 6


def test_while_the_ledger_fails_nothing_is_acknowledged_or_receipted_and_then_everything(desk: Desk) -> None:
    desk.failures = 2
    with capture_logs() as logs:
        desk.consumer._log = structlog.get_logger()
        desk.deliver(1, chain(3))
        time.sleep(0.3)
        assert desk.done == []
        eventually(lambda: desk.acked() == [1])
    failed = [entry for entry in logs if entry["event"] == "ledger.failed"]
    assert [entry["log_level"] for entry in failed] == ["error", "error"]
    assert failed[0]["remedy"] == "make room"
    assert desk.receipts()[0]["through"] == 3


def test_without_a_connection_records_are_committed_and_receipts_wait_for_it(desk: Desk) -> None:
    desk.link.connected = False
    desk.deliver(1, chain(3))
    eventually(lambda: "commit" in desk.names())
    time.sleep(0.3)
    assert desk.receipts() == []
    desk.link.connected = True
    desk.inbox.put(Connected(resumed=True))
    eventually(desk.receipts)


def test_a_receipt_the_broker_did_not_take_is_made_anew(desk: Desk) -> None:
    desk.link.takes = False
    desk.deliver(1, chain(1))
    eventually(desk.receipts)
    desk.link.takes = True
    eventually(lambda: len(desk.receipts()) == 2)
    assert [receipt["receipt"] for receipt in desk.receipts()] == [1, 2]


def test_a_refused_subscription_is_said_with_what_to_do_and_asked_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "RESUBSCRIBE_S", 0.1)
    with capture_logs() as logs:
        desk.consumer._log = structlog.get_logger()
        desk.inbox.put(Refused(158, "Shared subscriptions not supported"))
        eventually(lambda: "subscribe" in desk.names())
    assert 'set centre.share = ""' in logs[0]["remedy"]


def test_a_broker_that_stays_away_is_said_once_a_minute(desk: Desk) -> None:
    with capture_logs() as logs:
        desk.consumer._log = structlog.get_logger()
        for _ in range(50):
            desk.inbox.put(Disconnected(None, "Connection refused", "is the broker running?"))
        desk.deliver(1, chain(1))
        eventually(desk.acked)
    assert len([entry for entry in logs if entry["event"] == "broker.lost"]) == 1


def test_a_message_of_more_lines_than_records_fit_into_it_is_dropped_whole(desk: Desk) -> None:
    desk.deliver(1, [b"{}"] * 100_000)
    desk.deliver(2, chain(1))
    eventually(lambda: desk.acked() == [1, 2])
    assert desk.consumer.tally.total == {("message.malformed", "batch"): 1}


@pytest.mark.parametrize("topic", ["", "other/hq/edge-01/records", f"{PREFIX}/HQ/edge-01/records", f"{PREFIX}/hq"])
def test_a_topic_that_is_no_gateways_is_counted_and_acknowledged(desk: Desk, topic: str) -> None:
    desk.inbox.put(Delivery(topic, chain(1)[0], None, 1, 9, 1))
    eventually(lambda: desk.acked() == [9])
    assert desk.consumer.tally.total == {("message.malformed", "topic"): 1}


def test_a_dead_broker_thread_ends_the_process_as_the_bug_it_is(tmp_path: Path) -> None:
    inbox: Inbox = SimpleQueue()
    consumer = Consumer(
        Ledger(open_database(str(tmp_path / "l.sqlite")), "c", Wall()), FakeLink([]), inbox, PREFIX, unsigned
    )
    inbox.put(Died(ValueError("struct")))
    with pytest.raises(RuntimeError, match="thread died"):
        consumer.run()


def test_records_are_shared_between_consumers_and_states_are_not() -> None:
    assert filters(Topics(PREFIX), "team") == [
        "$share/team/punchgate/v1/+/+/records",
        "$share/team/punchgate/v1/+/+/replay",
        "punchgate/v1/+/+/state",
    ]
    assert filters(Topics(PREFIX), "")[0] == "punchgate/v1/+/+/records"


def test_a_tally_says_a_kind_once_a_minute_with_the_number_since() -> None:
    tally, said = Tally(), list[int]()
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):
        tally.note("kind", now, said.append)
    assert said == [1, 3]
    assert tally.total["kind"] == 5


@pytest.mark.parametrize("remedy", [remedies.for_connection, remedies.for_subscription])
def test_every_refusal_has_a_remedy(remedy: Callable[[int], str]) -> None:
    assert all(remedy(code) for code in range(128, 163))
    assert "running" in remedies.for_connection(None)


def test_every_log_event_is_in_the_documentation() -> None:
    folder = Path(traceability.__file__).parent
    events = {
        event
        for file in folder.rglob("*.py")
        for event in re.findall(
            r"""(?:_say|alarm|info|error|debug|warning|exception)\(\s*"([a-z]+\.[a-z_]+)""", file.read_text()
        )
    }
    page = (folder.parent / "docs" / "centre.md").read_text()
    assert len(events) >= 12
    assert [event for event in sorted(events) if f"`{event}`" not in page] == []
