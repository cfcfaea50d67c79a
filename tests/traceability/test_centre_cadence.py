from __future__ import annotations

from traceability.cadence import Cadence
from traceability.streams import Key

KEY = Key("hq", "edge-01", "0" * 16)
OTHER = Key("hq", "edge-02", "0" * 16)


def test_a_first_change_is_receipted_at_once() -> None:
    cadence = Cadence()
    cadence.touch(KEY, 10.0)
    assert cadence.due(10.0) == [KEY]


def test_changes_within_a_tenth_of_a_second_share_one_receipt() -> None:
    cadence = Cadence()
    cadence.touch(KEY, 10.0)
    cadence.sent(KEY, 10.0, None)
    cadence.touch(KEY, 10.02)
    cadence.touch(KEY, 10.09)
    assert cadence.due(10.09) == []
    assert cadence.next_at() == 10.1
    assert cadence.due(10.1) == [KEY]


def test_nothing_is_due_when_nothing_changed_and_nothing_is_missing() -> None:
    cadence = Cadence()
    cadence.touch(KEY, 10.0)
    cadence.sent(KEY, 10.0, None)
    assert cadence.next_at() is None


def test_a_receipt_is_repeated_when_it_asked_for_it_and_earlier_when_something_changes() -> None:
    cadence = Cadence()
    cadence.touch(KEY, 10.0)
    cadence.sent(KEY, 10.0, 5.0)
    assert cadence.next_at() == 15.0
    cadence.touch(KEY, 12.0)
    assert cadence.due(12.0) == [KEY]


def test_who_waits_longest_is_told_first() -> None:
    cadence = Cadence()
    cadence.touch(OTHER, 1.0)
    cadence.touch(KEY, 2.0)
    assert cadence.due(3.0) == [OTHER, KEY]
