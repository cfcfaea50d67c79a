"""The Modbus driver and its simulated devices talk for simulated minutes: every passage is told once."""

from __future__ import annotations

import heapq
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from random import Random

import pytest

from drivers import registry
from drivers.contract import START, Command, Driver
from drivers.events import CardRead, DeviceChange, Event, Frame, Input, Passage
from drivers.modbus_turnstile import DRIVER, Options
from gateway.simulation.peers import PEERS, Peer, new_peer
from gateway.simulation.peers.modbus import Board, Refused, Turnstile, TwoBoards, TwoTurnstiles

Mangle = Callable[[bytes], bytes]
MINUTE_S = 60.0
IO = {"preset": "none", "inputs": "discrete 0 8", "poll_s": 0.03, "answer_s": 0.08}


def as_it_is(data: bytes) -> bytes:
    return data


class Desk:
    """A driver and a peer on one line, in simulated time; what is said arrives byte by byte at the line's speed."""

    def __init__(self, driver: Driver, peer: Peer, mangle: Mangle = as_it_is) -> None:
        self.driver, self.peer, self.mangle = driver, peer, mangle
        self.now = 0.0
        self.events: list[Event] = []
        self._numbers = count()
        self._queue: list[tuple[float, int, str, object]] = []

    def start(self, *marks: str | None) -> None:
        for unit, mark in enumerate(marks or (None,)):
            self.driver.send(Command(START, {"mark": mark}, unit), self.now)

    def plan(self, deeds: Iterable[tuple[float, str]]) -> None:
        for at, deed in deeds:
            self._push(at, "do", deed)

    def _push(self, at: float, what: str, detail: object) -> None:
        heapq.heappush(self._queue, (at, next(self._numbers), what, detail))

    def run(self, until: float) -> list[Event]:
        """Go on to that time; the events since the last call."""
        while True:
            due = self.driver.next_poll()
            at = min([until, *([due] if due is not None else []), *([self._queue[0][0]] if self._queue else [])])
            self.now = max(self.now, at)
            if at >= until:
                break
            if self._queue and self._queue[0][0] <= at:
                _, _, what, detail = heapq.heappop(self._queue)
                self._happen(what, detail)
            else:
                self.events += self.driver.poll(self.now)
            for request in self.driver.commands():
                self._say(self.peer.hear(self.mangle(request), self.now + len(request) * 10 / self.peer.baud))
        told, self.events = self.events, []
        return told

    def _happen(self, what: str, detail: object) -> None:
        if what == "do":
            self._say(self.peer.do(str(detail), self.now))
        else:
            assert isinstance(detail, bytes)
            self.events += self.driver.feed(detail, self.now)

    def _say(self, said: Iterable[object]) -> None:
        for sent in said:
            data = self.mangle(sent.data)  # type: ignore[attr-defined]
            for n, byte in enumerate(data):
                at = self.now + sent.after_s + (n + 8) * 10 / self.peer.baud  # type: ignore[attr-defined]
                self._push(at, "hear", bytes([byte]))


def noisy(rng: Random, share: float) -> Mangle:
    """One noise byte before or behind, a flipped bit or nothing at all, for `share` of what is said."""

    def mangle(data: bytes) -> bytes:
        if rng.random() >= share:
            return data
        at = rng.randrange(len(data))
        return rng.choice(
            [
                rng.randbytes(1) + data,
                data + rng.randbytes(1),
                data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
                b"",
            ]
        )

    return mangle


def passes(events: Iterable[Event]) -> Counter[tuple[int | None, str]]:
    counted: Counter[tuple[int | None, str]] = Counter()
    for event in events:
        if isinstance(event, Passage):
            counted[event.unit, event.direction] += event.count
        elif isinstance(event, Input) and event.active and not event.fields.get("first"):
            counted[event.unit, {"0": "entry", "1": "exit"}[event.input]] += 1
    return counted


