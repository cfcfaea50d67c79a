"""The arithmetic of the drill's verdict: each kind of mistake is seen, counted once, and laid at the right fault."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.simulation.drill_verdict import Played, Verdict, judge
from gateway.simulation.wire import Fate, Frame
from gateway.wire import timestamp

START_S = 1_790_000_000.0
CARDS = ["0D00000001", "0D00000002", "0D00000003"]


def token(card: str) -> str:
    return f"k1:{card}"


class Ledger:
    """Lines as the centre would export them, chained."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def add(self, kind: str, at_s: float, waits: dict[str, int] | None = None, **data: Any) -> int:
        seq = len(self.events) + 1
        clock = {"boot": "b", "boot_ns": round(at_s * 1e9), "error_ms": None} | (waits or {})
        self.events.append(
            {
                "id": f"demo/edge-01/e/{seq}",
                "type": f"punchgate.{kind}.v1",
                "time": timestamp(round((START_S + at_s) * 1000)),
                "data": {"seq": seq, "epoch": "e", "clock": clock, **data},
            }
        )
        return seq

    def swipe(self, card: str, at_s: float, **clock: int) -> int:
        """A read and its punch."""
        read = self.add("credential.read", at_s, clock, device="in", subject={"token": token(card)})
        return self.add("punch", at_s, clock, refs={"read": read, "passes": []}, outcome="assumed")

    def passage(self, at_s: float) -> int:
        return self.add("passage.sensed", at_s, device="arm", direction="in", count=1)

    def lines(self) -> list[bytes]:
        prev, lines = "0" * 64, []
        for event in self.events:
            event["data"]["prev"] = prev
            lines.append(json.dumps(event).encode())
            prev = hashlib.sha256(lines[-1]).hexdigest()
        return lines


@pytest.fixture
def ledger() -> Ledger:
    """Two strokes: card 1 and a pass, then card 2; numbers up to 3 and up to 5."""
    made = Ledger()
    made.swipe(CARDS[0], 1.0)
    made.passage(1.2)
    made.swipe(CARDS[1], 5.0)
    return made


def played(second: str = "kill", fate: Fate = "", more: Sequence[Frame] = ()) -> list[Played]:
    """`fate` is that of card 2; `more` was presented during the first stroke."""
    first, last = Frame(CARDS[0], START_S + 1.0, 0), Frame(CARDS[1], START_S + 5.0, 0, fate=fate)
    return [
        Played("unplug", {"in": [first, *more], "arm": [Frame("in", START_S + 1.2, 0)]}, 3, 0.5),
        Played(second, {"in": [last], "arm": []}, 5, 1.5),
    ]


def verdict(lines: list[bytes], strokes: list[Played]) -> Verdict:
    return judge(strokes, lines, token, {"arm"})


def wrong(found: Verdict) -> dict[tuple[str, str], int]:
    names = ("lost", "invented", "duplicated", "misdated")
    return {(r.fault, name): getattr(r, name) for r in found.rows.values() for name in names if getattr(r, name)}


def test_what_was_presented_and_arrived_once_is_a_clean_drill(ledger: Ledger) -> None:
    found = verdict(ledger.lines(), played())
    assert found.clean
    assert found.line == "drill: 2 faults, 3 frames, 0 lost, 0 invented, 0 duplicated, 0 misdated"
    assert [(row.fault, row.struck, row.frames, row.first_s) for row in found.rows.values()] == [
        ("unplug", 1, 2, 0.5), ("kill", 1, 1, 1.5),
    ]  # fmt: skip


def test_strokes_of_one_fault_are_one_row_with_the_longest_wait(ledger: Ledger) -> None:
    (row,) = verdict(ledger.lines(), played(second="unplug")).rows.values()
    assert (row.struck, row.frames, row.first_s) == (2, 3, 1.5)


def test_a_frame_without_a_record_is_lost_where_it_was_presented(ledger: Ledger) -> None:
    found = verdict(ledger.lines(), played(more=[Frame(CARDS[2], START_S + 1.5, 0)]))
    assert wrong(found) == {("unplug", "lost"): 1}
    assert any(CARDS[2] in remark for remark in found.remarks)


def test_a_record_that_is_taken_away_is_lost_and_breaks_the_chain(ledger: Ledger) -> None:
    found = verdict([line for line in ledger.lines() if b'"seq": 4,' not in line], played())
    assert wrong(found)["kill", "lost"] == 1
    assert "chain: 5 where 4 should be" in found.remarks


