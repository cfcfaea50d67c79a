"""Reads and passes of the ledger paired by other parameters: what would be concluded; nothing is changed by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select
from test_whereabouts_tables import DAY_MS, Both, Journal

from traceability.presence.moments import HOUR_MS, MINUTE_MS, Span
from traceability.presence.trial import Trial
from traceability.whereabouts import tables
from traceability.whereabouts.inquiry import Inquiry
from traceability.whereabouts.trying import Wish

WINDOW = Span(DAY_MS, DAY_MS + HOUR_MS)
LANE = {"portal": "gate", "lane": "gate"}


class Gate:
    """The journal of a lane with a reader and a sensor, as its gateway would write it."""

    def __init__(self) -> None:
        self.journal = Journal("edge-0", 0)
        self.journal.write(0, "gateway.started")
        self.journal.write(0, "device.up", device="beam", lane="gate")

    def read(self, minute: int, token: str) -> int:
        subject = {"kind": "credential", "token": token, "count": 1}
        self.journal.write(minute, "credential.read", device="gate-in", side="in", subject=subject, **LANE)
        return len(self.journal.lines)

    def passed(self, minute: int) -> int:
        self.journal.write(minute, "passage.sensed", device="beam", direction="in", count=1, **LANE)
        return len(self.journal.lines)

    def punch(self, minute: int, outcome: str, token: str | None, read: int | None, passes: list[int]) -> None:
        subject = {"kind": "anonymous", "count": 1} | (
            {} if token is None else {"kind": "credential", "token": token}
        )
        words = {"outcome": outcome, "confidence": "confirmed", "subject": subject, "direction": "in"}
        ends = {"from_zone": "outside", "to_zone": "lobby", "refs": {"read": read, "passes": passes}}
        self.journal.write(minute, "punch", device="gate-in", **words, **ends, **LANE)


@pytest.fixture
def both(new_place: Callable[..., str]) -> Iterator[Both]:
    """One who went through at once, one who took a minute, one who went without a card."""
    gate = Gate()
    read = gate.read(5, "k1:a")
    gate.punch(5, "completed", "k1:a", read, [gate.passed(5)])
    read = gate.read(10, "k1:b")
    gate.punch(10, "not_taken", "k1:b", read, [])
    gate.punch(11, "forced", None, None, [gate.passed(11)])
    gate.punch(20, "forced", None, None, [gate.passed(20)])
    gate.journal.write(50, "device.up", device="beam", lane="gate")
    both = Both(new_place("tried"))
    both.arrive(gate.journal.lines)
    yield both
    both.close()


def tried(both: Both, **wish: Any) -> Trial:
    return Inquiry(both.database).pairing("hq", "gate", Wish(**wish), WINDOW)


def test_by_the_gateways_parameters_it_would_be_what_it_was(both: Both) -> None:
    told = tried(both)
    assert (told.reads, told.passes, told.differences, told.moved) == (2, 3, (), ())
    assert told.was == told.would_be == (("completed", 1), ("forced", 2), ("not_taken", 1))


def test_with_a_longer_window_who_took_a_minute_would_have_gone_through(both: Both) -> None:
    told = tried(both, pass_timeout_ms=90_000)
    (one,) = told.differences
    assert {each.outcome for each in one.was} == {"not_taken", "forced"}
    assert [(each.at_ms, each.outcome, each.subject) for each in one.would_be] == [
        (DAY_MS + 11 * MINUTE_MS, "completed", "card/k1:b")
    ]
    assert told.moved == ("card/k1:b",)
    assert dict(told.would_be) == {"completed": 2, "forced": 1}


def test_on_a_free_lane_nobody_would_have_forced_his_way(both: Both) -> None:
    told = tried(both, controlled=False)
    assert dict(told.would_be) == {"anonymous": 2, "completed": 1, "not_taken": 1}
    assert told.moved == ()


def test_without_a_sensor_all_reads_would_be_assumed(both: Both) -> None:
    assert dict(tried(both, has_sensor=False).would_be) == {"assumed": 2}


def test_while_the_sensor_was_down_it_is_not_known_whether_somebody_went(new_place: Callable[..., str]) -> None:
    gate = Gate()
    gate.passed(1)
    gate.journal.write(9, "device.down", device="beam", lane="gate", reason="unplugged")
    gate.read(10, "k1:b")
    gate.journal.write(12, "device.up", device="beam", lane="gate")
    gate.read(30, "k1:b")
    gate.journal.write(50, "device.up", device="beam", lane="gate")
    both = Both(new_place("blind"))
    both.arrive(gate.journal.lines)
    assert dict(tried(both).would_be) == {"ambiguous": 1, "forced": 1, "not_taken": 1}
    both.close()


def test_what_is_known_of_the_end_ends_the_windows_that_were_open_then(new_place: Callable[..., str]) -> None:
    gate = Gate()
    gate.passed(1)
    gate.read(10, "k1:b")
    both = Both(new_place("open"))
    both.arrive(gate.journal.lines)
    assert dict(tried(both).would_be)["ambiguous"] == 1, "the last that is heard is the read itself"
    both.close()


def test_trying_changes_nothing(both: Both) -> None:
    def rows() -> list[Any]:
        with both.database.reading() as connection:
            return [connection.execute(select(table)).all() for table in (tables.signs, tables.steps, tables.stays)]

    before = rows()
    tried(both, pass_timeout_ms=90_000)
    assert rows() == before
