"""A terminal's log: each entry is told once, whatever happens to log, clock and gateway; ages hold what is known."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import CardRead, DeviceChange, Event
from drivers.zk.age import MOST_AGE_S, Ages, Reading
from drivers.zk.cursor import TAIL, Cursor, from_mark
from drivers.zk.index import Index
from drivers.zk.news import DOUBTFUL, OVERTAKEN, find
from drivers.zk.pull import Pull
from drivers.zk.records import Entry, entry, to_stamp, width_of
from drivers.zk.schedule import Sizes
from drivers.zk.watch import Here, Watch

NOON = datetime(2026, 3, 2, 12, 0, 0)  # noqa: DTZ001


def line(user: int, time: datetime, state: int = 0) -> bytes:
    return (
        bytes(2) + str(user).encode().ljust(24, b"\0") + b"\x01" + to_stamp(time).to_bytes(4, "little")
        + bytes([state]) + bytes(4) + b"\xff\0\0\0"
    )  # fmt: skip


class Terminal:
    """A log, and what of it has been told to a gateway that may be restarted."""

    def __init__(self, log: list[bytes] | None = None) -> None:
        self.log = log or []
        self.cursor: Cursor | None = None
        self.mark: str | None = None
        self.width: int | None = None
        self.bytes_read = 0
        self.room: int | None = None

    def pull(
        self,
        now: datetime = NOON,
        history: object = "all",
        stop_after: int | None = None,
        thoroughly: bool = False,
    ) -> list[Event]:
        """Read the log once; `stop_after`: the connection breaks after so many events."""
        whole = len(self.log) * 40
        data = whole.to_bytes(4, "little") + b"".join(self.log)
        watch = Watch(Here(0.0))
        watch.read(to_stamp(now), 0.0, 0.0)
        sizes = Sizes(len(self.log), self.room)
        pull = Pull(len(data), self.cursor, watch, history, width=self.width, sizes=sizes, thoroughly=thoroughly)  # type: ignore[arg-type]
        events = pull.begin()
        while (wanted := pull.wants()) is not None and (stop_after is None or len(events) < stop_after):
            start, size = wanted
            assert 0 < size <= 16_000
            self.bytes_read += size
            events += pull.take(data[start : start + size], 0.0)
            if pull.awaits_time:
                events += pull.date(0.0)
        self.cursor, self.width = pull.cursor, pull.width
        self.mark = next((event.mark for event in reversed(events) if event.mark is not None), self.mark)
        return events

    def restart(self) -> None:
        """The gateway knows no more than the last mark."""
        self.cursor, self.width = from_mark(self.mark), None


def users(events: list[Event]) -> list[str]:
    return [event.value for event in events if isinstance(event, CardRead)]


def changes(events: list[Event]) -> list[str | None]:
    return [event.reason for event in events if isinstance(event, DeviceChange)]


def minutes(*users: int, start: datetime = NOON - timedelta(hours=1)) -> list[bytes]:
    return [line(user, start + timedelta(minutes=n)) for n, user in enumerate(users)]


def test_entries_of_the_same_second_are_told_once_each() -> None:
    terminal = Terminal([line(1, NOON), line(2, NOON)])
    assert users(terminal.pull()) == ["1", "2"]
    terminal.restart()
    terminal.log += [line(3, NOON), line(1, NOON, state=1)]
    assert users(terminal.pull()) == ["3", "1"]
    terminal.restart()
    assert users(terminal.pull()) == []


def test_entries_that_agree_in_everything_are_one() -> None:
    terminal = Terminal([line(1, NOON), line(1, NOON)])
    assert users(terminal.pull()) == ["1"]
    terminal.log += [line(1, NOON), line(2, NOON)]
    assert users(terminal.pull()) == ["2"]


def test_a_clock_set_back_hides_nothing() -> None:
    terminal = Terminal(minutes(1, 2, 3))
    terminal.pull()
    terminal.restart()
    terminal.log += [line(4, NOON - timedelta(days=3)), line(5, datetime(2000, 1, 1))]  # noqa: DTZ001
    assert users(terminal.pull()) == ["4", "5"]
    terminal.restart()
    terminal.log += [line(6, NOON + timedelta(days=900)), line(7, NOON)]
    assert users(terminal.pull()) == ["6", "7"]


def test_a_log_that_somebody_cleared_is_told_from_its_beginning() -> None:
    terminal = Terminal(minutes(*range(1, 40)))
    terminal.room = 100_000
    terminal.pull()
    terminal.log = minutes(7, 8, start=NOON)
    events = terminal.pull()
    assert users(events) == ["7", "8"]
    assert changes(events) == ["somebody has cleared the log"]
    terminal.restart()
    assert terminal.pull() == []


def test_a_log_cleared_and_longer_than_before_is_still_known_for_another() -> None:
    terminal = Terminal(minutes(1, 2))
    terminal.pull()
    terminal.restart()
    terminal.log = minutes(5, 6, 7, 8, start=NOON)
    assert users(terminal.pull()) == ["5", "6", "7", "8"]


def test_an_empty_log_after_a_clearing_is_said_once() -> None:
    terminal = Terminal(minutes(1))
    terminal.pull()
    terminal.log = []
    assert changes(terminal.pull()) == ["somebody has cleared the log"]
    assert terminal.pull() == []
    terminal.restart()
    terminal.log = minutes(9)
    assert users(terminal.pull()) == ["9"]


@pytest.mark.parametrize("dropped", [1, 5, 30, 38, 39])
def test_a_log_that_dropped_its_oldest_entries_goes_on(dropped: int) -> None:
    terminal = Terminal(minutes(*range(1, 41)))
    terminal.pull()
    terminal.restart()
    terminal.log = terminal.log[dropped:] + minutes(99, start=NOON)
    assert users(terminal.pull()) == ["99"]


def test_entries_deleted_from_the_middle_do_not_bring_the_others_back() -> None:
    terminal = Terminal(minutes(*range(1, 41)))
    terminal.pull()
    del terminal.log[35], terminal.log[20]
    terminal.log += minutes(99, start=NOON)
    assert users(terminal.pull()) == ["99"]


def test_a_terminal_that_thinks_it_is_2000_tells_its_days_too() -> None:
    start = datetime(2000, 1, 1)  # noqa: DTZ001
    assert users(Terminal([line(1, NOON), line(2, start)]).pull(start + timedelta(hours=1), history=7)) == ["2"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_log_in_another_order_is_told_by_time(newest_first: bool) -> None:
    terminal = Terminal(sorted(minutes(5, 3, 9, 1), reverse=newest_first))
    terminal.pull()
    terminal.restart()
    more = minutes(2, 8, start=NOON)
    terminal.log = sorted(terminal.log + more, reverse=newest_first, key=lambda one: entry(one).user)
    assert sorted(users(terminal.pull())) == ["2", "8"]
    terminal.restart()
    assert users(terminal.pull()) == []


def test_a_connection_that_breaks_in_the_middle_goes_on_where_it_broke() -> None:
    terminal = Terminal(minutes(*range(1, 2001)))
    told = users(terminal.pull(stop_after=700))
    assert 700 <= len(told) < 2000
    terminal.restart()
    told += users(terminal.pull())
    assert told == [str(user) for user in range(1, 2001)]


def test_usually_only_the_end_of_the_log_is_read() -> None:
    terminal = Terminal(minutes(*range(1, 5001)))
    terminal.room = 100_000
    terminal.pull()
    before = terminal.bytes_read
    terminal.log += minutes(9, start=NOON)
    assert users(terminal.pull()) == ["9"]
    assert terminal.bytes_read - before == (TAIL + 1) * 40


@pytest.mark.parametrize(
    ("history", "told"), [("all", ["1", "2", "3"]), ("none", []), (7, ["2", "3"]), (0, []), (400, ["1", "2", "3"])]
)
def test_the_first_reading_tells_as_much_of_the_past_as_wanted_and_says_what_it_left_out(
    history: object, told: list[str]
) -> None:
    log = [
        line(1, NOON - timedelta(days=30)),
        line(2, NOON - timedelta(days=6)),
        line(3, NOON - timedelta(minutes=1)),
    ]
    terminal = Terminal(log)
    events = terminal.pull(history=history)
    assert users(events) == told
    assert changes(events) == [f"first reading: {3 - len(told)} of 3 entries are older and are not told"]
    terminal.restart()
    terminal.log.append(line(4, NOON))
    assert users(terminal.pull(history=history)) == ["4"]


def test_a_dead_clock_does_not_hide_what_came_after_it() -> None:
    log = [line(1, NOON - timedelta(days=30)), line(2, NOON - timedelta(days=1)), line(3, datetime(2000, 1, 1))]  # noqa: DTZ001
    assert users(Terminal(log).pull(history=7)) == ["2", "3"]


@pytest.mark.parametrize(
    "mark",
    [None, "", "x", "{}", "[]", '{"n":"a","tail":"","newest":0,"at":""}', '{"n":1,"tail":"zz","newest":0,"at":""}'],
)
def test_a_mark_of_somebody_else_is_none(mark: str | None) -> None:
    assert from_mark(mark) is None


def test_a_mark_is_bounded_and_brings_the_place_back() -> None:
    cursor = Cursor()
    for user in range(1000):
        one = Entry(str(user), 1, to_stamp(NOON), 0)
        cursor = cursor.past(one.key, one.stamp, one.stamp)
    assert len(cursor.mark()) < 2000
    assert from_mark(cursor.mark()) == cursor


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 12)),
        st.tuples(st.just("clock"), st.integers(-90_000, 90_000)),
        st.tuples(st.just("pull"), st.integers(0, 30)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("drop"), st.integers(1, 20)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(OPERATIONS, st.integers(0, 2**32))
def test_each_entry_is_told_exactly_once_whatever_happens(operations: list[tuple[str, int]], seed: int) -> None:
    """Appending, clocks set either way, broken connections, restarts, dropped and cleared logs."""
    randomness = random.Random(seed)
    terminal = Terminal()
    terminal.pull()
    clock, user, made = NOON, 0, []
    told: Counter[str] = Counter()
    for operation, argument in [*operations, ("pull", 0)]:
        match operation:
            case "append":
                for _ in range(argument):
                    user += 1
                    clock += timedelta(seconds=randomness.choice((0, 0, 1, 40)))
                    terminal.log.append(line(user, clock))
                    made.append(str(user))
            case "clock":
                clock += timedelta(seconds=argument)
            case "pull":
                told.update(users(terminal.pull(clock, stop_after=argument or None)))
            case "restart":
                terminal.restart()
            case "drop" | "clear":
                told.update(users(terminal.pull(clock)))
                del terminal.log[: argument or len(terminal.log)]
    assert told == Counter(made)


def record(width: int, user: int, verify: int, stamp: int, state: int) -> bytes:
    when = stamp.to_bytes(4, "little")
    if width == 8:
        return user.to_bytes(2, "little") + bytes([verify]) + when + bytes([state])
    if width == 16:
        return user.to_bytes(4, "little") + when + bytes([verify, state]) + bytes(6)
    return bytes(2) + str(user).encode().ljust(24, b"\0") + bytes([verify]) + when + bytes([state]) + bytes(8)


PUNCHES = st.tuples(
    st.integers(1, 65_535),
    st.integers(0, 30),
    st.datetimes(datetime(2012, 1, 1), datetime(2060, 1, 1)).map(to_stamp),  # noqa: DTZ001
    st.sampled_from([0, 1, 2, 3, 4, 5, 255]),
)


@settings(max_examples=500)
@given(st.sampled_from([40, 16, 8]), st.lists(PUNCHES, min_size=1, max_size=30), st.data())
def test_the_size_of_records_is_found_however_many_came_since_the_terminal_said_how_many_there_are(
    width: int, punches: list[tuple[int, int, int, int]], chance: st.DataObject
) -> None:
    log = b"".join(record(width, *punch) for punch in punches)
    said = chance.draw(st.none() | st.integers(0, len(punches)))
    assert width_of(log[:960], len(log), said) == width


def test_two_short_records_of_a_log_that_had_one_are_not_taken_for_one_long_record() -> None:
    stamp = to_stamp(NOON)
    log = record(8, 20_417, 2, stamp, 0) + record(8, 31_007, 2, stamp + 5, 0)
    assert width_of(log, len(log), 1) == 8


def test_the_index_finds_no_key_across_two_others() -> None:
    index = Index()
    for user in range(50):
        index.add(Entry(str(user), 1, to_stamp(NOON), 0))
    joined = index.key(3)[6:] + index.key(4)[:6]
    assert find(index, Cursor(1, (joined,)), is_ring=False) == ("cleared", 0)


def ages(now: datetime, since: float | None = None) -> Ages:
    return Ages([Reading(now, 1000.0, 0.2)], since)


def seen(time: datetime) -> Entry:
    return Entry("1", 1, to_stamp(time), 0)


def test_an_age_is_what_the_terminals_clock_says_plus_what_has_passed() -> None:
    origin = ages(NOON).origin(seen(NOON - timedelta(hours=1)), 1005.0)
    assert origin.age_s == pytest.approx(3605.1)
    assert origin.error_s == pytest.approx(1.1 + 0.36, abs=0.002)
    assert origin.device_time == "2026-03-02T11:00:00"


def test_an_entry_of_the_future_is_as_old_as_it_can_be_between_two_readings() -> None:
    origin = ages(NOON, since=940.0).origin(seen(NOON + timedelta(days=400)), 1000.0)
    assert (origin.age_s, origin.error_s) == (32.5, pytest.approx(32.5, abs=0.001))
    assert origin.device_time == "2027-04-06T12:00:00"


def test_an_entry_older_than_the_last_reading_was_made_on_another_clock() -> None:
    origin = ages(NOON, since=940.0).origin(seen(NOON - timedelta(hours=3)), 1000.0)
    assert origin.age_s <= 65.0


def test_an_impossible_entry_is_not_older_than_the_one_before_it() -> None:
    made = ages(NOON)
    made.origin(seen(NOON - timedelta(hours=2)), 1000.0)
    origin = made.origin(seen(datetime(2000, 1, 1)), 1000.0)  # noqa: DTZ001
    assert origin.age_s == pytest.approx(3601.0, abs=1.0)
    assert origin.age_s + origin.error_s >= 7201.0


def test_an_entry_of_which_nothing_is_known_says_so() -> None:
    origin = ages(NOON).origin(seen(datetime(2000, 1, 1)), 1000.0)  # noqa: DTZ001
    assert (origin.age_s, origin.error_s) == (0.0, MOST_AGE_S)
    nowhere = Entry("1", 1, to_stamp(datetime(2026, 2, 28)) + 2 * 86_400, 0)  # noqa: DTZ001
    assert ages(NOON).origin(nowhere, 1000.0).device_time == "2026-02-30T00:00:00"


def test_a_log_that_fills_up_and_goes_on_at_its_beginning_between_two_readings_hides_nobody() -> None:
    """Room for 300: 298 are told, then 299 and 300 fill it and 301 to 304 take the places of the first four."""
    log = minutes(*range(1, 305), start=NOON - timedelta(hours=6))
    terminal = Terminal(log[:298])
    terminal.room = 300
    terminal.pull()
    terminal.log = log[300:] + log[4:300]
    told = users(terminal.pull(thoroughly=True))
    assert sorted(told, key=int) == [str(user) for user in range(299, 305)]
    assert users(terminal.pull(thoroughly=True)) == []


def test_a_log_that_was_empty_and_is_full_may_have_lost_entries_and_that_is_said() -> None:
    terminal = Terminal()
    terminal.room = 40
    terminal.pull()
    terminal.log = minutes(*range(21, 61))
    events = terminal.pull()
    assert users(events) == [str(user) for user in range(21, 61)]
    assert changes(events) == [OVERTAKEN]


def test_entries_told_with_a_time_beyond_belief_are_not_told_again_when_the_clock_has_come_so_far() -> None:
    """Some were made on a clock that was hours ahead and then set back, and stand before the oldest of a full log."""
    terminal = Terminal(minutes(*range(1, 16)) + minutes(*range(16, 21), start=NOON + timedelta(hours=3)))
    terminal.log = terminal.log[15:] + terminal.log[:15]
    terminal.room = 20
    assert len(users(terminal.pull(NOON))) == 20
    for is_restarted in (False, True):
        if is_restarted:
            terminal.restart()
        assert terminal.pull(NOON + timedelta(hours=4), thoroughly=True) == []


@pytest.mark.parametrize("by_h", [-9, 9])
@pytest.mark.parametrize("thoroughly", [False, True])
def test_a_full_log_that_is_overwritten_on_a_clock_that_was_set_tells_each_new_entry(
    by_h: int, thoroughly: bool
) -> None:
    terminal = Terminal(minutes(*range(1, 301), start=NOON - timedelta(hours=6)))
    terminal.room = 301
    terminal.pull()
    terminal.restart()
    new = minutes(*range(301, 341), start=NOON + timedelta(hours=by_h))
    terminal.log = new[1:] + terminal.log[39:] + new[:1]
    events = terminal.pull(NOON + timedelta(hours=by_h + 1), thoroughly=thoroughly)
    assert users(events) == [str(user) for user in range(301, 341)]
    assert changes(events) == []
    terminal.restart()
    assert terminal.pull(NOON + timedelta(hours=by_h + 1), thoroughly=thoroughly) == []


def test_where_more_was_overwritten_than_a_mark_knows_what_is_new_for_certain_is_told_and_that_is_said() -> None:
    terminal = Terminal(minutes(*range(1, 301), start=NOON - timedelta(hours=6)))
    terminal.room = 300
    terminal.pull(NOON)
    terminal.log[0] = line(301, NOON + timedelta(minutes=1))
    terminal.pull(NOON + timedelta(minutes=1), thoroughly=True)
    terminal.restart()
    later, earlier = NOON + timedelta(hours=1), NOON - timedelta(hours=5, minutes=30)
    terminal.log[1:91] = minutes(*range(302, 392), start=later)
    terminal.log[91:121] = minutes(*range(392, 422), start=earlier)
    events = terminal.pull(later + timedelta(hours=2))
    assert users(events) == [str(user) for user in range(302, 392)]
    assert changes(events) == [DOUBTFUL]
    terminal.restart()
    assert terminal.pull(later + timedelta(hours=2)) == []


def test_new_entries_in_a_log_in_doubt_are_told_once_though_they_stand_on_both_sides_of_those_that_are_certain() -> (
    None
):
    terminal = Terminal(minutes(*range(1, 151), start=NOON - timedelta(hours=6)))
    terminal.room = 150
    terminal.pull(NOON)
    told: list[str] = []
    for hour, (place, new) in enumerate([(0, 60), (60, 100), (10, 145)], 1):
        for number in range(new):
            terminal.log[(place + number) % 150] = line(
                1000 * hour + number, NOON + timedelta(hours=hour, seconds=number)
            )
        terminal.restart()
        told += users(terminal.pull(NOON + timedelta(hours=hour + 1)))
    assert Counter(told) == Counter(
        str(1000 * hour + n) for hour, new in ((1, 60), (2, 100), (3, 145)) for n in range(new)
    )


KEYS = st.lists(st.sampled_from([one.hex() for one in (b"\1" * 6, b"\2" * 6, b"\3")]), max_size=70).map("".join)
HELD = st.lists(st.integers(0, 29), max_size=70).map(lambda which: "".join(entry(HELD_LOG[i]).key for i in which))
HELD_LOG = minutes(*range(1, 31))
NUMBERS = st.one_of(st.integers(-3, 40), st.integers(), st.floats(), st.text(max_size=3), st.none())


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {"n": st.integers(0, 40) | NUMBERS, "tail": KEYS | HELD, "newest": NUMBERS, "at": KEYS},
        optional={"oldest": KEYS | HELD | NUMBERS, "top": NUMBERS, "of": NUMBERS, "copy": st.text(max_size=3)},
    ),
    st.sampled_from([None, 20, 30, 1000]),
    st.booleans(),
)
def test_no_mark_makes_it_fail_and_the_next_reading_finds_nothing_more(
    kept: dict[str, object], room: int | None, thoroughly: bool
) -> None:
    terminal = Terminal(list(HELD_LOG))
    terminal.room = room
    terminal.mark = json.dumps(kept)
    terminal.restart()
    terminal.pull(thoroughly=thoroughly)
    assert users(terminal.pull(thoroughly=thoroughly)) == []
    assert users(terminal.pull()) == []


def old_mark(terminal: Terminal) -> str:
    """The mark that an earlier version would have made."""
    kept = json.loads(terminal.mark or "{}")
    return json.dumps({key: kept[key] for key in ("n", "tail", "newest", "at")})


@pytest.mark.parametrize("room", [None, 1000, 300])
@pytest.mark.parametrize("comes", [0, 1, 70])
def test_a_mark_of_an_earlier_version_goes_on_where_it_was(room: int | None, comes: int) -> None:
    terminal = Terminal(minutes(*range(1, 301), start=NOON - timedelta(hours=6)))
    terminal.room = room
    terminal.pull()
    terminal.mark = old_mark(terminal)
    terminal.restart()
    more = minutes(*range(301, 301 + comes), start=NOON)
    terminal.log = terminal.log[comes if room == 300 else 0 :] + more
    events = terminal.pull(NOON + timedelta(hours=2))
    assert users(events) == [str(user) for user in range(301, 301 + comes)]
    assert changes(events) == []
    terminal.restart()
    assert terminal.pull(NOON + timedelta(hours=2)) == []


def test_what_an_earlier_version_may_have_missed_in_a_full_log_is_not_told_but_said() -> None:
    terminal = Terminal(minutes(*range(1, 301), start=NOON - timedelta(hours=6)))
    terminal.room = 300
    terminal.pull()
    terminal.mark = old_mark(terminal)
    terminal.restart()
    terminal.log[:3] = minutes(301, 302, 303, start=NOON)
    events = terminal.pull(NOON + timedelta(hours=2))
    assert (users(events), changes(events)) == ([], [DOUBTFUL])


@pytest.mark.parametrize("room", [None, 5000])
def test_a_log_that_drops_many_entries_at_once_is_not_said_to_have_been_shortened_by_somebody(
    room: int | None,
) -> None:
    terminal = Terminal(minutes(*range(1, 5001), start=NOON - timedelta(days=6)))
    terminal.room = room
    terminal.pull()
    terminal.log = terminal.log[100:] + minutes(*range(5001, 5031), start=NOON)
    events = terminal.pull(NOON + timedelta(hours=2))
    assert users(events) == [str(user) for user in range(5001, 5031)]
    assert not any("somebody" in str(reason) for reason in changes(events))


def test_what_is_new_behind_a_place_is_what_stands_in_front_of_the_oldest_that_is_left() -> None:
    keys = [Entry(str(user), 1, 0, 0).key for user in range(9)]
    told = Cursor(oldest=tuple(keys[:4]))
    assert told.news_in(keys[:4]) == 0
    assert told.news_in([keys[7], keys[8], *keys[2:4], keys[6]]) == 2
    assert told.news_in([keys[7], keys[8], *keys[:4], keys[6]]) == 2
    assert told.news_in(keys[5:9]) is None
    assert told.news_in([keys[7], keys[1], keys[8], keys[3]]) is None
    assert told.news_in(keys[2:4]) is None


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([20, 40, 60]), st.booleans())
def test_a_full_log_tells_everybody_once_or_says_that_some_may_be_missing(seed: int, room: int, drops: bool) -> None:
    chance, terminal, time, place = random.Random(seed), Terminal(), NOON, 0
    terminal.room = room
    said, told, punched = False, [], 0
    terminal.pull(time)
    for _ in range(10):
        for _ in range(chance.choice([0, 1, 3, 18, 50])):
            punched, time = punched + 1, time + timedelta(seconds=chance.randrange(1, 90))
            if len(terminal.log) < room:
                terminal.log.append(line(punched, time))
            elif drops:
                terminal.log = [*terminal.log[1:], line(punched, time)]
            else:
                terminal.log[place], place = line(punched, time), (place + 1) % room
        time += timedelta(seconds=chance.randrange(1, 400), hours=chance.choice([0, 0, -7, -1, 1, 7]))
        if chance.random() < 0.3:
            terminal.restart()
        events = terminal.pull(time, thoroughly=chance.random() < 0.3)
        told += users(events)
        said = said or any("first reading" not in str(reason) for reason in changes(events))
    assert len(told) == len(set(told))
    assert said or len(told) == punched
