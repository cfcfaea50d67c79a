"""TPW boards: a weak frame is held to the manual, counters are asked and read twice, and nothing is ever set."""

from __future__ import annotations

import random
import re

import pytest

from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, DeviceChange, Event, Frame, Passage
from drivers.tpw_turnstile import DRIVER, Options

ENTRIES, EXITS = b"\x02\x28\x01\x30\x04", b"\x02\x28\x01\x31\x04"
CONNECT = b"\x02\xff\x00\x04"


def count(kind: int, total: int) -> bytes:
    digits = f"{total:05d}".encode()
    return bytes([2, kind, len(digits)]) + digits + b"\x04"


class Talk:
    """A driver that is answered by hand."""

    def __init__(self, mark: str | None = None, **options: float) -> None:
        self.driver: Driver = DRIVER.new(Options(**options))  # type: ignore[arg-type]
        self.driver.send(Command(START, {"mark": mark}), 0.0)
        self.at = 0.0

    def asked(self) -> bytes:
        """What it asks next, when it is due."""
        due = self.driver.next_poll()
        assert due is not None
        self.at = max(self.at, due)
        self.driver.poll(self.at)
        return b"".join(self.driver.commands())

    def answer(self, data: bytes) -> list[Event]:
        self.at += 0.03
        return [event for event in self.driver.feed(data, self.at) if not isinstance(event, Frame)]

    def told(self, entries: int, exits: int, rounds: int = 1) -> list[Event]:
        """Answer all that is asked until both counters have been asked `rounds` times."""
        events: list[Event] = []
        asked = 0
        while asked < rounds:
            question = self.asked()
            events += self.answer(count(0x21, entries) if question == ENTRIES else count(0x22, exits))
            asked += question == EXITS
        return events


def kinds(events: list[Event]) -> list[str]:
    return [event.kind if isinstance(event, DeviceChange) else event.event for event in events]


def test_the_first_readings_are_the_base_line_and_are_kept() -> None:
    talk = Talk()
    up, base = talk.told(100, 50)
    assert kinds([up, base]) == ["up", "counter"]
    assert base.mark == '{"entry":100,"exit":50}'


def test_a_difference_is_asked_again_and_told_with_the_total() -> None:
    talk = Talk()
    talk.told(100, 50)
    (passage,) = talk.told(102, 50)
    assert isinstance(passage, Passage)
    assert (passage.direction, passage.count, passage.fields) == ("entry", 2, {"total": 102})
    assert passage.mark == '{"entry":102,"exit":50}'
    (passage,) = talk.told(102, 51, rounds=2)
    assert isinstance(passage, Passage)
    assert (passage.direction, passage.count) == ("exit", 1)


def test_a_false_digit_is_not_believed() -> None:
    talk = Talk()
    talk.told(100, 50)
    assert talk.asked() == ENTRIES
    assert talk.answer(count(0x21, 101)) == []
    assert talk.asked() == ENTRIES
    assert talk.answer(count(0x21, 100)) == []
    assert talk.asked() == EXITS


def test_a_site_may_believe_small_differences_at_once() -> None:
    talk = Talk(jump=2)
    talk.told(100, 50)
    assert talk.asked() == ENTRIES
    assert kinds(talk.answer(count(0x21, 102))) == ["passage"]


def test_what_passed_meanwhile_is_told_as_missed() -> None:
    talk = Talk(mark='{"entry":100,"exit":50}')
    up, passage = talk.told(107, 50)
    assert kinds([up, passage]) == ["up", "passage"]
    assert passage.fields == {"total": 107, "missed": True}


def test_a_counter_that_somebody_set_is_said_and_invents_nobody() -> None:
    talk = Talk()
    talk.told(100, 50)
    (change,) = talk.told(3, 50)
    assert isinstance(change, DeviceChange)
    assert (change.kind, change.reason) == ("counter", "the entry counter was set from 100 to 3")
    assert change.mark == '{"entry":3,"exit":50}'


def test_the_counters_are_asked_every_poll_s() -> None:
    talk = Talk(poll_s=0.5)
    talk.told(100, 50)
    before = talk.at
    assert talk.asked() == ENTRIES
    assert talk.at - before <= 0.5


def test_a_board_that_does_not_answer_is_greeted_then_asked_again() -> None:
    talk = Talk()
    assert talk.asked() == ENTRIES
    assert talk.asked() == CONNECT + CONNECT
    assert talk.answer(CONNECT) == []
    assert kinds(talk.answer(b"\x02\xf1\x03TPW\x04")) == ["up"]
    assert talk.asked() == CONNECT
    talk.answer(count(0x21, 100))
    assert talk.asked() == CONNECT
    assert kinds(talk.answer(count(0x22, 50))) == ["counter"]
    assert talk.asked() == CONNECT + ENTRIES


def test_a_board_that_refuses_its_counters_is_a_fault_once() -> None:
    talk = Talk()
    assert talk.asked() == ENTRIES
    assert kinds(talk.answer(b"\x02\xf4\x00\x04")) == ["up", "fault"]
    assert talk.asked() == EXITS
    assert talk.answer(b"\x02\xf4\x00\x04") == []


def test_nothing_that_sets_or_resets_is_ever_sent() -> None:
    talk = Talk()
    randomness = random.Random(1)
    sent = b""
    answers = [
        b"",
        CONNECT,
        b"\x02\x44\x00\x04",
        b"\x02\xf4\x00\x04",
        b"\x02\xf1\x01A\x04",
        count(0x21, 5),
        count(0x22, 9),
    ]
    for _ in range(500):
        sent += talk.asked()
        talk.answer(randomness.choice(answers))
    assert re.fullmatch(b"(?:%s)+" % b"|".join(map(re.escape, (ENTRIES, EXITS, CONNECT))), sent)


def test_who_only_listens_gets_counts_and_no_passages() -> None:
    events = DRIVER.new().feed(count(0x21, 5) + count(0x21, 9), 0.0)
    assert [event.words() for event in events] == [{"name": "entry_count"}] * 2


@pytest.mark.parametrize(
    "data",
    [b"\x02\x21\x05001a0\x04", b"\x02\x21\x0500100\x05", b"\x02\x41\x014\x04", b"\x02\xf1\x02A\x80\x04",
     b"\x02\x18\x0300:\x04", b"\x02\x44\x00\x05"],
)  # fmt: skip
def test_a_content_or_an_end_that_is_in_no_manual_is_refused(data: bytes) -> None:
    (refused, good) = DRIVER.new().feed(data + CONNECT, 0.0)
    assert refused == BadFrame(flaw="format", bytes=len(data))
    assert good.words() == {"name": "connect"}


@pytest.mark.parametrize(
    "data", [b"\x02\x20\x00\x04", b"\x02\x44\x01\x30\x04", b"\x02\x14\x0100\x04", b"\x02\x21\x00\x04"]
)
def test_an_unknown_type_or_length_begins_no_frame(data: bytes) -> None:
    (refused, good) = DRIVER.new().feed(data + CONNECT, 0.0)
    assert refused == BadFrame(flaw="noise", bytes=len(data))
    assert good.words() == {"name": "connect"}


@pytest.mark.parametrize("options", [{"poll_s": 0.0}, {"poll_s": 61.0}, {"jump": -1}, {"jump": 101}, {"gap_s": 0.0}])
def test_an_impossible_option_is_refused_by_name(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)  # type: ignore[arg-type]
