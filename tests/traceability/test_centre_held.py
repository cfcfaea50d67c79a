"""What waits for its group is read in time, once, and belongs to one group only."""

from __future__ import annotations

from queue import SimpleQueue

import pytest
from centre_bench import Wall
from centre_lines import chain

from traceability import held
from traceability.database import open_database
from traceability.held import Held
from traceability.ledger import Ledger
from traceability.subscription import Connected, Delivery, Inbox


def delivery(number: int) -> Delivery:
    return Delivery("punchgate/v1/hq/gate-1/batch", b"%d" % number, None, 1, number, 1)


class Reader:
    """Notes what it was given to read."""

    def __init__(self) -> None:
        self.inbox: Inbox = SimpleQueue()
        self.read: list[int] = []
        self.held = Held(self.inbox, self._read)

    def _read(self, one: Delivery) -> int:
        self.read.append(one.mid)
        return one.mid


def test_what_is_read_ahead_belongs_to_the_next_group_and_is_read_once() -> None:
    reader = Reader()
    reader.held.put(delivery(1))
    for number in (2, 3):
        reader.inbox.put(delivery(number))
    assert reader.held.group() == [1]
    for _ in range(5):
        reader.held.ahead()
    assert [each.mid for each in reader.held.take()] == [1]
    assert reader.held.group() == [2, 3]
    assert [each.mid for each in reader.held.take()] == [2, 3]
    assert reader.read == [1, 2, 3]
    assert not reader.held


def test_what_a_connection_says_while_a_group_is_written_waits_and_all_behind_it_too() -> None:
    reader = Reader()
    reader.held.put(delivery(1))
    reader.held.group()
    reader.inbox.put(Connected(resumed=True))
    reader.inbox.put(delivery(2))
    for _ in range(3):
        reader.held.ahead()
    assert reader.held.later == [Connected(resumed=True)]
    assert reader.read == [1]


def test_a_group_that_could_not_be_written_is_read_again_with_what_came_meanwhile() -> None:
    reader = Reader()
    reader.held.put(delivery(1))
    reader.inbox.put(delivery(2))
    reader.held.group()
    reader.held.ahead()
    reader.held.forget()
    assert reader.held.group() == [1, 2]
    assert reader.read == [1, 2, 1, 2]


def test_no_more_is_read_ahead_than_a_group_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_GROUP_MESSAGES", 3)
    reader = Reader()
    reader.held.put(delivery(0))
    for number in range(1, 9):
        reader.inbox.put(delivery(number))
    reader.held.group()
    for _ in range(9):
        reader.held.ahead()
    assert reader.read == [0, 1, 2, 3]


def test_reading_ahead_ends_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "MAX_GROUP_S", 0.0)
    reader = Reader()
    reader.held.put(delivery(0))
    reader.inbox.put(delivery(1))
    reader.held.group()
    reader.held.ahead()
    assert reader.read == [0]


def test_a_server_takes_lines_in_while_something_else_is_done(place: str) -> None:
    ledger, calls = Ledger(open_database(place), "centre-1", Wall()), list[int]()
    with ledger.group([("hq", "edge-01")], lambda: calls.append(1)) as group:
        group.take("hq", "edge-01", chain(600))
        assert group.counts["new"] == 600
    ledger.close()
    assert bool(calls) == place.startswith("postgresql")
