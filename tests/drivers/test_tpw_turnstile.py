"""TPW boards: a weak frame is held to the manual, counters are asked and read twice, and nothing is ever set."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise

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

    def base(self, entries: int, exits: int) -> list[Event]:
        """Both counters are read twice."""
        return self.told(entries, exits, rounds=2)


def kinds(events: list[Event]) -> list[str]:
    return [event.kind if isinstance(event, DeviceChange) else event.event for event in events]


def test_the_first_readings_are_read_twice_and_are_the_base_line_and_are_kept() -> None:
    talk = Talk()
    assert kinds(talk.told(100, 50)) == ["up"]
    (base,) = talk.told(100, 50)
    assert base.mark == '{"entry":100,"exit":50}'


def test_a_false_digit_in_the_very_first_reading_makes_no_base_line_and_nobody() -> None:
    talk = Talk()
    talk.asked()
    talk.answer(count(0x21, 20))
    up_and_base = [*talk.told(100, 50, rounds=2)]
    assert kinds(up_and_base) == ["counter"]
    assert talk.told(100, 50) == []


def test_the_base_line_is_told_once() -> None:
    talk = Talk()
    up, base = talk.base(100, 50)
    assert kinds([up, base]) == ["up", "counter"]
    assert base.mark == '{"entry":100,"exit":50}'


def test_a_difference_is_asked_again_and_told_with_the_total() -> None:
    talk = Talk()
    talk.base(100, 50)
    (passage,) = talk.told(102, 50)
    assert isinstance(passage, Passage)
    assert (passage.direction, passage.count, passage.fields) == ("entry", 2, {"total": 102})
    assert passage.mark == '{"entry":102,"exit":50}'
    (passage,) = talk.told(102, 51, rounds=2)
    assert isinstance(passage, Passage)
    assert (passage.direction, passage.count) == ("exit", 1)


def test_a_false_digit_is_not_believed() -> None:
    talk = Talk()
    talk.base(100, 50)
    assert talk.asked() == ENTRIES
    assert talk.answer(count(0x21, 101)) == []
    assert talk.asked() == ENTRIES
    assert talk.answer(count(0x21, 100)) == []
    assert talk.asked() == EXITS


def test_a_site_may_believe_small_differences_at_once() -> None:
    talk = Talk(jump=2)
    talk.base(100, 50)
    assert talk.asked() == ENTRIES
    assert kinds(talk.answer(count(0x21, 102))) == ["passage"]


def test_what_passed_meanwhile_is_told_as_missed() -> None:
    talk = Talk(mark='{"entry":100,"exit":50}')
    up, passage = talk.told(107, 50)
    assert kinds([up, passage]) == ["up", "passage"]
    assert passage.fields == {"total": 107, "missed": True}
    assert passage.since_s == math.inf


def test_a_counter_that_was_reset_is_said_and_what_it_shows_has_passed() -> None:
    talk = Talk()
    talk.base(100, 50)
    change, passage = talk.told(3, 50)
    assert isinstance(change, DeviceChange)
    assert (change.kind, change.reason) == ("counter", "entry counter reset: it fell from 100 to 3")
    assert change.mark == '{"entry":0,"exit":50}'
    assert isinstance(passage, Passage)
    assert (passage.count, passage.mark) == (3, '{"entry":3,"exit":50}')


def test_a_counter_that_somebody_set_is_said_and_invents_nobody() -> None:
    for total, words in ((80, "set back from 100 to 80"), (180, "leapt by 80, from 100 to 180")):
        talk = Talk()
        talk.base(100, 50)
        (change,) = talk.told(total, 50)
        assert isinstance(change, DeviceChange)
        assert (change.kind, change.reason) == ("counter", f"entry counter {words}: nobody is counted for it")
        assert change.fields == {"direction": "entry", "total": total, "before": 100}
        assert change.mark == f'{{"entry":{total},"exit":50}}'


def test_more_than_most_missed_is_nobody_however_long_the_gateway_was_away() -> None:
    for most, expected in ((500, ["up", "counter"]), (600, ["up", "passage"])):
        assert kinds(Talk(mark='{"entry":100,"exit":50}', most_missed=most).told(651, 50)) == expected


@pytest.mark.parametrize("mark", ["", "nonsense", "[1]", "7", '{"entry":"x"}', '{"entry":-1}', '{"entry":true}'])
def test_a_mark_of_somebody_else_is_none(mark: str) -> None:
    assert kinds(Talk(mark=mark).base(100, 50)) == ["up", "counter"]


def test_a_passage_happened_since_the_count_before_was_asked_for() -> None:
    talk = Talk(poll_s=1.0)
    talk.base(100, 50)
    assert talk.asked() == ENTRIES
    asked = talk.at
    assert talk.answer(count(0x21, 100)) == []
    assert talk.asked() == EXITS
    assert talk.answer(count(0x22, 50)) == []
    (passage,) = talk.told(101, 50)
    assert passage.since_s == pytest.approx(1.0 + 0.03 + 0.03, abs=0.001)
    assert talk.at - asked >= 1.0


def test_a_question_that_was_asked_again_may_be_answered_late_so_the_first_asking_counts() -> None:
    talk = Talk()
    talk.base(100, 50)
    assert talk.asked() == ENTRIES
    asked = talk.at
    talk.at += 60.0
    talk.driver.poll(talk.at)
    talk.driver.commands()
    talk.answer(count(0x21, 100) + b"\x02\xf1\x03TPW\x04")
    events = []
    for question, answer in (
        (CONNECT, count(0x21, 101)),
        (CONNECT, count(0x22, 50)),
        (CONNECT + ENTRIES, count(0x21, 101)),
    ):
        assert talk.asked() == question
        events += talk.answer(answer)
    (passage,) = events
    assert passage.since_s == pytest.approx(talk.at - asked)


def test_a_board_that_stays_silent_is_asked_more_and_more_rarely() -> None:
    talk = Talk()
    asked: list[float] = []
    while len(asked) < 9:
        asked += [talk.at] if talk.asked() else []
    waits = [round(later - earlier, 3) for earlier, later in pairwise(asked)]
    assert waits == [2.0, 2.0, 3.0, 4.0, 6.0, 6.0, 6.0, 6.0]


def test_the_counters_are_asked_every_poll_s() -> None:
    talk = Talk(poll_s=0.5)
    talk.base(100, 50)
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
    talk.answer(count(0x22, 50))
    assert talk.asked() == CONNECT + ENTRIES
    talk.answer(count(0x21, 100))
    assert talk.asked() == EXITS
    assert kinds(talk.answer(count(0x22, 50))) == ["counter"]


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


def heard(*pieces: bytes, every_s: float = 1.0) -> list[Event]:
    """What is told by a driver that only listens, but for the frames."""
    driver = DRIVER.new()
    events = [event for n, piece in enumerate(pieces) for event in driver.feed(piece, n * every_s)]
    return [event for event in [*events, *driver.close()] if not isinstance(event, Frame)]


def test_who_only_listens_to_a_dialogue_gets_its_passages() -> None:
    totals = (100, 100, 101, 101, 101, 104, 104)
    first, second = heard(*(ENTRIES + count(0x21, total) for total in totals))
    assert first == Passage(direction="entry", fields={"total": 101}, since_s=2.0, mark='{"entry":101}')
    assert second == Passage(direction="entry", count=3, fields={"total": 104}, since_s=2.0, mark='{"entry":104}')
    asked = b"".join(ENTRIES + count(0x21, total) for total in (100, 100, 101, 101))
    (passage,) = heard(asked)
    assert passage == Passage(direction="entry", fields={"total": 101}, since_s=0.0, mark='{"entry":101}')


def test_who_only_listens_believes_no_count_that_nobody_asked_for() -> None:
    """A host that switches counting, or resets it, sends frames of the same form."""
    orders = (b"\x02\x22\x010\x04", b"\x02\x22\x011\x04")
    assert heard(count(0x21, 5), count(0x21, 9), count(0x21, 9)) == []
    assert heard(EXITS + count(0x22, 0), orders[1], orders[1], orders[0]) == []
    assert heard(EXITS + count(0x22, 0), *[EXITS + b"\x02\xf4\x00\x04" + orders[1]] * 3) == []
    assert heard(ENTRIES + count(0x21, 0), EXITS + count(0x21, 1), EXITS + count(0x21, 1)) == []


def test_a_long_silence_ends_what_a_listener_knows() -> None:
    asked = [ENTRIES + count(0x21, total) for total in (100, 100, 101, 101)]
    assert heard(*asked, every_s=31.0) == []


def test_a_passage_is_told_once_whoever_asks() -> None:
    talk = Talk(jump=2)
    talk.base(100, 50)
    assert kinds(talk.answer(ENTRIES + count(0x21, 101) + ENTRIES + count(0x21, 101))) == ["passage"]
    assert talk.told(101, 50) == []


@pytest.mark.parametrize(
    ("kind", "name"),
    [(0x21, "entry_count"), (0x22, "exit_count"), (0xF1, "model"), (0xF2, "version"), (0xF3, "board_id"),
     (0x28, "count"), (0x41, "mode"), (0x14, "passage_modes"), (0x18, "close_delay")],
)  # fmt: skip
def test_a_known_type_without_content_is_a_request(kind: int, name: str) -> None:
    (frame,) = DRIVER.new().feed(bytes([2, kind, 0, 4]), 0.0)
    assert isinstance(frame, Frame)
    assert (frame.name, frame.fields) == (f"{name}_request", {"type": kind, "content": ""})


def test_a_request_answers_nothing() -> None:
    talk = Talk()
    assert talk.asked() == ENTRIES
    assert talk.answer(b"\x02\x21\x00\x04") == []
    assert kinds(talk.answer(count(0x21, 5))) == ["up"]


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
    "data", [b"\x02\x20\x00\x04", b"\x02\x44\x01\x30\x04", b"\x02\x14\x0100\x04", b"\x02\x33\x00\x04"]
)
def test_an_unknown_type_or_length_begins_no_frame(data: bytes) -> None:
    (refused, good) = DRIVER.new().feed(data + CONNECT, 0.0)
    assert refused == BadFrame(flaw="noise", bytes=len(data))
    assert good.words() == {"name": "connect"}


@pytest.mark.parametrize(
    "options", [{"poll_s": 0.0}, {"poll_s": 61.0}, {"jump": -1}, {"jump": 101}, {"most_missed": -1}, {"gap_s": 0.0}]
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)  # type: ignore[arg-type]
