"""Modbus: replies are understood beside their requests, noise costs nothing, and nothing is ever written."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.driverfacts import DriverFacts
from drivers import registry
from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Input, Passage
from drivers.modbus import tcp
from drivers.modbus.rtu import framed
from drivers.modbus.watch import StaleCard
from drivers.modbus_turnstile import DRIVER, Options, redact
from drivers.redaction import rewrite
from drivers.suite import pieces_of, said

BOARD: dict[str, Any] = {"preset": "none", "inputs": "discrete 0 8"}


def ask(unit: int, function: int, address: int, count: int) -> bytes:
    return framed(unit, bytes([function]) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def registers(*values: int, unit: int = 1) -> bytes:
    return framed(unit, bytes([3, 2 * len(values)]) + b"".join(value.to_bytes(2, "big") for value in values))


def turnstile(entries: int, exits: int = 0, error: int = 0, unit: int = 1) -> bytes:
    return registers(entries & 0xFFFF, entries >> 16, exits & 0xFFFF, exits >> 16, error, unit=unit)


def contacts(bits: int, unit: int = 1) -> bytes:
    return framed(unit, bytes([2, 1, bits]))


class Talk:
    """A driver that has been started, and the device's side by hand."""

    def __init__(self, *units: Options, marks: tuple[str | None, ...] = ()) -> None:
        self.driver: Driver = DRIVER.new(*units)
        self.now = 100.0
        self.asked: list[bytes] = []
        for unit in range(len(units) or 1):
            self.driver.send(Command(START, {"mark": marks[unit] if marks else None}, unit), self.now)

    def question(self) -> bytes:
        """The next one, as soon as it is asked; what is told meanwhile must be nothing."""
        for _ in range(1000):
            if questions := self.driver.commands():
                (question,) = questions
                self.asked.append(question)
                return question
            due = self.driver.next_poll()
            assert due is not None
            self.now = max(self.now, due)
            self.told = self.driver.poll(self.now)
        raise AssertionError("nothing is asked")

    def answer(self, *replies: bytes) -> list[Event]:
        """What is told of answers to the next questions."""
        events: list[Event] = []
        for reply in replies:
            self.question()
            self.now += 0.01
            events += self.driver.feed(reply, self.now)
        return events

    def wait(self, seconds: float) -> list[Event]:
        """Nobody answers for a while."""
        until, events = self.now + seconds, []
        while (due := self.driver.next_poll()) is not None and due < until:
            self.now = max(self.now, due)
            events += self.driver.poll(self.now)
            self.asked += self.driver.commands()
        self.now = until
        return events


def facts(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, (Frame, BadFrame))]


def passages(events: list[Event]) -> list[tuple[str, int, bool]]:
    return [(e.direction, e.count, "missed" in e.fields) for e in events if isinstance(e, Passage)]


def mark_of(events: list[Event]) -> str:
    return [event.mark for event in events if event.mark is not None][-1]


# --- frames


def test_a_reply_is_understood_beside_its_request_and_is_only_registers_without() -> None:
    driver = DRIVER.new()
    (alone,) = driver.feed(registers(5, 0), 0.0)
    _, beside = driver.feed(ask(1, 3, 0x44, 2) + registers(5, 0), 1.0)
    assert alone.fields == {"unit": 1, "function": 3, "registers": [5, 0], "crc_ok": True}
    assert beside.fields["entry_count"] == 5


def test_a_request_is_not_remembered_for_ever() -> None:
    driver = DRIVER.new()
    driver.feed(ask(1, 3, 0x44, 2), 0.0)
    (late,) = driver.feed(registers(5, 0), 10.0)
    assert "address" not in late.fields


def test_a_reply_of_another_size_or_unit_answers_nothing() -> None:
    driver = DRIVER.new(Options(unit=1), Options(unit=2))
    driver.feed(ask(1, 3, 0x44, 2), 0.0)
    other, longer, right = driver.feed(registers(5, 0, unit=2) + registers(5, 0, 1) + registers(5, 0), 0.0)
    assert [event.unit for event in (other, longer, right)] == [1, 0, 0]
    assert ["address" in event.fields for event in (other, longer, right)] == [False, False, True]


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 16, 247])
def test_a_noise_byte_before_or_behind_a_reply_loses_nothing_and_delays_nothing(unit: int) -> None:
    replies = ((Options(unit=unit), turnstile(40, unit=unit)), (Options(unit=unit, **BOARD), contacts(0, unit)))
    for noise in range(256):
        for options, reply in replies:
            for answer in (bytes([noise]) + reply, reply + bytes([noise]), bytes([noise]) + reply + bytes([noise])):
                talk = Talk(options)
                names = [event.name for event in talk.answer(answer) if isinstance(event, Frame)]
                assert names == ["reply"], f"unit {unit}, noise {noise:02X}"


