"""What the UHF families share: a report is not a read, two sides make a direction, memory has an end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.asking import Request
from drivers.contract import FEEDBACK, Command
from drivers.events import CardRead, DeviceChange, Event, Frame, Passage
from drivers.uhf import MAX_TAGS, Field, Report, Rules, units_by_address
from drivers.uhf_asking import INVENTORY, InventoryScript

EPC = bytes.fromhex("E28011606000020A11223344")
GATE = {"0": "outer", "1": "inner"}


def names(events: tuple[Event, ...]) -> list[str]:
    return [_name(event) for event in events]


def _name(event: Event) -> str:
    if isinstance(event, CardRead) and event.is_repeat:
        return "repeat"
    return event.name if isinstance(event, Frame) else event.event


def told(field: Field, *reports: tuple[float, int | None]) -> list[str]:
    """Reports as (time, signal)."""
    return [name for at, rssi in reports for name in names(field.see(Report(EPC, rssi), at))]


def walked(field: Field, *reports: tuple[float, str], epc: bytes = EPC) -> list[str]:
    """Reports as (time, antennas that saw it): the directions told."""
    events = [
        event for at, antennas in reports for event in field.see(Report(epc, None, [int(a) for a in antennas]), at)
    ]
    return [event.direction for event in events if isinstance(event, Passage)]


def test_a_read_is_the_epc_in_upper_case_with_its_bits() -> None:
    (event,) = Field(Rules(), 3).see(Report(EPC, -50, fields={"epc": EPC.hex()}), 0.0)
    assert event == CardRead(scheme="epc", value=EPC.hex().upper(), bits=96, unit=3, fields={"epc": EPC.hex()})


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.0, 1.0], ["card_read", "repeat"]),
        ([0.0, 2.0], ["card_read", "repeat"]),
        ([0.0, 2.1], ["card_read", "card_read"]),
        ([0.0, 1.9, 3.8, 5.7], ["card_read", "repeat", "repeat", "repeat"]),
        ([0.0, 1.9, 4.0], ["card_read", "repeat", "card_read"]),
    ],
)
def test_the_window_slides_with_each_report(times: list[float], expected: list[str]) -> None:
    assert told(Field(Rules(tag_window_s=2.0)), *((at, None) for at in times)) == expected


def test_the_window_may_be_switched_off() -> None:
    assert told(Field(Rules(tag_window_s=0.0)), (0.0, None), (0.0, None)) == ["card_read", "card_read"]


def test_each_tag_has_a_window_of_its_own() -> None:
    field = Field(Rules())
    assert names(field.see(Report(EPC, None), 0.0) + field.see(Report(EPC[::-1], None), 0.1)) == ["card_read"] * 2


def test_a_weak_tag_neither_opens_nor_keeps_a_window() -> None:
    field = Field(Rules(rssi_floor=-60))
    assert told(field, (0.0, -61), (0.5, -60)) == ["weak", "card_read"]
    assert told(field, (2.0, -70), (4.0, -70), (4.1, -50)) == ["weak", "weak", "card_read"]


def test_a_reader_that_tells_no_signal_has_no_weak_tags() -> None:
    assert told(Field(Rules(rssi_floor=-60)), (0.0, None)) == ["card_read"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(0, "0"), (1, "1")], ["inward"]),
        ([(0, "1"), (1, "0")], ["outward"]),
        ([(0, "0"), (1, "0")], []),
        ([(0, "0"), (6, "1")], []),
        ([(0, "0"), (0.5, "01"), (1, "1")], ["inward"]),
        ([(0, "01"), (1, "1")], []),
        ([(0, "3"), (1, "1")], []),
    ],
    ids=[
        "in",
        "out",
        "one side",
        "too long",
        "both at once between",
        "first seen by both",
        "an antenna without a side",
    ],
)
def test_a_direction_is_one_side_and_then_the_other_in_time(
    steps: list[tuple[float, str]], expected: list[str]
) -> None:
    assert walked(Field(Rules(antennas=GATE, cross_s=5.0)), *steps) == expected


def test_the_passage_follows_the_report_that_completes_it() -> None:
    field = Field(Rules(antennas=GATE, tag_window_s=2.0))
    assert names(field.see(Report(EPC, None, [0]), 0.0)) == ["card_read"]
    assert names(field.see(Report(EPC, None, [1]), 1.0)) == ["repeat", "passage"]
    slow = Field(Rules(antennas=GATE, tag_window_s=2.0))
    slow.see(Report(EPC, None, [0]), 0.0)
    assert names(slow.see(Report(EPC, None, [1]), 3.0)) == ["card_read", "passage"]


def test_somebody_who_stops_between_the_antennas_is_one_passage() -> None:
    by_turns = [(n * 0.1, "01"[n % 2]) for n in range(300)]
    assert walked(Field(Rules(antennas=GATE)), *by_turns) == ["inward"]


def test_who_turns_back_is_told_when_one_side_alone_has_seen_him_for_a_second() -> None:
    field = Field(Rules(antennas=GATE))
    assert walked(field, (0.0, "0"), (0.5, "1"), (0.6, "0"), (1.2, "0")) == ["inward"]
    assert walked(field, (1.6, "0")) == ["outward"]


def test_who_has_settled_on_one_side_is_told_at_once_when_he_comes_back() -> None:
    field = Field(Rules(antennas=GATE))
    assert walked(field, (0.0, "0"), (0.5, "1"), (1.0, "1"), (1.6, "1"), (2.0, "0")) == ["inward", "outward"]


def test_a_weak_report_crosses_nothing() -> None:
    field = Field(Rules(rssi_floor=60, antennas=GATE))
    field.see(Report(EPC, 80, [0]), 0.0)
    assert names(field.see(Report(EPC, 50, [1]), 0.5)) == ["weak"]
    assert names(field.see(Report(EPC, 70, [1]), 0.6)) == ["repeat", "passage"]


@given(st.lists(st.tuples(st.floats(0.0, 1.5), st.sampled_from(["0", "1", "01"])), max_size=60))
def test_directions_alternate_however_somebody_wanders(steps: list[tuple[float, str]]) -> None:
    at, field, ways = 0.0, Field(Rules(antennas=GATE)), []
    for pause, antennas in steps:
        at += pause
        ways += walked(field, (at, antennas))
    assert all(a != b for a, b in pairwise(ways))


def test_after_reset_nobody_is_near() -> None:
    field = Field(Rules(antennas=GATE))
    field.see(Report(EPC, None, [0]), 0.0)
    field.forget()
    assert names(field.see(Report(EPC, None, [1]), 0.1)) == ["card_read"]


def test_the_tag_seen_last_is_remembered_longest() -> None:
    field = Field(Rules(tag_window_s=30.0))
    for n in range(MAX_TAGS):
        field.see(Report(n.to_bytes(12), None), 0.0)
    field.see(Report((0).to_bytes(12), None), 1.0)
    field.see(Report(EPC, None), 1.0)
    assert names(field.see(Report((0).to_bytes(12), None), 2.0)) == ["repeat"]
    assert names(field.see(Report((1).to_bytes(12), None), 2.0)) == ["card_read"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (Rules(tag_window_s=-1.0), "tag_window_s"),
        (Rules(tag_window_s=31.0), "tag_window_s"),
        (Rules(cross_s=0.0), "cross_s"),
        (Rules(antennas={"0": "outer"}), "antennas"),
        (Rules(antennas={"0": "outer", "4": "inner"}), "4"),
        (Rules(antennas={"0": "outer", "x": "inner"}), "x"),
        (Rules(antennas={"0": "outer", "1": "left"}), "left"),
    ],
)
def test_impossible_rules_are_refused_by_name(rules: Rules, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rules.check(4)


@pytest.mark.parametrize("addresses", [[None, None], [1, None], [2, 2]])
def test_several_readers_need_an_address_each(addresses: list[int | None]) -> None:
    with pytest.raises(ValueError, match="address"):
        units_by_address(addresses)


class Plain:
    """A dialogue of one question; a frame `ok` answers, `bad` complains."""

    def __init__(self, unit: int) -> None:
        self.unit = unit
        self.states: list[str] = []
        self.restarts = 0

    def question(self) -> Request:
        return Request(b"?", self.unit, 0.5, INVENTORY)

    def takes(self, event: Event, asked: Request) -> bool:
        return isinstance(event, Frame)

    def settled_at(self, event: Event, asked_at: float) -> float | None:
        return asked_at if isinstance(event, Frame) and event.name == "ok" else None

    def complaint(self, event: Event) -> tuple[str, str | None] | None:
        return ("", "broken" if event.name == "bad" else None) if isinstance(event, Frame) else None

    def pause_s(self, event: Event) -> float:
        return 9.0 if isinstance(event, Frame) and event.name == "active" else 0.0

    def order(self, state: str) -> None:
        self.states.append(state)

    def restart(self) -> None:
        self.restarts += 1


def started(count: int = 1) -> tuple[InventoryScript, list[Plain]]:
    dialogues = [Plain(unit) for unit in range(count)]
    script = InventoryScript(dialogues, [0.1] * count)
    for unit in range(count):
        script.start(unit, None, 0.0)
    return script, dialogues


def test_a_reader_is_asked_every_poll_s() -> None:
    script, _ = started()
    assert script.ask(5.0) is not None
    assert script.due() == pytest.approx(5.1)


def test_a_reader_that_is_listened_to_is_never_asked() -> None:
    script = InventoryScript([None], [0.1])
    script.start(0, None, 0.0)
    assert script.due() is None
    heard = script.hear(Frame(name="ok"), None, 0.0)
    assert (heard.events, heard.answers) == ((Frame(name="ok"),), False)


def test_a_complaint_is_told_when_it_begins_and_again_after_it_was_mended() -> None:
    script, _ = started()
    asked = script.ask(0.0)
    said = [script.hear(Frame(name=name), asked, 0.0).events[1:] for name in ("bad", "bad", "ok", "bad")]
    fault = DeviceChange(kind="fault", reason="broken")
    assert said == [(fault,), (), (), (fault,)]


def test_a_silent_reader_does_not_hold_up_the_others() -> None:
    script, _ = started(2)
    asked = script.ask(0.0)
    assert asked is not None
    for _ in range(3):
        script.miss(asked, 10.0)
    other = script.ask(10.0)
    assert other is not None
    assert other.unit != asked.unit
    assert script.due() == pytest.approx(10.1)
    missed = 0
    for at in range(11, 31):
        request = script.ask(float(at))
        if request is not None and request.unit == asked.unit:
            missed += 1
            script.miss(request, float(at))
    assert 4 <= missed <= 6, "after 1, 2, 4, 4, … seconds"


def test_a_lone_silent_reader_is_asked_on() -> None:
    script, dialogues = started()
    asked = script.ask(0.0)
    assert asked is not None
    for _ in range(5):
        script.miss(asked, 0.5)
    assert script.due() == pytest.approx(0.1)
    assert dialogues[0].restarts == 5


def test_a_reader_that_speaks_by_itself_is_left_alone() -> None:
    script, _ = started()
    script.hear(Frame(name="active"), None, 1.0)
    assert script.due() == pytest.approx(10.0)


def test_what_a_reader_shows_on_being_asked_is_dated_and_what_it_says_by_itself_is_not() -> None:
    script, _ = started()
    asked = script.ask(3.0)
    heard = [script.hear(Frame(name=name), asked, 3.1) for name in ("ok", "bad", "active")]
    assert [each.settled_at for each in heard] == [3.0, None, None]
    assert [each.is_shown for each in heard] == [True, True, False]


def test_an_answer_of_another_reader_answers_nothing() -> None:
    script, _ = started(2)
    asked = script.ask(0.0)
    assert asked is not None
    assert not script.hear(Frame(name="ok", unit=1 - asked.unit), asked, 0.0).answers
    assert not script.hear(Frame(name="unconfigured", unit=None), asked, 0.0).answers
    assert script.hear(Frame(name="ok", unit=asked.unit), asked, 0.0).answers


def test_feedback_goes_to_the_reader_it_is_meant_for() -> None:
    script, dialogues = started(2)
    script.order(Command(FEEDBACK, {"state": "refused"}, unit=1), 0.0)
    script.order(Command("text", {"text": "hello"}, unit=0), 0.0)
    assert [dialogue.states for dialogue in dialogues] == [[], ["refused"]]