def deeds(rng: Random, peer: Peer, seconds: float, every_s: float) -> list[tuple[float, str]]:
    """People at random, from the second second on."""
    planned, at = [], 2.0
    while (at := at + rng.expovariate(1 / every_s)) < seconds - 3.0:
        planned.append((at, peer.new_deed(rng)))
    return planned


def done(planned: Iterable[tuple[float, str]]) -> Counter[tuple[int | None, str]]:
    return Counter(
        (1 if deed.startswith("2 ") else 0, "entry" if deed.endswith("in") else "exit") for _, deed in planned
    )


def changes(events: Iterable[Event]) -> list[tuple[int | None, str, str | None]]:
    return [(event.unit, event.kind, event.reason) for event in events if isinstance(event, DeviceChange)]


def names(events: Iterable[Event]) -> Counter[str]:
    return Counter(event.name for event in events if isinstance(event, Frame))


LINES: list[tuple[str, list[Options]]] = [
    ("modbus_lotltd", [Options()]),
    ("modbus_lotltd_bus", [Options(unit=1), Options(unit=2)]),
    ("modbus_io", [Options(**IO)]),  # type: ignore[arg-type]
    ("modbus_io_bus", [Options(unit=1, **IO), Options(unit=2, **IO)]),  # type: ignore[arg-type]
    ("modbus_io_latched", [Options(latched=True, **IO)]),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("model", "units"), LINES, ids=[model for model, _ in LINES])
def test_every_passage_of_three_minutes_is_told_once(model: str, units: list[Options]) -> None:
    peer = new_peer(model)
    desk = Desk(DRIVER.new(*units), peer)
    planned = deeds(Random(7), peer, 3 * MINUTE_S, 0.8)
    desk.start(*[None] * len(units))
    desk.plan(planned)
    events = desk.run(3 * MINUTE_S)
    assert passes(events) == done(planned)
    assert changes(events) == [(unit, "up", None) for unit in range(len(units))]


@pytest.mark.parametrize(("model", "units"), LINES[:2], ids=[model for model, _ in LINES[:2]])
def test_counters_survive_a_line_that_spoils_a_tenth_of_all_frames(model: str, units: list[Options]) -> None:
    for seed in range(5):
        peer = new_peer(model)
        desk = Desk(DRIVER.new(*units), peer, noisy(Random(seed), 0.1))
        planned = deeds(Random(seed), peer, 2 * MINUTE_S, 0.5)
        desk.start(*[None] * len(units))
        desk.plan(planned)
        assert passes(desk.run(2 * MINUTE_S)) == done(planned)


def test_pulses_on_a_line_that_spoils_a_tenth_of_all_frames_are_lost_sometimes_and_never_invented() -> None:
    """What is not asked in time is not known: that is why counters and latches are better."""
    told = expected = 0
    for seed in range(5):
        desk = Desk(DRIVER.new(Options(**IO)), Board(), noisy(Random(seed), 0.1))  # type: ignore[arg-type]
        planned = deeds(Random(seed), desk.peer, 2 * MINUTE_S, 0.8)
        desk.start()
        desk.plan(planned)
        one = passes(desk.run(2 * MINUTE_S))
        assert not one - done(planned)
        told, expected = told + one.total(), expected + len(planned)
    assert told >= 0.9 * expected


def test_a_restarted_board_counts_on_from_nothing_and_nothing_is_lost() -> None:
    desk = Desk(DRIVER.new(Options()), Turnstile())
    desk.start()
    desk.plan([(3.0, "in"), (4.0, "in"), (5.0, "reset"), (5.02, "in"), (6.0, "out"), (7.0, "in")])
    events = desk.run(10.0)
    assert passes(events) == {(0, "entry"): 4, (0, "exit"): 1}
    reasons = [reason for _, kind, reason in changes(events) if kind == "counter"]
    assert reasons == [
        "entry counter reset: it fell from 131062 to 1",
        "exit counter reset: it fell from 7 to 0",
    ]


