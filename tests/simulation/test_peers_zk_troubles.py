"""The ZKTeco terminal on the desk when things go wrong: refusals, clocks that are set, full and shortened logs."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.events import CardRead
from gateway.simulation.peers.zk import POWER_ON, Zk
from tests.simulation.zk_desk import Desk

CONNECT, AUTH, QUERY, OLD_QUERY, SIZES, TIME, CHUNK = 1000, 1102, 1503, 13, 50, 201, 1504
UNAUTHORISED, ERROR, BUSY = 2005, 2001, 2003
WRITES = {1001, 1003, 1004, 8, 10, 12, 14, 15, 18, 31, 202, 1013}


def asked(desk: Desk, *commands: int) -> int:
    return sum(desk.terminal.orders.count(command) for command in commands)


@pytest.mark.parametrize(
    ("refused", "refusal"),
    [
        (refused, refusal)
        for refused in (CONNECT, TIME, 500, QUERY)
        for refusal in (ERROR, BUSY, UNAUTHORISED, 0xFFFF)
        if (refused, refusal) != (CONNECT, UNAUTHORISED)
    ],
)
def test_a_terminal_that_refuses_is_asked_again_ever_later(refused: int, refusal: int) -> None:
    desk = Desk(Zk(refuses={refused, OLD_QUERY} if refused == QUERY else {refused}, refusal=refusal))
    desk.run(600.0, [(20.0 + 7.0 * n, str(10_000 + n)) for n in range(60)])
    if refused != 500 or refusal == UNAUTHORISED:
        assert not desk.reads
        assert asked(desk, refused) <= 17
        assert len(desk.reasons("fault")) == 1
    desk.terminal.refuses.clear()
    desk.run(700.0)
    assert len(desk.reads) == 60
    desk.run(900.0, [(800.0, "20417")])
    told = next(at for at, event in desk.events if isinstance(event, CardRead) and event.value == "20417")
    assert told - 800.0 < (20.5 if refused == 500 else 0.5)


def test_a_wrong_key_is_tried_ever_later() -> None:
    desk = Desk(Zk(key=4711), comm_key=815)
    desk.run(600.0)
    assert asked(desk, AUTH) <= 17
    assert desk.reasons("fault") == ["the communication key is refused"]


def test_a_log_that_stays_away_is_asked_for_ever_later() -> None:
    desk = Desk(Zk(before=200, refuses={CHUNK}))
    desk.run(600.0, [(20.0 + 7.0 * n, str(10_000 + n)) for n in range(60)])
    assert asked(desk, QUERY) <= 17
    desk.terminal.refuses.clear()
    desk.run(700.0)
    assert len(desk.reads) == 260


def test_a_quiet_terminal_is_asked_for_time_and_size_and_its_log_is_left_alone() -> None:
    desk = Desk(Zk(before=5000, tells_live=False), history="none", pull_s=60.0)
    desk.run(10.0)
    queries = asked(desk, QUERY)
    desk.run(590.0)
    assert asked(desk, QUERY) == queries
    desk.run(600.0, [(591.0, "20417")])
    desk.run(625.0)
    assert [read.value for read in desk.reads] == ["20417"]
    assert asked(desk, QUERY) == queries + 1


def test_of_a_long_full_log_only_the_end_is_read_for_each_punch() -> None:
    desk = Desk(Zk(before=20_000, room=20_000), history="none", pull_s=60.0)
    desk.run(10.0)
    chunks = asked(desk, CHUNK)
    desk.run(400.0, [(20.0 + 10.0 * n, str(10_000 + n)) for n in range(30)])
    assert [read.value for read in desk.reads] == [str(10_000 + n) for n in range(30)]
    assert asked(desk, CHUNK) - chunks <= 3 * 30
    assert desk.reasons("log") == ["first reading: 20000 of 20000 entries are older and are not told"]


def test_of_a_long_full_log_that_is_overwritten_only_the_place_is_read_once_a_new_entry_has_shown_it() -> None:
    desk = Desk(Zk(before=20_000, room=20_000, in_place=True), history="none", pull_s=60.0)
    desk.terminal._oldest = 7_000
    desk.run(700.0, [(20.0, "10000")])
    assert [read.value for read in desk.reads] == ["10000"]
    chunks = asked(desk, CHUNK)
    desk.run(1100.0, [(710.0 + 10.0 * n, str(10_001 + n)) for n in range(30)])
    assert [read.value for read in desk.reads] == [str(10_000 + n) for n in range(31)]
    assert asked(desk, CHUNK) - chunks <= 2 * 30
    desk.away()
    desk.back()
    desk.run(1110.0, [(1105.0, "20000")])
    assert asked(desk, CHUNK) - chunks <= 2 * 32
    assert desk.reads[-1].value == "20000"
    assert len(desk.reasons("log")) == 1


def test_much_that_came_into_a_log_whose_room_is_not_told_is_read_without_the_rest_of_the_log() -> None:
    desk = Desk(Zk(before=20_000, has_sizes=False), history="none", pull_s=60.0)
    desk.run(30.0, [(20.0, "10000")])
    chunks = asked(desk, CHUNK)
    desk.away()
    for n in range(500):
        desk.terminal.do(str(20_000 + n), 40.0 + n)
    desk.now = 600.0
    desk.back()
    desk.run(601.0)
    assert [read.value for read in desk.reads] == ["10000", *(str(20_000 + n) for n in range(500))]
    assert asked(desk, CHUNK) - chunks <= 4


@pytest.mark.parametrize("tells_live", [True, False])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_full_log_loses_no_punch_and_tells_none_twice(in_place: bool, tells_live: bool) -> None:
    desk = Desk(Zk(room=60, in_place=in_place, tells_live=tells_live), pull_s=20.0)
    users = [str(10_000 + n) for n in range(150)]
    done = {user: 20.0 + 170.0 * n for n, user in enumerate(users)}
    desk.run(150 * 170.0 + 4000.0, [(at, user) for user, at in done.items()])
    assert [read.value for read in desk.reads] == users
    desk.check_dates(done)
    desk.away()
    desk.back()
    desk.run(desk.now + 4000.0)
    assert len(desk.reads) == len(users)


def test_a_full_log_that_was_overwritten_while_we_were_away_is_told_and_said_to_have_lost_entries() -> None:
    desk = Desk(Zk(room=50))
    desk.run(100.0, [(20.0 + n, str(10_000 + n)) for n in range(50)])
    desk.away()
    for n in range(80):
        desk.terminal.do(str(20_000 + n), 200.0 + 2 * n)
    desk.now = 400.0
    desk.back()
    desk.run(410.0)
    assert [read.value for read in desk.reads[50:]] == [str(20_000 + n) for n in range(30, 80)]
    assert any("others may be lost" in str(reason) for reason in desk.reasons("log"))


def test_a_clock_that_is_set_while_we_are_connected_is_told_with_its_jump() -> None:
    desk = Desk(Zk(before=3), pull_s=60.0)
    desk.run(105.0)
    desk.terminal.wrong_s += 3600.0
    desk.run(200.0)
    desk.terminal.wrong_s -= 90.0
    desk.run(3000.0)
    first, second = (str(reason) for reason in desk.reasons("fault"))
    assert first.startswith("the terminal's clock was set: +3600")
    assert second.startswith("the terminal's clock was set: -90")


def test_a_clock_that_drifts_is_not_said_to_have_been_set() -> None:
    desk = Desk(Zk(drift=9e-5))
    desk.run(500.0)
    desk.away()
    desk.now = 200_000.0
    desk.back()
    desk.run(203_000.0)
    assert desk.reasons("fault") == []


@pytest.mark.parametrize("punches", [0, 60])
def test_a_clock_that_stands_still_is_told_a_few_times_and_then_no_more(punches: int) -> None:
    desk = Desk(Zk(drift=-1.0))
    desk.run(2000.0, [(20.0 + 31.0 * n, str(10_000 + n)) for n in range(punches)])
    assert desk.reasons("fault")[-1] == "the terminal's clock does not keep time"
    assert len(desk.reasons("fault")) == 4


@pytest.mark.parametrize("by_s", [-5000.0, -40.0, -7.0, 7.0, 40.0, 5000.0])
def test_entries_around_a_clock_that_is_set_are_dated_within_their_error(by_s: float) -> None:
    desk = Desk(Zk(tells_live=False), pull_s=300.0)
    desk.run(100.0, [(50.0, "10000")])
    done = {"10000": 50.0}
    for n, at in enumerate((121.5, 124.0, 128.0, 131.0, 135.0, 138.0, 141.0)):
        desk.run(at)
        if n == 3:
            desk.terminal.wrong_s += by_s
        desk.terminal.do(str(20_000 + n), at)
        done[str(20_000 + n)] = at
    desk.run(200.0)
    assert len(desk.reads) == 8
    desk.check_dates(done)


def until_asked(desk: Desk, *commands: int) -> None:
    """Let time pass until it has been asked these, one after the other."""
    for command in commands:
        start = len(desk.terminal.orders)
        while command not in desk.terminal.orders[start:]:
            desk.run(desk.now + 0.001)


@pytest.mark.parametrize("has_chunks", [True, False])
@pytest.mark.parametrize("before", [0, 50])
@pytest.mark.parametrize("by_s", [-86_400.0, -3600.0, -8.0, -3.0, -2.0, 2.0, 8.0, 3600.0, 86_400.0])
def test_a_punch_on_a_clock_that_is_set_between_the_question_for_the_time_and_the_log_is_dated_within_its_error(
    by_s: float, before: int, has_chunks: bool
) -> None:
    desk = Desk(Zk(before=before, has_chunks=has_chunks), history="none")
    desk.run(300.0)
    done = {"10000": 300.0}
    desk._said(desk.terminal.do("10000", 300.0))
    until_asked(desk, TIME)
    desk.terminal.wrong_s += by_s
    done["10001"] = desk.now
    desk._said(desk.terminal.do("10001", desk.now))
    desk.run(302.0)
    assert [read.value for read in desk.reads] == ["10000", "10001"]
    desk.check_dates(done)
    assert max(read.origin.error_s for read in desk.reads if read.origin is not None) < 12.0
    told = desk.reasons("fault")
    assert len(told) <= 1
    assert told or abs(by_s) < 5.0
    desk.away()
    desk.back()
    desk.run(400.0)
    assert (len(desk.reads), desk.reasons("fault")) == (2, told)


def test_a_reading_of_the_log_that_finds_nothing_new_asks_no_time_behind_it_and_one_with_news_asks_it_once() -> None:
    desk = Desk(Zk(before=3000, has_sizes=False, tells_live=False), pull_s=10.0)
    desk.run(5.0)
    assert len(desk.reads) == 3000
    assert (asked(desk, TIME), asked(desk, QUERY)) == (2, 1)
    desk.run(95.0)
    assert asked(desk, TIME) == asked(desk, QUERY) + 1 > 8
    desk.run(125.0, [(96.0, "10000")])
    assert asked(desk, TIME) == asked(desk, QUERY) + 2


@pytest.mark.parametrize("is_unplugged", [False, True])
def test_entries_read_from_a_terminal_that_falls_silent_before_it_tells_the_time_behind_are_told_once_it_is_back(
    is_unplugged: bool,
) -> None:
    desk = Desk(Zk())
    done = {"10000": 50.0, "10001": 100.0}
    desk.run(100.0, [(50.0, "10000"), (100.0, "10001")])
    until_asked(desk, QUERY, TIME)
    desk._wire.clear()
    desk.is_silent = True
    desk.terminal.wrong_s -= 3.0
    if is_unplugged:
        desk.away()
        desk.back()
    desk.run(1000.0)
    assert [read.value for read in desk.reads] == ["10000"]
    desk.is_silent = False
    desk.run(1200.0)
    assert [read.value for read in desk.reads] == ["10000", "10001"]
    desk.check_dates(done)


class Busy(Zk):
    """It does not tell its time for a second after its log was asked for."""

    busy_until = 0.0

    def _obey(self, command: int, data: bytes, reply: int, at: float) -> list[bytes]:
        self.refuses = {TIME} if at < self.busy_until else set()
        if command == QUERY:
            self.busy_until = at + 1.0
        return super()._obey(command, data, reply, at)


def test_a_terminal_that_never_tells_its_time_behind_its_log_is_read_with_an_error_that_covers_a_set_clock() -> None:
    desk = Desk(Busy(before=900, tells_live=False), history=1)
    done: dict[str, float] = {}
    desk.run(10.0)
    for n in range(40):
        desk.run(desk.now + 7.0)
        if n == 20:
            until_asked(desk, TIME)
            desk.terminal.wrong_s -= 8.0
        user = str(10_000 + n)
        done[user] = desk.now
        desk.terminal.do(user, desk.now)
    desk.run(desk.now + 200.0)
    assert [read.value for read in desk.reads] == list(done)
    desk.check_dates(done)
    assert desk.reasons("fault") == ["the terminal does not tell its time", "the terminal's clock was set: -8 s"]


@pytest.mark.parametrize("is_booted", [False, True])
@pytest.mark.parametrize("by_s", [-7200.0, 7200.0])
def test_a_clock_set_while_we_were_away_is_told_once_and_widens_the_error(by_s: float, is_booted: bool) -> None:
    desk = Desk(Zk())
    done = {"10000": 50.0}
    desk.run(100.0, [(50.0, "10000")])
    desk.away()
    for n in range(40):
        if n == 20:
            desk.terminal.wrong_s += by_s
        desk.terminal.do(str(20_000 + n), 1000.0 + 600.0 * n)
        done[str(20_000 + n)] = 1000.0 + 600.0 * n
    desk.now = 30_000.0
    if is_booted:
        desk.boot = "boot-2"
    desk.back()
    desk.run(30_100.0)
    (fault,) = desk.reasons("fault")
    whose, jump_s = str(fault).removesuffix(" s").split(" was set: ")
    assert whose == ("the terminal's clock or ours" if is_booted else "the terminal's clock")
    assert float(jump_s) == pytest.approx(by_s, abs=4.0)
    assert len(desk.reads) == 41
    desk.check_dates(done)
    for _ in range(3):
        desk.away()
        desk.now += 500.0
        desk.back()
        desk.run(desk.now + 30.0)
    assert desk.reasons("fault") == [fault]


def test_a_connection_that_breaks_amid_the_entries_of_a_set_clock_still_dates_the_others() -> None:
    desk = Desk(Zk())
    done = {"10000": 50.0}
    desk.run(100.0, [(50.0, "10000")])
    desk.away()
    for n in range(2000):
        if n == 1700:
            desk.terminal.wrong_s += 900.0
        desk.terminal.do(str(20_000 + n), 200.0 + n)
        done[str(20_000 + n)] = 200.0 + n
    desk.now = 2500.0
    breaks = 0
    while len(desk.reads) < 2001:
        desk.back()
        desk.run(desk.now + 0.11)
        desk.away()
        desk.now += 100.0
        breaks += 1
        assert breaks < 40
    assert breaks > 2
    assert len(desk.reads) == 2001
    desk.check_dates(done)


def test_a_first_reading_that_breaks_off_dates_the_old_entries_that_are_left() -> None:
    peer = Zk(before=900, drift=0.0)
    done = {one.user: (one.time - POWER_ON).total_seconds() - peer.wrong_s for one in peer.log}
    desk = Desk(peer)
    while not desk.reads:
        desk.run(desk.now + 0.005)
    assert len(desk.reads) < 800
    desk.away()
    desk.now += 20.0
    desk.back()
    desk.run(desk.now + 10.0)
    assert len(desk.reads) == 900
    desk.check_dates(done)
    assert max(read.origin.error_s for read in desk.reads if read.origin is not None) < 4000.0


def test_a_log_shortened_by_somebody_is_told_and_goes_on() -> None:
    desk = Desk(Zk())
    desk.run(100.0, [(20.0 + n, str(10_000 + n)) for n in range(40)])
    del desk.terminal.log[:15]
    desk.run(150.0)
    del desk.terminal.log[-3:]
    desk.run(200.0, [(180.0, "20000")])
    assert [read.value for read in desk.reads] == [str(10_000 + n) for n in range(40)] + ["20000"]
    assert desk.reasons("log")[1:] == [
        "somebody has shortened the log: 15 of the entries known before are gone",
        "somebody has shortened the log: 3 of the entries known before are gone",
    ]


def test_a_log_cleared_and_grown_to_the_same_length_while_nobody_listens_is_told_all_the_same() -> None:
    desk = Desk(Zk(tells_live=False))
    desk.run(100.0, [(20.0 + n, str(10_000 + n)) for n in range(5)])
    desk.terminal.log.clear()
    for n in range(5):
        desk.terminal.do(str(20_000 + n), 101.0 + 0.1 * n)
    desk.run(800.0)
    assert [read.value for read in desk.reads[5:]] == [str(20_000 + n) for n in range(5)]
    assert desk.reasons("log")[1:] == ["somebody has cleared the log"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("punch"), st.integers(1, 25)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
        st.tuples(st.just("break"), st.integers(0, 2000)),
        st.tuples(st.just("boot"), st.integers(60, 2000)),
        st.tuples(st.just("refuse"), st.sampled_from([CONNECT, TIME, SIZES, QUERY, CHUNK])),
        st.tuples(st.just("clock"), st.one_of(st.integers(-100_000, 100_000), st.integers(-8, 8))),
        st.tuples(st.just("race"), st.one_of(st.integers(-100_000, 100_000), st.integers(-8, 8))),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("shorten"), st.integers(1, 30)),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(0, 2**32), st.sampled_from([40, 70, 100_000]), st.booleans(), st.booleans())
@example([("punch", 1), ("punch", 1), ("clear", 0), ("clock", -2)], 0, 40, True, True)
def test_each_entry_that_was_there_to_be_read_is_told_once_in_order_and_within_its_error(
    steps: list[tuple[str, int]], seed: int, room: int, tells_live: bool, has_sizes: bool
) -> None:
    """Punches, breaks, reboots, refusals, clocks set (`race`: just then), full logs, cleared and shortened ones."""
    randomness = random.Random(seed)
    peer = Zk(room=room, tells_live=tells_live, has_sizes=has_sizes)
    desk = Desk(peer, pull_s=10.0)
    done: dict[str, float] = {}
    lost: set[str] = set()

    def settle() -> None:
        peer.refuses.clear()
        desk.run(desk.now + 130.0)

    def punch(at: float) -> None:
        user = str(10_000 + len(done))
        done[user] = at
        if len(peer.log) == room and peer.log[0].user not in {read.value for read in desk.reads}:
            lost.add(peer.log[0].user)
        desk._said(peer.do(user, at))

    settle()
    for step, argument in [*steps, ("punch", 1), ("wait", 0)]:
        match step:
            case "punch":
                for _ in range(argument):
                    desk.run(desk.now + randomness.choice((0.05, 1.3, 7.0)))
                    punch(desk.now)
            case "wait":
                desk.run(desk.now + argument)
            case "break" | "boot":
                desk.away()
                for _ in range(randomness.randrange(5)):
                    desk.now += argument / 5
                    punch(desk.now)
                desk.now += argument / 5
                desk.boot = f"boot-{desk.now}" if step == "boot" else desk.boot
                desk.back()
            case "refuse":
                peer.refuses = {argument, OLD_QUERY} if argument == QUERY else {argument}
            case "clock":
                settle()
                desk.run(desk.now + randomness.uniform(0.0, 20.0))
                if randomness.random() < 0.5:
                    punch(desk.now)
                peer.wrong_s += argument
                if randomness.random() < 0.5:
                    punch(desk.now)
                settle()
            case "race":
                settle()
                punch(desk.now)
                desk.run(desk.now + randomness.uniform(0.0, 0.15))
                peer.wrong_s += argument
                for _ in range(randomness.randrange(3)):
                    desk.run(desk.now + randomness.uniform(0.0, 0.03))
                    punch(desk.now)
                settle()
            case "clear" | "shorten":
                settle()
                del peer.log[: argument or len(peer.log)]
                settle()
    settle()
    told = [read.value for read in desk.reads]
    assert Counter(told) == Counter(user for user in done if user not in lost)
    assert told == sorted(told, key=int)
    desk.check_dates(done)
    assert not set(peer.orders) & WRITES