def test_a_noise_byte_before_an_exception_loses_nothing() -> None:
    for noise in range(256):
        assert any(isinstance(e, Frame) for e in Talk().answer(bytes([noise]) + framed(1, b"\x83\x02"))), noise


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=12),
            st.builds(turnstile, st.integers(0, 2**32 - 1), st.integers(0, 99), unit=st.integers(1, 3)),
            st.builds(ask, st.integers(1, 3), st.integers(1, 4), st.integers(0, 0x2FF), st.integers(1, 60)),
            st.builds(lambda unit, code: framed(unit, bytes([0x83, code])), st.integers(1, 3), st.integers(1, 11)),
            st.builds(contacts, st.integers(0, 255), unit=st.integers(1, 3)),
            st.just(framed(1, bytes.fromhex("1000400002040001000B"))),
            st.just(framed(2, bytes.fromhex("2B0E010100000101025047"))),
        ).flatmap(lambda data: st.integers(0, max(0, len(data) - 1)).map(lambda cut: data[: len(data) - cut // 4])),
        max_size=12,
    ),
    st.lists(st.integers(0, 400), max_size=12),
)
@settings(max_examples=600, deadline=None)
def test_however_a_line_is_cut_up_it_says_the_same(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    units = [Options(unit=1), Options(unit=2, **BOARD)]
    whole = said(pieces_of(DRIVER.new(*units), [stream]))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert said(pieces_of(DRIVER.new(*units), pieces)) == whole
    assert said(pieces_of(DRIVER.new(*units), [bytes([byte]) for byte in stream])) == whole


def test_every_request_and_reply_of_a_frame_is_told_whatever_its_sizes() -> None:
    rng = random.Random(3)
    for _ in range(500):
        function, unit = rng.randint(1, 4), rng.randint(1, 247)
        count = rng.randint(1, 2000 if function <= 2 else 125)
        size = (count + 7) // 8 if function <= 2 else 2 * count
        request = ask(unit, function, rng.randint(0, 0xFFFF), count)
        reply = framed(unit, bytes([function, size]) + rng.randbytes(size))
        events = pieces_of(DRIVER.new(Options(unit=unit)), [request + reply])
        assert [event.words() for event in events[:2]] == [{"name": "request"}, {"name": "reply"}]
        values = events[1].fields["bits" if function <= 2 else "registers"]
        assert isinstance(values, list)
        assert len(values) == count


def test_what_other_masters_write_is_told_and_named_where_the_map_does() -> None:
    driver = DRIVER.new()
    grant = framed(1, bytes.fromhex("10004000010200 01".replace(" ", "")))
    lamp = framed(1, bytes.fromhex("0601F40003"))
    coils = framed(1, bytes.fromhex("0F0000000A02FF01"))
    events = driver.feed(grant + lamp + coils, 0.0)
    assert [event.fields.get("meaning") for event in events] == ["entry_passes=1", None, None]
    assert events[1].fields["value"] == 3
    assert events[2].fields["values"] == [1] * 9 + [0]


# --- counters in a talk


def test_the_first_reading_without_a_mark_is_the_base_line() -> None:
    talk = Talk()
    assert passages(talk.answer(*[turnstile(1000, 7)] * 3)) == []
    assert passages(talk.answer(turnstile(1001, 9))) == [("entry", 1, False), ("exit", 2, False)]


def test_the_mark_of_the_last_event_makes_the_next_start_tell_what_was_missed() -> None:
    first = Talk()
    events = first.answer(*[turnstile(1000, 7)] * 2, turnstile(1002, 8))
    second = Talk(marks=(mark_of(events),))
    told = second.answer(turnstile(1042, 8), turnstile(1043, 8))
    assert passages(told) == [("entry", 40, True), ("entry", 1, False)]


def test_each_mark_holds_what_was_told_up_to_its_event_and_no_more() -> None:
    talk = Talk()
    events = talk.answer(*[turnstile(1000, 7)] * 2, turnstile(1002, 8))
    entry, way_out = [event for event in events if isinstance(event, Passage)]
    after_crash = Talk(marks=(entry.mark,))
    assert passages(after_crash.answer(*[turnstile(1002, 8)] * 2)) == [("exit", 1, True)]
    whole = Talk(marks=(way_out.mark,))
    assert passages(whole.answer(*[turnstile(1002, 8)] * 2)) == []


@pytest.mark.parametrize("mark", ["", "{", "[]", "3", '{"unit": 1}', '{"unit": 1, "counters": {"x": 1}}',
                                  '{"unit": 2, "counters": {"holding 68 2 low_first": 5}}',
                                  '{"unit": 1, "counters": {"holding 68 2 low_first": "5"}}',
                                  '{"unit": 1, "counters": {"holding 68 2 low_first": -5}}'])  # fmt: skip
def test_a_mark_that_is_not_of_this_unit_and_map_is_a_base_line(mark: str) -> None:
    assert passages(Talk(marks=(mark,)).answer(*[turnstile(1000, 7)] * 3)) == []


def test_a_wrong_first_reading_is_not_believed_with_a_mark_or_without() -> None:
    mark = json.dumps({"unit": 1, "counters": {"holding 68 2 low_first": 1000, "holding 70 2 low_first": 7}})
    for marks in ((None,), (mark,)):
        talk = Talk(marks=marks)
        assert passages(talk.answer(turnstile(5_000_000, 7), *[turnstile(1000, 7)] * 3)) == []


def test_a_board_that_was_reset_while_nobody_looked_tells_what_it_shows() -> None:
    mark = json.dumps({"unit": 1, "counters": {"holding 68 2 low_first": 1000, "holding 70 2 low_first": 7}})
    events = Talk(marks=(mark,)).answer(*[turnstile(12, 0)] * 3)
    assert passages(events) == [("entry", 12, True)]
    assert [(e.kind, e.reason) for e in events if isinstance(e, DeviceChange)] == [
        ("up", None),
        ("counter", "entry counter reset: it fell from 1000 to 12"),
        ("counter", "exit counter reset: it fell from 7 to 0"),
    ]


def test_a_stable_register_that_is_no_counter_of_people_is_said_and_makes_nobody() -> None:
    mark = json.dumps({"unit": 1, "counters": {"holding 68 2 low_first": 1000, "holding 70 2 low_first": 7}})
    for marks in ((None,), (mark,)):
        talk = Talk(marks=marks)
        events = talk.answer(*[turnstile(1000, 7)] * 2, *[turnstile(70_000, 7)] * 3, turnstile(70_001, 7))
        assert passages(events) == [("entry", 1, False)]
        (change,) = [e for e in events if isinstance(e, DeviceChange) and e.kind == "counter"]
        assert change.reason == "entry counter leapt by 69000, from 1000 to 70000: nobody is counted for it"
        assert change.fields == {"unit": 1, "direction": "entry", "total": 70_000, "before": 1000}
        assert json.loads(change.mark or "")["counters"]["holding 68 2 low_first"] == 70_000


def test_more_than_most_missed_is_nobody_however_long_nobody_asked() -> None:
    mark = json.dumps({"unit": 1, "counters": {"holding 68 2 low_first": 1000, "holding 70 2 low_first": 7}})
    for most, expected in ((500, []), (600, [("entry", 550, True)])):
        talk = Talk(Options(most_missed=most), marks=(mark,))
        assert passages(talk.answer(*[turnstile(1550, 7)] * 3)) == expected


def test_a_register_that_goes_up_and_down_is_no_counter_until_it_is_steady_and_the_mark_leaves_it_out() -> None:
    talk, told = Talk(), 0
    talk.answer(*[turnstile(50, 7)] * 3)
    changes: list[DeviceChange] = []
    for n in range(2000):
        events = talk.answer(*[turnstile(20 + 15 * (n % 3), 7)] * 2)
        told += sum(count for _, count, _ in passages(events))
        changes += [event for event in events if isinstance(event, DeviceChange)]
    assert told == 0
    words = ["set back", "leapt", "back at", "erratic"]
    assert [word in str(change.reason) for word, change in zip(words, changes, strict=True)] == [True] * 4
    assert json.loads(changes[-1].mark or "")["counters"] == {"holding 70 2 low_first": 7}
    steady = facts(talk.answer(*[turnstile(30, 7)] * 2) + talk.wait(61.0) + talk.answer(*[turnstile(30, 7)] * 1300))
    assert [event.reason for event in steady if isinstance(event, DeviceChange) and event.kind == "counter"] == [
        "entry counter steady again: counted from 30 on"
    ]
    assert passages(talk.answer(turnstile(31, 7))) == [("entry", 1, False)]


def test_both_words_of_both_counters_and_the_error_state_are_one_request() -> None:
    assert Talk().question() == ask(1, 3, 0x44, 5)


def test_counters_of_other_devices_are_read_where_they_are() -> None:
    places = {"left": "input 10", "right": "input 0x0B 1", "up": "holding 100 2 high_first"}
    talk = Talk(Options(preset="none", counters=places))
    replies = {3: framed(1, bytes([3, 4, 0, 1, 0, 0])), 4: framed(1, bytes([4, 4, 0xFF, 0xFE, 0, 3]))}
    for _ in range(4):
        question = talk.question()
        talk.driver.feed(replies[question[1]], talk.now)
    assert {question[1:6] for question in talk.asked} == {bytes.fromhex("04000A0002"), bytes.fromhex("0300640002")}
    later = {3: framed(1, bytes([3, 4, 0, 1, 0, 2])), 4: framed(1, bytes([4, 4, 0, 1, 0, 3]))}
    events = [event for _ in range(2) for event in talk.driver.feed(later[talk.question()[1]], talk.now)]
    assert sorted(passages(events)) == [("left", 3, False), ("up", 2, False)]


# --- when


def since(events: list[Event]) -> list[float | None]:
    return [event.since_s for event in events if isinstance(event, (Passage, Input, CardRead))]


def test_a_passage_happened_since_the_reading_before_was_asked_for() -> None:
    talk = Talk()
    talk.answer(*[turnstile(1000, 7)] * 2)
    talk.question()
    before = talk.now
    talk.now += 0.15
    talk.driver.feed(turnstile(1000, 7), talk.now)
    assert since(talk.answer(turnstile(1001, 7))) == [pytest.approx(talk.now - before)]
    assert since(talk.answer(turnstile(1001, 7), turnstile(1001, 8))) == [pytest.approx(0.06)]


def test_what_passed_before_the_talk_has_no_bound_and_is_missed() -> None:
    mark = json.dumps({"unit": 1, "counters": {"holding 68 2 low_first": 1000, "holding 70 2 low_first": 7}})
    events = Talk(marks=(mark,)).answer(turnstile(1003, 7), turnstile(1004, 7))
    assert passages(events) == [("entry", 3, True), ("entry", 1, False)]
    assert since(events) == [math.inf, pytest.approx(0.06)]


def test_a_question_that_was_asked_again_may_be_answered_late_so_the_first_asking_counts() -> None:
    """The answer had waited for a minute: what passed meanwhile is in the next one, and is no matter of now."""
    talk = Talk(Options(unit=1), Options(unit=2))

    def next_of_unit_1() -> float:
        while (unit := talk.question()[0]) == 2:
            talk.driver.feed(turnstile(5, unit=unit), talk.now)
        return talk.now

    for _ in range(3):
        next_of_unit_1()
        talk.driver.feed(turnstile(5, unit=1), talk.now)
    asked = next_of_unit_1()
    talk.now += 60.0
    talk.driver.poll(talk.now)
    next_of_unit_1()
    talk.driver.feed(turnstile(5, unit=1), talk.now)
    next_of_unit_1()
    events = talk.driver.feed(turnstile(6, unit=1), talk.now)
    assert since(events) == [pytest.approx(talk.now - asked)]
    assert talk.now - asked > 60.0


def test_an_echo_of_a_question_that_was_asked_again_hides_nothing_of_how_old_its_answer_may_be() -> None:
    talk = Talk()
    talk.answer(*[turnstile(5)] * 2)
    talk.question()
    asked = talk.now
    talk.driver.feed(talk.question() + turnstile(5), talk.now + 0.01)
    assert since(talk.answer(turnstile(6))) == [pytest.approx(talk.now - asked)]


def test_modbus_tcp_knows_which_asking_is_answered() -> None:
    talk = Talk(Options(framing="tcp"))
    for key in (1, 2):
        talk.question()
        talk.driver.feed(tcp.framed(key, 1, turnstile(5)[1:-2]), talk.now)
    talk.question()
    talk.question()
    asked = talk.now
    talk.driver.feed(tcp.framed(4, 1, turnstile(5)[1:-2]), talk.now)
    talk.question()
    events = talk.driver.feed(tcp.framed(5, 1, turnstile(6)[1:-2]), talk.now)
    assert since(events) == [pytest.approx(talk.now - asked)]


def test_an_exception_tells_nothing_of_the_counter_so_it_dates_nothing() -> None:
    talk = Talk()
    talk.answer(turnstile(5))
    talk.question()
    asked = talk.now
    talk.driver.feed(turnstile(5), talk.now)
    events = talk.answer(framed(1, b"\x83\x06"), turnstile(6))
    assert since(events) == [pytest.approx(talk.now - asked)]
    assert talk.now - asked > 1.0


def test_what_a_unit_counted_while_it_was_down_is_read_twice_is_missed_and_dates_from_before() -> None:
    talk = Talk()
    talk.answer(*[turnstile(5)] * 2)
    begun = talk.now
    talk.wait(20.0)
    assert passages(talk.answer(turnstile(7))) == []
    events = talk.answer(turnstile(7))
    assert passages(events) == [("entry", 2, True)]
    (bound,) = since(events)
    assert bound == pytest.approx(talk.now - begun, abs=0.1)


def test_each_contact_changed_since_the_inputs_were_asked_for_and_how_it_was_found_is_of_now() -> None:
    talk = Talk(Options(**BOARD))
    assert since(talk.answer(contacts(0b1))) == [None] * 8
    assert since(talk.answer(contacts(0b0))) == [pytest.approx(0.06)]
    talk.wait(5.0)
    assert [bound is not None and bound > 5.0 for bound in since(talk.answer(contacts(0b1)))] == [True]


def test_a_latch_was_set_since_it_was_asked_for_and_if_before_the_talk_nobody_knows_since_when() -> None:
    options = Options(latched=True, **BOARD)
    talk = Talk(options)
    events = talk.answer(contacts(0), contacts(1))
    assert since(events) == [pytest.approx(0.06)] * 2
    assert since(Talk(options, marks=(mark_of(events),)).answer(contacts(1))) == [math.inf] * 2


def test_a_card_came_since_the_last_reading_that_showed_none() -> None:
    (bound,) = since(cards(card(b"", 0), card(b"12345678")))
    assert bound == pytest.approx(0.2, abs=0.05)
    assert since(cards(card(b"12345678"), mark='{"unit": 1, "counters": {}}')) == [math.inf]


# --- inputs


def edges(events: list[Event]) -> list[tuple[str, bool]]:
    return [(e.input, e.active) for e in events if isinstance(e, Input) and "first" not in e.fields]


def test_edges_of_inputs_are_told_and_how_they_were_found_is_marked() -> None:
    talk = Talk(Options(**BOARD))
    found = [event for event in talk.answer(contacts(0b101)) if isinstance(event, Input)]
    assert [(event.input, event.active) for event in found] == [(str(n), n in (0, 2)) for n in range(8)]
    assert all(event.fields["first"] is True for event in found)
    assert edges(talk.answer(contacts(0b110), contacts(0b110), contacts(0))) == [
        ("0", False), ("1", True), ("1", False), ("2", False),
    ]  # fmt: skip


def test_a_latch_that_is_read_set_is_one_pulse_each_time() -> None:
    talk = Talk(Options(latched=True, **BOARD))
    pulse = [("0", True), ("0", False)]
    assert edges(talk.answer(contacts(0), contacts(1), contacts(1), contacts(0))) == pulse * 2


def test_a_latch_found_set_at_the_very_first_start_is_stale_and_later_missed() -> None:
    options = Options(latched=True, **BOARD)
    talk = Talk(options)
    events = talk.answer(contacts(1))
    assert [e.name for e in events if isinstance(e, Frame)] == ["reply", "stale"]
    mark = mark_of(talk.answer(contacts(1)))
    again = [e for e in Talk(options, marks=(mark,)).answer(contacts(1)) if isinstance(e, Input)]
    assert [(e.active, e.fields["missed"]) for e in again] == [(True, True), (False, True)]


def test_a_unit_may_have_counters_and_inputs() -> None:
    talk = Talk(Options(inputs="coil 16 4"))
    assert {talk.question()[1:6], (talk.answer(b"") and b"") or talk.asked[-1][1:6]} <= {
        bytes.fromhex("0300440005"), bytes.fromhex("0100100004"),
    }  # fmt: skip
    assert Options(inputs="coil 16 4").emits == {"passage", "input"}


# --- cards


def card(text: bytes, flag: int = 1) -> bytes:
    data = bytes([flag, len(text)]) + text.ljust(32, b"\0")
    return framed(1, bytes([3, len(data)]) + data)


def cards(*replies: bytes, mark: str | None = None) -> list[Event]:
    """Answers to the questions about the entry's card; to the others nothing new."""
    talk = Talk(Options(read_cards=True), marks=(mark,))
    waiting, events = list(replies), []
    while waiting:
        address = talk.question()[2:4]
        reply = waiting.pop(0) if address == b"\x01\x00" else card(b"", 0) if address == b"\x02\x00" else turnstile(1)
        events += talk.driver.feed(reply, talk.now)
    return events


def test_a_card_is_told_once_while_its_flag_is_up_without_its_line_end() -> None:
    events = cards(
        card(b"", 0), *[card(b"0004019412026\r\n")] * 3, card(b"0004019412026\r\n", 0), card(b"0C000621A5")
    )
    told = [(e.scheme, e.value, e.fields["side"]) for e in events if isinstance(e, CardRead)]
    assert told == [("number", "0004019412026", "entry"), ("line", "0C000621A5", "entry")]


def test_a_card_found_at_the_first_start_is_stale_and_later_missed() -> None:
    events = cards(card(b"12345678"))
    assert not [e for e in events if isinstance(e, CardRead)]
    (stale,) = (e for e in events if isinstance(e, StaleCard))
    assert "12345678" not in json.dumps(said([stale]))
    assert stale.value == "12345678"
    mark = '{"unit": 1, "counters": {}}'
    assert [e.fields.get("missed") for e in cards(card(b"12345678"), mark=mark) if isinstance(e, CardRead)] == [True]


@pytest.mark.parametrize("text", [b"", b"\r\n", b"12\x0034", b"caf\xe9", b"a b c"])
def test_what_is_no_card_text_is_no_card(text: bytes) -> None:
    assert not [e for e in cards(card(b"", 0), card(text)) if isinstance(e, CardRead)]


def test_no_frame_shows_the_registers_of_a_card() -> None:
    for event in cards(card(b"12345678"), card(b"12345678", 0)):
        assert "31323334" not in json.dumps(said([event]))
        assert not (event.fields.get("address") == 0x100 and "registers" in event.fields)


def shifted(number: str) -> str:
    return number.translate(str.maketrans("0123456789ABCDEFabcdef", "123456789ABCDEF0bcdefa"))


WRAPS = {"rtu": lambda pdu: framed(1, pdu), "tcp": lambda pdu: tcp.framed(9, 1, pdu)}
ASK_CARD = bytes.fromhex("0301000011")


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_a_redacted_card_is_another_and_what_lies_behind_it_goes(framing: Any) -> None:
    wrap, edit = WRAPS[framing], Options(framing=framing, read_cards=True).redact
    pdu = card(b"0C000621a5\r\n")[1:-2]
    assert edit(wrap(ASK_CARD), shifted) == wrap(ASK_CARD)
    assert edit(wrap(pdu[:-4] + b"1234"), shifted) == wrap(pdu.replace(b"0C000621a5", b"1D111732b6"))
    assert edit(wrap(b"\x83\x02"), shifted) == wrap(b"\x83\x02")


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_counters_and_errors_stay_in_a_recording_and_their_neighbours_go(framing: Any) -> None:
    wrap, edit = WRAPS[framing], Options(framing=framing).redact
    edit(wrap(bytes.fromhex("0300430007")), shifted)
    reply = bytes.fromhex("030E AAAA 0001 0002 0003 0004 0005 BBBB".replace(" ", ""))
    assert edit(wrap(reply), shifted) == wrap(bytes.fromhex("030E0000000100020003000400050000"))
    assert edit(wrap(reply), shifted) == wrap(reply[:2] + bytes(14)), "nobody asked for it"


SECRET = b"Zhang San 20417 "
UNKNOWN = {
    "registers": (bytes.fromhex("0304000008"), b"\x03\x10" + SECRET),
    "input registers": (bytes.fromhex("0400440008"), b"\x04\x10" + SECRET),
    "a card nobody reads": (ASK_CARD, card(b"20417")[1:-2]),
    "a binary number": (bytes.fromhex("0302000002"), bytes.fromhex("030400013E6D")),
    "coils": (bytes.fromhex("0100000080"), b"\x01\x10" + SECRET),
    "written registers": (bytes.fromhex("1001000008"), b"\x10\x01\x00\x00\x08\x10" + SECRET),
    "written coils": (bytes.fromhex("0F00000080"), b"\x0f\x00\x00\x00\x80\x10" + SECRET),
    "a written register": (b"", b"\x06\x00\x40\x3e\x6d"),
    "an identity": (b"\x2b\x0e\x01\x00", b"\x2b\x0e\x01\x01\x00\x00\x01\x00\x10" + SECRET),
}


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_no_layout_knows_leaves_a_redacted_recording(name: str, framing: Any) -> None:
    options = Options(framing=framing)
    wrap, (asked, said_) = WRAPS[framing], UNKNOWN[name]
    data = (wrap(asked) if asked else b"") + wrap(said_)
    edit = options.redact
    made = rewrite(DRIVER.new(options), data, lambda frame: edit(frame, shifted))
    assert not any(part in made for part in (b"Zhang", b"San", b"20417", b"\x3e\x6d"))
    kinds = [[event.as_dict()["name"] for event in pieces_of(DRIVER.new(options), [each])] for each in (data, made)]
    assert kinds[0] == kinds[1]
    assert wrap(said_) not in (redact(wrap(said_), shifted), made)


# --- the talk


def test_only_reads_are_ever_sent() -> None:
    options = [Options(unit=1, read_cards=True, inputs="discrete 0 8"), Options(unit=2, **BOARD)]
    talk = Talk(*options)
    talk.driver.send(Command("feedback", {"state": "accepted"}), talk.now)
    talk.wait(20.0)
    assert {question[1] for question in talk.asked} == {2, 3}
    talk.driver.send(Command("text", {"text": "hello"}), talk.now)
    assert talk.driver.commands() == []


@pytest.mark.parametrize("poll_s", [0.05, 1.0, 30.0, 60.0])
@pytest.mark.parametrize("before", [5, 40, 300])
@pytest.mark.parametrize("zero_s", [0.02, 2.0])
def test_a_board_that_shows_nothing_while_it_starts_invents_nobody_however_rarely_it_is_asked(
    poll_s: float, before: int, zero_s: float
) -> None:
    talk = Talk(Options(poll_s=poll_s))
    events = talk.answer(*[turnstile(before)] * 3)
    talk.wait(poll_s + 6.0)
    shows_from = talk.now + zero_s
    while talk.now < shows_from + 3 * 60.0:
        talk.question()
        talk.now += 0.01
        shown = 0 if talk.now < shows_from else before + 2
        events += talk.driver.feed(turnstile(shown), talk.now)
    assert sum(event.count for event in events if isinstance(event, Passage)) == 2


def test_a_silence_between_a_doubtful_reading_and_the_next_one_confirms_nothing() -> None:
    talk = Talk(Options(poll_s=1.0))
    talk.answer(*[turnstile(40)] * 3)
    talk.wait(6.0)
    talk.answer(turnstile(0))
    talk.wait(10.0)
    events = talk.answer(*[turnstile(42)] * 4)
    assert [event.count for event in events if isinstance(event, Passage)] == [2]
    assert not [event for event in events if isinstance(event, DeviceChange) and event.kind == "counter"]


def test_the_next_question_follows_after_poll_s_and_at_once_if_that_is_over() -> None:
    talk = Talk(Options(poll_s=0.05, answer_s=1.0))
    asked = []
    for delay in (0.01, 0.01, 0.2, 0.01):
        talk.question()
        asked.append(talk.now)
        talk.now += delay
        talk.driver.feed(turnstile(5), talk.now)
    talk.question()
    asked.append(talk.now)
    waits = [round(later - earlier, 3) for earlier, later in pairwise(asked)]
    assert waits == [0.05, 0.05, 0.205, 0.05]


def test_units_are_asked_in_turn() -> None:
    talk = Talk(*(Options(unit=unit) for unit in (3, 1, 2)))
    for _ in range(6):
        unit = talk.question()[0]
        talk.driver.feed(turnstile(5, unit=unit), talk.now)
    assert [question[0] for question in talk.asked] == [3, 1, 2] * 2


def test_a_unit_that_is_down_is_asked_more_and_more_rarely_and_at_last_every_four_seconds() -> None:
    talk = Talk()
    asked = []
    for _ in range(8):
        talk.question()
        asked.append(talk.now)
    waits = [round(later - earlier, 3) for earlier, later in pairwise(asked)]
    assert waits == [0.2, 0.2, 1.2, 2.2, 4.2, 4.2, 4.2]
    events = talk.wait(30.0)
    assert [e.kind for e in facts(talk.answer(turnstile(5))) if isinstance(e, DeviceChange)] == ["up"]
    assert [(e.kind, e.reason) for e in facts(events) if isinstance(e, DeviceChange)] == []
    talk.answer(turnstile(5))
    before = talk.now
    talk.question()
    assert talk.now - before <= 0.06


def test_a_unit_that_is_down_is_told_once() -> None:
    talk = Talk()
    events = talk.wait(30.0)
    assert [(e.kind, e.reason) for e in facts(events) if isinstance(e, DeviceChange)] == [("down", "no answer")]
    assert len(talk.asked) <= 3 + 2 + 30 / 4
    assert [e.kind for e in facts(talk.answer(turnstile(5))) if isinstance(e, DeviceChange)] == ["up"]


def test_an_echo_of_the_question_is_no_answer_but_the_reply_behind_it_is() -> None:
    talk = Talk()
    question = talk.question()
    assert [e.words()["name"] for e in talk.driver.feed(question, talk.now)] == ["request"]
    assert [e.words().get("kind", e.words().get("name")) for e in talk.driver.feed(turnstile(5), talk.now)] == [
        "up", "reply",
    ]  # fmt: skip


def test_a_late_answer_is_not_taken_for_that_of_another_read_of_its_size() -> None:
    talk = Talk(Options(read_cards=True))
    seen: list[tuple[bytes, list[Event]]] = []
    turns = 0
    for _ in range(60):
        address = talk.question()[2:4]
        if address == b"\x01\x00" and (turns := turns + 1) % 2 == 0:
            talk.wait(0.21)  # given up and asked again; then both answers come
            assert talk.asked[-1][2:4] == address
            late = card(b"11111111")
            events = talk.driver.feed(late, talk.now) + talk.wait(0.05) + talk.driver.feed(late, talk.now)
        else:
            reply = {b"\0\x44": turnstile(1), b"\x01\0": card(b"", 0), b"\x02\0": card(b"", 0)}[address]
            events = talk.driver.feed(reply, talk.now)
        seen.append((address, events))
    sides = {event.fields["side"] for _, events in seen for event in events if "side" in event.fields}
    assert sides == {"entry"}


def test_an_exception_is_a_fault_told_once_and_asked_again_after_a_second() -> None:
    talk = Talk()
    busy = framed(1, b"\x83\x06")
    events = facts(talk.answer(busy, busy, turnstile(5)))
    assert [(e.kind, e.reason) for e in events if isinstance(e, DeviceChange)] == [
        ("up", None), ("fault", "exception 6"), ("recovered", "no exception"),
    ]  # fmt: skip
    assert talk.now == pytest.approx(100.0 + 2 * 1.01 + 0.01, abs=0.05)


def test_nothing_is_remembered_after_the_cable_was_out() -> None:
    talk = Talk(Options(**BOARD))
    talk.answer(contacts(1))
    talk.driver.reset()
    assert (talk.driver.next_poll(), talk.driver.commands()) == (None, [])
    talk.driver.send(Command(START), talk.now)
    assert len([e for e in talk.answer(contacts(1)) if isinstance(e, Input)]) == 8


def test_modbus_tcp_counts_transactions_and_ignores_answers_to_old_ones() -> None:
    talk = Talk(Options(framing="tcp"))
    first = talk.question()
    assert first == bytes.fromhex("0001 0000 0006 01 03 0044 0005")
    talk.wait(0.21)
    assert talk.asked[-1][:2] == b"\x00\x02"
    old = talk.driver.feed(tcp.framed(1, 1, turnstile(5)[1:-2]), talk.now)
    assert not any(isinstance(event, DeviceChange) for event in old)
    new = talk.driver.feed(tcp.framed(2, 1, turnstile(5)[1:-2]), talk.now)
    assert [event.kind for event in new if isinstance(event, DeviceChange)] == ["up"]


def test_modbus_tcp_tells_or_refuses_every_function_of_every_size() -> None:
    for function in range(256):
        for size in range(1, 12):
            for rest in (b"\x01" * size, b"\x0e" + b"\x01" * (size - 1)):
                frame = tcp.framed(1, 1, bytes([function]) + rest)
                assert len(pieces_of(DRIVER.new(Options(framing="tcp")), [frame])) == 1


IDENTITY = "2b0e0101000003" + "0004" + b"Acme".hex() + "0103" + b"T-1".hex() + "0204" + b"V2.0".hex()
OTHERS: list[tuple[str, str, dict[str, object]]] = [
    ("07", "request", {}),
    ("076d", "reply", {"status": 0x6D}),
    ("080000a537", "request", {"diagnostic": 0, "value": 0xA537}),
    ("08000c0007", "reply", {"diagnostic": 12, "value": 7}),
    ("0b", "request", {}),
    ("0bffff0108", "reply", {"status": 0xFFFF, "count": 264}),
    ("11", "request", {}),
    ("110305ff41", "reply", {"data": "05ff41"}),
    ("16000400f20025", "request", {"address": 4, "and": 0xF2, "or": 0x25}),
    ("1700030002000e00010200ff", "request", {"address": 3, "count": 2, "written": 14, "values": [255]}),
    ("170400fe0acd", "reply", {"registers": [254, 0xACD]}),
    ("2b0e0100", "request", {"code": 1, "object": 0}),
    (IDENTITY, "reply", {"vendor": "Acme", "product": "T-1", "revision": "V2.0"}),
    *(
        (f"{0x80 | function:02x}01", "exception", {"exception": 1})
        for function in (7, 8, 0x0B, 0x11, 0x16, 0x17, 0x2B)
    ),
]


@pytest.mark.parametrize("unit", [1, 9])
@pytest.mark.parametrize(("pdu", "name", "fields"), OTHERS, ids=[pdu for pdu, *_ in OTHERS])
def test_what_other_masters_ask_and_hear_is_understood(
    unit: int, pdu: str, name: str, fields: dict[str, object]
) -> None:
    data = bytes.fromhex(pdu)
    expected = {"unit": unit, "function": data[0], **fields}
    for size in (1, 2, len(pdu)):
        stream = framed(unit, data) * 2 + turnstile(1)
        first, second, _ = pieces_of(DRIVER.new(), [stream[at : at + size] for at in range(0, len(stream), size)])
        assert isinstance(first, Frame)
        assert (first.name, first.fields) == (name, expected | {"crc_ok": True})
        assert second == first
    (event,) = pieces_of(DRIVER.new(Options(framing="tcp")), [tcp.framed(7, unit, data)])
    assert isinstance(event, Frame)
    assert (event.name, event.fields) == (name, expected | {"transaction": 7})


def test_what_is_written_and_read_at_once_leaves_a_redacted_recording() -> None:
    number = b"12345678"
    written = b"\x17\x01\x01\x00\x04\x01\x01\x00\x04\x08" + number
    for pdu in (written, b"\x17\x08" + number):
        made = redact(framed(1, pdu), lambda digits: "9" * len(digits))
        assert made == framed(1, pdu.replace(number, bytes(8)))


@pytest.mark.parametrize("framing", ["rtu", "tcp"])
def test_a_talk_survives_anything(framing: Any) -> None:
    rng = random.Random(8)
    talk = Talk(Options(unit=1, framing=framing, read_cards=True), Options(unit=2, framing=framing, **BOARD))
    for _ in range(3000):
        talk.now += rng.random() * 0.1
        talk.driver.poll(talk.now)
        questions = b"".join(talk.driver.commands())
        reply = bytearray(rng.choice([turnstile(5), contacts(1, 2), card(b"12345678"), questions, rng.randbytes(9)]))
        if reply and rng.random() < 0.5:
            reply[rng.randrange(len(reply))] = rng.randrange(256)
        talk.driver.feed(bytes(reply), talk.now)


# --- options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"unit": 0}, "unit"),
        ({"unit": 248}, "unit"),
        ({"poll_s": 0.0}, "poll_s"),
        ({"answer_s": 9.0}, "answer_s"),
        ({"max_rate": 0.0}, "max_rate"),
        ({"confirm": 1}, "confirm"),
        ({"most_missed": -1}, "most_missed"),
        ({"gap_s": 0.0}, "gap_s"),
        ({"counters": {"entry": "holding 1"}}, "counters"),
        ({"preset": "none"}, "preset"),
        ({"preset": "none", "counters": {"entry": "coil 1"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding x"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding 1 3"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding 65535 2"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding -1"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding 1 2 middle_first"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding 1 2 low_first 5"}}, "counters"),
        ({"preset": "none", "counters": {"way in": "holding 1"}}, "counters"),
        ({"preset": "none", "counters": {"entry": "holding 1 2", "exit": "holding 2"}}, "counters"),
        ({"preset": "none", "counters": {f"way{n}": f"holding {n}" for n in range(17)}}, "counters"),
        ({"inputs": "discrete 0"}, "inputs"),
        ({"inputs": "holding 0 8"}, "inputs"),
        ({"inputs": "discrete 0 65"}, "inputs"),
        ({"inputs": "discrete 65535 2"}, "inputs"),
        ({"inputs": "discrete a b"}, "inputs"),
        ({"latched": True}, "latched"),
        ({"preset": "none", "inputs": "discrete 0 8", "read_cards": True}, "read_cards"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Options(**options)


@pytest.mark.parametrize(
    ("units", "named"),
    [([Options(), Options()], "unit"), ([Options(unit=1), Options(unit=2, framing="tcp")], "framing")],
)
def test_devices_that_do_not_go_together_are_refused_by_the_options_name(units: list[Options], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DRIVER.new(*units)


def test_what_a_device_tells_depends_on_its_options() -> None:
    facts_of = DriverFacts.of(DRIVER, registry.make_options)
    plain = facts_of.configured({})
    board = facts_of.configured(BOARD)
    own = facts_of.configured({"preset": "none", "counters": {"left": "input 3"}})
    assert (plain.emits, plain.directions) == ({"passage"}, ("entry", "exit"))
    assert board.emits == {"input"}
    assert (own.emits, own.directions) == ({"passage"}, ("left",))
    assert "credential" in facts_of.configured({"read_cards": True}).emits
    assert {"0", "7"} <= set(facts_of.inputs)


def test_options_may_be_given_as_texts() -> None:
    made = registry.make_options(DRIVER, {"preset": "none", "counters": "a=holding 0x44 2 low_first,b=input 7"})
    assert made.directions == ("a", "b")


def _floods() -> Iterator[bytes]:
    yield from (head * (20_000 // len(head)) for head in (b"\x01\x03\xfa", b"\x01\x01\xfa", b"\x01\x10\0\x10\0\2\4"))


def test_a_flood_of_heads_is_taken_faster_than_a_line_can_bring_it() -> None:
    for flood in _floods():
        driver, begun = DRIVER.new(), time.process_time()
        driver.feed(flood, 0.0)
        assert len(flood) / (time.process_time() - begun) > 11_520