def test_a_torn_update_is_a_glitch_and_no_crowd() -> None:
    peer = Turnstile(seed=3, first=0x1FFFF - 1)
    desk = Desk(DRIVER.new(Options()), peer)
    desk.start()
    desk.plan([(2.0 + n, "in") for n in range(4)])
    peer.counts[1].torn = {}
    events = desk.run(10.0)
    assert passes(events) == {(0, "entry"): 4}


def test_a_board_that_was_changed_for_another_is_said_and_its_count_is_nobodys() -> None:
    desk = Desk(DRIVER.new(Options()), Turnstile())
    desk.start()
    desk.plan([(2.0, "in")])
    assert passes(desk.run(4.0)) == {(0, "entry"): 1}
    desk.peer = Turnstile(first=250_000)
    desk.plan([(6.0, "in"), (7.0, "out")])
    events = desk.run(10.0)
    assert passes(events) == {(0, "entry"): 1, (0, "exit"): 1}
    assert changes(events) == [
        (0, "counter", "entry counter leapt by 118939, from 131061 to 250000: nobody is counted for it")
    ]


def test_what_passed_while_the_cable_was_out_is_told_at_the_next_start() -> None:
    driver = DRIVER.new(Options())
    desk = Desk(driver, Turnstile())
    desk.start()
    desk.plan([(2.0, "in"), (3.0, "out")])
    mark = [event.mark for event in desk.run(5.0) if isinstance(event, Passage)][-1]
    driver.reset()
    desk.plan([(6.0, "in"), (7.0, "in"), (8.0, "out")])
    desk.run(10.0)
    desk.start(mark)
    told = [event for event in desk.run(12.0) if isinstance(event, Passage)]
    assert [(event.direction, event.count, event.fields["missed"]) for event in told] == [
        ("entry", 2, True),
        ("exit", 1, True),
    ]


def test_a_silent_unit_is_down_once_and_up_once_and_does_not_hold_up_the_other() -> None:
    peer = TwoTurnstiles()
    desk = Desk(DRIVER.new(Options(unit=1), Options(unit=2)), peer)
    desk.start(None, None)
    desk.run(5.0)
    peer.units = (1,)
    planned = [(6.0 + n, "in") for n in range(20)]
    desk.plan(planned)
    events = desk.run(30.0)
    assert changes(events) == [(1, "down", "no answer")]
    assert passes(events) == done(planned)
    asked = names(event for event in events if event.unit == 0)
    assert asked["reply"] > 20 * (25 - 6)  # of 20 a second, less what the silent one costs
    peer.units = (1, 2)
    assert changes(desk.run(35.0)) == [(1, "up", None)]


def test_a_line_that_falls_silent_is_down_once() -> None:
    peer = Turnstile()
    desk = Desk(DRIVER.new(Options()), peer)
    desk.start()
    desk.run(5.0)
    peer.is_silent = True
    desk.plan([(10.0, "in")])
    assert changes(desk.run(20.0)) == [(0, "down", "no answer")]
    peer.is_silent = False
    events = desk.run(30.0)
    assert changes(events) == [(0, "up", None)]
    assert passes(events) == {(0, "entry"): 1}