@pytest.mark.parametrize(("fate", "column"), [("hand", "in_hand"), ("plug", "on_plug")])
def test_a_frame_with_an_excuse_has_a_column_of_its_own(ledger: Ledger, fate: Fate, column: str) -> None:
    del ledger.events[3:]
    found = verdict(ledger.lines(), played(fate=fate))
    assert found.clean
    assert getattr(found.rows["kill"], column) == 1


def test_an_excused_frame_that_arrived_is_not_counted(ledger: Ledger) -> None:
    found = verdict(ledger.lines(), played(fate="hand"))
    assert found.clean
    assert found.total("in_hand") == 0


def test_a_card_nobody_presented_is_invented(ledger: Ledger) -> None:
    ledger.swipe(CARDS[2], 5.5)
    assert wrong(verdict(ledger.lines(), played())) == {("kill", "invented"): 1}


def test_a_pass_too_many_is_invented_and_one_too_few_is_lost(ledger: Ledger) -> None:
    ledger.passage(5.1)
    found = wrong(verdict(ledger.lines(), played()))
    assert found["kill", "invented"] == 1
    bare = Ledger()
    bare.swipe(CARDS[0], 1.0)
    bare.add("gateway.note", 1.1)
    bare.swipe(CARDS[1], 5.0)
    assert wrong(verdict(bare.lines(), played())) == {("unplug", "lost"): 1}


def test_a_card_read_twice_and_a_line_stored_twice_are_duplicated(ledger: Ledger) -> None:
    ledger.swipe(CARDS[1], 5.2)
    lines = ledger.lines()
    assert wrong(verdict(lines, played())) == {("kill", "duplicated"): 1}
    assert wrong(verdict([*lines[:5], lines[4]], played())) == {("kill", "duplicated"): 1}


@pytest.mark.parametrize(
    ("clock", "misdated"),
    [
        ({}, 1),
        ({"error_ms": 500}, 1),
        ({"error_ms": 3500}, 0),
        ({"waited_ms": 3500}, 0),
        ({"error_ms": 500, "waited_ms": 500}, 1),
    ],
)
def test_a_time_is_wrong_only_beyond_what_it_says(clock: dict[str, int], misdated: int) -> None:
    ledger = Ledger()
    ledger.swipe(CARDS[0], 1.0)
    ledger.passage(1.2)
    ledger.swipe(CARDS[1], 9.0, **clock)
    assert verdict(ledger.lines(), played()).total("misdated") == misdated


def test_while_the_clock_was_set_the_last_anchor_dates_the_record(ledger: Ledger) -> None:
    ledger.events[3]["time"] = timestamp(round((START_S + 7200) * 1000))
    ledger.add("clock.anchor", 6.0, boot="b", offset_ms=round(START_S * 1000))
    assert wrong(verdict(ledger.lines(), played("clock"))) == {}
    assert wrong(verdict(ledger.lines(), played("kill"))) == {("kill", "misdated"): 1}


@pytest.mark.parametrize(("again", "name"), [(0, "lost"), (2, "duplicated")])
def test_a_read_is_closed_by_one_punch(ledger: Ledger, again: int, name: str) -> None:
    del ledger.events[4]
    for _ in range(again):
        ledger.add("punch", 5.0, refs={"read": 4, "passes": []}, outcome="assumed")
    assert wrong(verdict(ledger.lines(), played())) == {("kill", name): 1}


def test_a_punch_of_no_read_and_a_repeat_are_invented(ledger: Ledger) -> None:
    ledger.add("punch", 5.0, refs={"read": 1000, "passes": []}, outcome="assumed")
    ledger.add("credential.repeated", 5.0, device="in", read=1, count=1)
    assert wrong(verdict(ledger.lines(), played())) == {("kill", "invented"): 2}


def test_cards_in_another_order_than_they_came_are_remarked_upon(ledger: Ledger) -> None:
    ledger.events.clear()
    ledger.swipe(CARDS[1], 5.0)
    ledger.passage(1.2)
    ledger.swipe(CARDS[0], 1.0)
    found = verdict(ledger.lines(), played())
    assert wrong(found) == {}
    assert not found.clean
    assert found.remarks[0].startswith("order: demo/edge-01/e/4")


@pytest.mark.parametrize("field", ["epoch", "prev"])
def test_a_chain_that_does_not_hold_is_no_clean_drill(ledger: Ledger, field: str) -> None:
    events = [json.loads(line) for line in ledger.lines()]
    events[-1]["data"][field] = "other"
    found = verdict([json.dumps(event).encode() for event in events], played())
    assert not found.clean
    assert found.remarks[-1].startswith("chain: ")
