"""The talk with devices that are silent until asked, with a toy family: `?` asks, `A` to `Z` answer, `~` is noise.

`-` says that there is nothing, `A` is a card (`X` one of unit 1), `Z` a card that its reader tells by itself, `((` is
one frame with two cards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.asking import LOST_AFTER, AskingDriver, Heard, Request
from drivers.contract import START, Command
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame
from drivers.framing import FrameStream, Good, Noise, Verdict

EVERY_S, ANSWER_S = 1.0, 0.5


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    word = chr(data[start])
    if word == "?":
        return Good(1, (Frame(name="request"),))
    if word == "-":
        return Good(1, (Frame(name="nothing"),))
    if word == "(":
        return None if stop - start < 2 else Good(2, (CardRead(scheme="toy", value="(", bits=5),) * 2)
    if word.isascii() and word.isupper():
        return Good(1, (CardRead(scheme="toy", value=word, bits=5, unit=int(word == "X")),))
    return Noise(1)


@dataclass
class Script:
    """Asks one unit after the other, once a second."""

    units: int = 1
    next_at: float | None = None
    turn: int = 0
    marks: dict[int, str | None] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    retry_s: float = 0.0
    has_queue: bool = False
    asked_at: float = 0.0

    def start(self, unit: int, mark: str | None, at: float) -> None:
        self.marks[unit] = mark
        self.next_at = at

    def stop(self) -> None:
        self.next_at, self.turn = None, 0

    def due(self) -> float | None:
        return self.next_at

    def ask(self, at: float) -> Request | None:
        unit, self.turn = self.turn, (self.turn + 1) % self.units
        self.asked_at, self.next_at = at, at + EVERY_S
        return Request(b"?", unit, ANSWER_S)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        is_answer = isinstance(event, CardRead) or (isinstance(event, Frame) and event.name == "nothing")
        is_own_speech = isinstance(event, CardRead) and event.value == "Z"
        is_all = is_answer and not (self.has_queue and isinstance(event, CardRead))
        settled_at = self.asked_at if is_all and asked is not None else None
        return Heard((event,), answers=is_answer, is_shown=not is_own_speech, settled_at=settled_at)

    def miss(self, asked: Request, at: float) -> None:
        self.next_at = at + self.retry_s

    def order(self, command: Command, at: float) -> None:
        self.orders.append(command.name)


def talk(units: int = 1, retry_s: float = 0.0) -> tuple[AskingDriver, Script]:
    script = Script(units, retry_s=retry_s)
    driver = AskingDriver(FrameStream(judge, max_bytes=8), script, units=units)
    for unit in range(units):
        driver.send(Command(START, {"mark": f"m{unit}"}, unit), 0.0)
    return driver, script


def wait(driver: AskingDriver, until: float) -> list[Event]:
    events: list[Event] = []
    while (due := driver.next_poll()) is not None and due <= until:
        events += driver.poll(due)
        driver.commands()
    return events


def test_nothing_is_asked_before_start_and_everything_is_understood_all_the_same() -> None:
    script = Script()
    driver = AskingDriver(FrameStream(judge, max_bytes=8), script)
    assert driver.next_poll() is None
    assert [event.event for event in driver.feed(b"?A", 0.0)] == ["frame", "card_read"]
    driver.send(Command("feedback"), 0.0)
    assert script.orders == []
    assert driver.commands() == []


def test_start_hands_each_unit_its_mark_and_the_first_question_follows() -> None:
    driver, script = talk(units=2)
    assert script.marks == {0: "m0", 1: "m1"}
    assert driver.poll(0.0) == []
    assert driver.commands() == [b"?"]
    assert driver.commands() == [], "they are drained"


def test_one_question_is_open_at_a_time() -> None:
    driver, _ = talk()
    driver.poll(0.0)
    driver.commands()
    driver.poll(ANSWER_S - 0.01)
    assert driver.commands() == []


def test_the_first_answer_says_up_before_what_it_means_and_later_ones_do_not() -> None:
    driver, _ = talk()
    driver.poll(0.0)
    first = driver.feed(b"A", 0.1)
    assert [(event.event, getattr(event, "kind", None)) for event in first] == [("device", "up"), ("card_read", None)]
    driver.poll(EVERY_S)
    assert [event.event for event in driver.feed(b"B", EVERY_S + 0.1)] == ["card_read"]


def test_an_echo_and_noise_answer_nothing() -> None:
    driver, _ = talk()
    driver.poll(0.0)
    told = driver.feed(b"?~", 0.1)
    assert [event.event for event in told] == ["frame"]
    assert driver.next_poll() == ANSWER_S
    assert any(isinstance(event, BadFrame) for event in wait(driver, 1.0))


def test_silence_is_told_once_and_the_return_too() -> None:
    driver, _ = talk()
    changes = [event for event in wait(driver, 20.0) if isinstance(event, DeviceChange)]
    assert [(event.kind, event.reason) for event in changes] == [("down", "no answer")]
    driver.poll(20.5)
    assert [event.event for event in driver.feed(b"A", 20.6)] == ["device", "card_read"]


def test_fewer_misses_than_that_say_nothing() -> None:
    driver, _ = talk()
    for n in range(LOST_AFTER - 1):
        driver.poll(n * ANSWER_S)
    assert not [event for event in driver.feed(b"A", 0.99) if getattr(event, "kind", "up") == "down"]
    assert LOST_AFTER == 3


def test_units_come_and_go_by_themselves() -> None:
    driver, _ = talk(units=2)
    driver.poll(0.0)
    told = driver.feed(b"A", 0.1)
    assert [event.unit for event in told if isinstance(event, DeviceChange)] == [0]


def test_orders_reach_the_script_and_reset_ends_the_talk() -> None:
    driver, script = talk()
    driver.send(Command("feedback", {"state": "read"}), 0.0)
    assert script.orders == ["feedback"]
    driver.poll(0.0)
    driver.reset()
    assert (driver.next_poll(), driver.commands()) == (None, [])
    assert driver.poll(99.0) == []


def asked(driver: AskingDriver, at: float, answer: bytes = b"") -> list[Event]:
    """A question at `at`, answered a tenth of a second later, or not at all."""
    events = driver.poll(at)
    assert driver.commands() == [b"?"]
    return events + (driver.feed(answer, at + 0.1) if answer else driver.poll(at + ANSWER_S))


def ages(events: list[Event]) -> list[float | None]:
    return [event.since_s for event in events if isinstance(event, CardRead)]


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if isinstance(event, DeviceChange)]


def test_a_card_is_as_old_as_the_question_before_it_that_was_answered_with_nothing() -> None:
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    assert ages(asked(driver, 1.0, b"A")) == [pytest.approx(1.1)]
    assert ages(asked(driver, 2.0, b"B")) == [pytest.approx(1.1)], "the answer with the card told of all there was"


def test_the_first_answer_may_be_from_before_the_talk() -> None:
    driver, _ = talk()
    assert ages(asked(driver, 0.0, b"A")) == [inf]
    assert ages(asked(driver, 1.0, b"B")) == [pytest.approx(1.1)]


def test_a_card_that_waited_while_nobody_asked_is_not_of_now() -> None:
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    assert ages(asked(driver, 60.0, b"A")) == [pytest.approx(60.1)]


def test_a_card_that_waited_behind_a_lost_link_is_not_of_now() -> None:
    driver, _ = talk(retry_s=EVERY_S - ANSWER_S)
    asked(driver, 0.0, b"-")
    for at in range(1, 30):
        asked(driver, float(at))
    assert ages(asked(driver, 30.0, b"A")) == [pytest.approx(30.1)]


def test_an_answer_that_may_be_late_settles_no_more_than_the_question_it_may_be_for() -> None:
    driver, _ = talk(retry_s=EVERY_S - ANSWER_S)
    asked(driver, 0.0, b"-")
    asked(driver, 1.0)
    asked(driver, 2.0, b"-")
    assert ages(asked(driver, 3.0, b"A")) == [pytest.approx(2.1)]
    assert ages(asked(driver, 4.0, b"B")) == [pytest.approx(1.1)]


def test_cards_of_one_frame_are_equally_old() -> None:
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    assert ages(asked(driver, 1.0, b"((")) == [pytest.approx(1.1)] * 2


def test_a_late_answer_is_as_old_as_any_other() -> None:
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    driver.poll(1.0)
    driver.poll(1.0 + ANSWER_S)
    assert ages(driver.feed(b"A", 1.6)) == [pytest.approx(1.6)]


def test_what_a_unit_says_by_itself_is_of_now() -> None:
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    assert ages(asked(driver, 1.0, b"Z")) == [None]


def test_each_unit_has_its_own_past_and_nothing_is_remembered_behind_a_reset() -> None:
    driver, _ = talk(units=2)
    asked(driver, 0.0, b"-")
    assert ages(asked(driver, 1.0, b"XA")) == [inf, pytest.approx(1.1)]
    driver.reset()
    driver.send(Command(START), 9.0)
    assert ages(asked(driver, 9.0, b"A")) == [inf]


def test_down_says_how_long_ago_the_last_answer_was() -> None:
    driver, _ = talk()
    (down,) = [event for event in wait(driver, 9.0) if isinstance(event, DeviceChange)]
    assert down.since_s == inf, "there was none"
    driver, _ = talk()
    asked(driver, 0.0, b"-")
    (down,) = [event for event in wait(driver, 9.0) if isinstance(event, DeviceChange)]
    assert down.since_s == pytest.approx(EVERY_S + LOST_AFTER * ANSWER_S - 0.1)


def test_a_unit_that_was_there_and_is_lost_must_answer_in_a_row_to_be_back() -> None:
    driver, _ = talk(retry_s=EVERY_S - ANSWER_S)
    assert kinds(asked(driver, 0.0, b"-")) == ["up"], "the first time one answer is enough"
    told = []
    for n, answer in enumerate([b""] * LOST_AFTER + [b"-", b"-", b"", b"-", b"-", b"-", b"-"], start=1):
        told += [(n, kind) for kind in kinds(asked(driver, float(n), answer))]
    assert told == [(LOST_AFTER, "down"), (LOST_AFTER + 6, "up")]


def test_a_wait_for_an_answer_is_no_begun_frame() -> None:
    driver, _ = talk()
    driver.poll(0.0)
    assert driver.next_poll() is not None
    assert not driver.is_mid_frame()
    driver.feed(b"(", 0.1)
    assert driver.is_mid_frame()
    driver.feed(b"(", 0.2)
    assert not driver.is_mid_frame()


FATES = {"soon": 0.1, "slow": ANSWER_S - 0.01, "late": ANSWER_S + 0.2, "lost": None}


@given(st.lists(st.tuples(st.floats(0.01, 30.0), st.booleans(), st.sampled_from(sorted(FATES))), max_size=40))
def test_whatever_is_lost_or_late_no_card_is_dated_behind_the_moment_it_was_shown(
    steps: list[tuple[float, bool, str]],
) -> None:
    driver, script = talk(retry_s=0.1)
    script.has_queue = True
    at = 0.0
    on_the_line: list[tuple[float, bytes, float]] = []
    waiting: list[float] = []

    def hear(until: float) -> None:
        while on_the_line and on_the_line[0][0] <= until:
            arrival, answer, shown_at = on_the_line.pop(0)
            for age in ages(driver.feed(answer, arrival)):
                assert age is not None
                assert arrival - age <= shown_at

    for pause, is_shown, fate in steps:
        due = driver.next_poll()
        assert due is not None
        at = max(at, due) + (pause if fate == "lost" else 0.0)
        hear(at)
        driver.poll(at)
        if driver.commands():
            delay_s = FATES[fate]
            shown_at = waiting.pop(0) if waiting and delay_s is not None else inf
            if delay_s is not None:
                on_the_line.append((at + delay_s, b"-" if shown_at == inf else b"A", shown_at))
        waiting += [at + 1e-6] if is_shown else []


@given(st.lists(st.tuples(st.floats(0.0, 0.4), st.sampled_from([b"", b"A", b"?", b"~", b"AB"])), max_size=60))
def test_whatever_is_heard_up_and_down_alternate_and_questions_never_pile_up(
    steps: list[tuple[float, bytes]],
) -> None:
    driver, _ = talk()
    at, events = 0.0, []
    for pause, data in steps:
        at += pause
        events += driver.poll(at) + driver.feed(data, at)
        assert len(driver.commands()) <= 1
    kinds = [event.kind for event in events if isinstance(event, DeviceChange)]
    assert all(first != second for first, second in pairwise(kinds))