@pytest.mark.parametrize(("model", "units"), LINES[:2], ids=[model for model, _ in LINES[:2]])
def test_a_passage_happened_within_the_time_that_is_said_of_it(model: str, units: list[Options]) -> None:
    peer = new_peer(model)
    desk = Desk(DRIVER.new(*units), peer, noisy(Random(3), 0.1))
    planned = deeds(Random(3), peer, MINUTE_S, 0.5)
    desk.start(*[None] * len(units))
    desk.plan(planned)
    owed: dict[tuple[int | None, str], list[float]] = {}
    for at, deed in planned:
        owed.setdefault(next(iter(done([(at, deed)]))), []).append(at)
    bounds = []
    for tick in range(int(MINUTE_S / 0.005)):
        for event in desk.run(tick * 0.005):
            for whose, people in passes([event]).items():
                assert event.since_s is not None
                bounds.append(event.since_s)
                passed, owed[whose] = owed[whose][:people], owed[whose][people:]
                assert all(desk.now - 0.005 - event.since_s <= at <= desk.now for at in passed)
    assert not any(owed.values())
    assert sorted(bounds)[len(bounds) // 2] < 0.3


def test_cards_are_read_once_while_passes_are_counted() -> None:
    desk = Desk(DRIVER.new(Options(read_cards=True)), Turnstile())
    desk.start()
    desk.plan([(3.0, "card 0004019412026"), (3.5, "in"), (8.0, "card 0004019412026"), (9.0, "card 0C000621A5")])
    events = desk.run(12.0)
    cards = [(event.scheme, event.value) for event in events if isinstance(event, CardRead)]
    assert cards == [("number", "0004019412026")] * 2 + [("line", "0C000621A5")]
    assert passes(events) == {(0, "entry"): 1}


def test_a_fire_contact_is_told_when_it_closes_and_when_it_opens_and_when_it_is_found_closed() -> None:
    peer = Board()
    peer.do("fire", 0.0)
    desk = Desk(DRIVER.new(Options(**IO)), peer)  # type: ignore[arg-type]
    desk.start()
    desk.plan([(2.0, "clear"), (3.0, "fire")])
    fires = [event for event in desk.run(5.0) if isinstance(event, Input) and event.input == "7"]
    assert [(event.active, "first" in event.fields) for event in fires] == [
        (True, True),
        (False, False),
        (True, False),
    ]


def test_an_error_state_is_told_when_it_comes_and_when_it_goes() -> None:
    desk = Desk(DRIVER.new(Options()), Turnstile())
    desk.start()
    desk.plan([(2.0, "error 4"), (3.0, "error 0")])
    assert changes(desk.run(5.0))[1:] == [(0, "fault", "error state 4"), (0, "recovered", "error state 0")]


def test_a_board_without_the_map_says_so_once_and_is_asked_once_a_second() -> None:
    desk = Desk(DRIVER.new(Options()), Board())
    desk.start()
    events = desk.run(10.0)
    assert changes(events) == [(0, "up", None), (0, "fault", "exception 1")]
    assert names(events)["exception"] in (9, 10)


def test_every_model_is_made_by_name_and_names_options_that_the_driver_takes() -> None:
    for model in (name for name in PEERS if name.startswith("modbus")):
        peer = new_peer(model)
        assert (peer.model, peer.driver) == (model, "modbus_turnstile")
        table = tomllib.loads(f"options = {{ {peer.options} }}\ndirections = {{ {peer.directions} }}")
        options = registry.make_options(DRIVER, table["options"])
        assert set(table["directions"]) == set(DRIVER.directions_with(options))


@pytest.mark.parametrize("peer", [Turnstile(), Board(), TwoBoards()])
def test_what_cannot_be_done_is_refused(peer: Peer) -> None:
    for deed in ("dance", "9 in", "", "error x"):
        with pytest.raises(ValueError):
            peer.do(deed, 0.0)


def test_a_peer_answers_its_own_requests_only_and_refuses_what_it_does_not_have() -> None:
    peer = Turnstile()
    request = bytes.fromhex("010300440005C5DC")
    assert peer.hear(request[:3], 0.0) == []
    (sent,) = peer.hear(request[3:], 0.0)
    assert sent.data[:3] == b"\x01\x03\x0a"
    assert peer.hear(bytes.fromhex("020300440005C5DC"), 0.0) == []
    for function, address, number in ((4, 0x44, 2), (3, 0x60, 1), (3, 0x44, 0)):
        with pytest.raises(Refused):
            peer.read(1, function, address, number, 0.0)
