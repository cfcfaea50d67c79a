"""The talk with devices that are silent until asked, with a toy family: `?` asks, `A` to `Z` answer, `~` is noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers.asking import LOST_AFTER, AskingDriver, Heard, Request
from drivers.contract import START, Command
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame
from drivers.framing import FrameStream, Good, Noise, Verdict

EVERY_S, ANSWER_S = 1.0, 0.5


def judge(data: bytearray, start: int, stop: int, at: float) -> Verdict:
    word = chr(data[start])
    if word == "?":
        return Good(1, (Frame(name="request"),))
    if word.isascii() and word.isupper():
        return Good(1, (CardRead(scheme="toy", value=word, bits=5),))
    return Noise(1)


@dataclass
class Script:
    """Asks one unit after the other, once a second."""

    units: int = 1
    next_at: float | None = None
    turn: int = 0
    marks: dict[int, str | None] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)

    def start(self, unit: int, mark: str | None, at: float) -> None:
        self.marks[unit] = mark
        self.next_at = at

    def stop(self) -> None:
        self.next_at, self.turn = None, 0

    def due(self) -> float | None:
        return self.next_at

    def ask(self, at: float) -> Request | None:
        unit, self.turn = self.turn, (self.turn + 1) % self.units
        self.next_at = at + EVERY_S
        return Request(b"?", unit, ANSWER_S)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        return Heard((event,), answers=isinstance(event, CardRead))

    def miss(self, asked: Request, at: float) -> None:
        self.next_at = at

    def order(self, command: Command, at: float) -> None:
        self.orders.append(command.name)


def talk(units: int = 1) -> tuple[AskingDriver, Script]:
    script = Script(units)
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
