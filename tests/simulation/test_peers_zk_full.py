"""A ZKTeco terminal whose small log is full, whose clock is set by hours and back, and that is read in between.

Each entry it wrote is told at most once; none that it wrote is missing unless that was said after it was written;
each that was told happened within its error of the time that was told.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from drivers.events import CardRead, DeviceChange
from drivers.zk.news import CLEARED
from gateway.simulation.peers.zk import Punch, Zk
from tests.simulation.zk_desk import Desk

HOURS = st.integers(-12, 12).filter(bool)
KEPT = 64
"""So many of the oldest entries a mark knows: with fewer new ones everything can be told apart."""


@dataclass(slots=True)
class Wordy(Zk):
    """`is_short`: it says how many entries it has, and not how many there is room for; `drops`: so many old entries
    make room for new ones.
    """

    is_short: bool = False
    drops: int = 1

    def _write(self, punch: Punch) -> None:
        if len(self.log) >= self.room and not self.in_place:
            del self.log[: self.drops]
        Zk._write(self, punch)

    def _sizes(self, reply: int) -> bytes:
        said = Zk._sizes(self, reply)
        if not (self.is_short and self.has_sizes):
            return said
        return self._say(2000, reply, struct.pack("<9I", *[0] * 8, len(self.log)))


class FullLog(RuleBasedStateMachine):
    """One terminal, somebody who sets its clock, and a gateway that comes and goes."""

    @initialize(
        room=st.sampled_from([18, 25, 40, 60, 75, 150]),
        in_place=st.booleans(),
        drops=st.sampled_from([1, 1, 7]),
        has_chunks=st.booleans(),
        before=st.floats(0.0, 2.5),
        says=st.sampled_from(["all", "all", "live", "sizes", "count"]),
        seed=st.integers(0, 2**32),
    )
    def switch_on(
        self, room: int, in_place: bool, drops: int, has_chunks: bool, before: float, says: str, seed: int
    ) -> None:
        """`before`: how often its log was filled before the gateway came; `says`: live events, sizes, …"""
        self.chance = Random(seed)
        self.terminal = Wordy(
            room=room, in_place=in_place, drops=drops, has_chunks=has_chunks, is_short=says == "count",
            tells_live=says in ("all", "live"), has_sizes=says != "live",
        )  # fmt: skip
        self.done: dict[str, float] = {}
        self.undated: set[str] = set()
        self.seen = 0
        self.read: set[str] = set()
        self.told: set[str] = set()  # or gone before anybody could read it
        self.said_at: list[float] = []
        self.desk: Desk | None = None
        count = int(before * room)
        if says in ("live", "count") or drops > 1:
            count = max(1, count)  # from an empty log one cannot tell: see the driver's page
        self.knows_where = count < room
        for n in range(count):
            if self.chance.random() < 2 / room:
                self.terminal.wrong_s += 3600.0 * self.chance.randrange(-12, 13)
            user = str(10_000 + len(self.done))
            self.terminal.do(user, 60.0 * (n - count))
            self.done[user] = -1.0
        held = {punch.user for punch in self.terminal.log}
        self.undated |= set(self.done)
        self.told |= set(self.done) - held
        self.desk = Desk(self.terminal, pull_s=30.0)
        self.desk.run(45.0)

    def punch(self) -> None:
        """Somebody, whom nobody has seen before."""
        user = str(10_000 + len(self.done))
        self.done[user] = self.desk.now
        self.desk._said(self.terminal.do(user, self.desk.now))

    @rule(count=st.integers(1, 30) | st.integers(60, 140), pace_s=st.sampled_from([0.05, 1.5, 20.0]))
    def come(self, count: int, pace_s: float) -> None:
        """People punch, while it is connected."""
        for _ in range(count):
            self.desk.run(self.desk.now + pace_s * self.chance.uniform(0.5, 1.5))
            self.punch()

    @rule(wait_s=st.sampled_from([1.0, 45.0, 700.0, 4000.0]))
    def wait(self, wait_s: float) -> None:
        """Nobody comes."""
        self.desk.run(self.desk.now + wait_s)

    @rule(hours=HOURS, seconds=st.integers(-30, 30), before=st.booleans(), after=st.booleans())
    def set_clock(self, hours: int, seconds: int, before: bool, after: bool) -> None:
        """Somebody sets its clock, with a punch before and behind it."""
        self.desk.run(self.desk.now + 70.0)
        if before:
            self.punch()
        self.terminal.wrong_s += 3600.0 * hours + seconds
        if after:
            self.punch()
        self.desk.run(self.desk.now + 70.0)

    @rule(
        counts=st.lists(st.integers(0, 40) | st.integers(60, 100), min_size=1, max_size=3),
        hours=HOURS,
        back=st.booleans(),
        boots=st.booleans(),
    )
    def be_away(self, counts: list[int], hours: int, back: bool, boots: bool) -> None:
        """The gateway is away while people come and the clock is set between them, and perhaps back."""
        self.desk.run(self.desk.now + 70.0)
        self.desk.away()
        for number, count in enumerate(counts):
            if number == 1:
                self.terminal.wrong_s += 3600.0 * hours
            if number == 2 and back:
                self.terminal.wrong_s -= 3600.0 * hours
            for _ in range(count):
                self.desk.now += self.chance.choice((2.0, 60.0))
                if number:
                    self.undated.add(str(10_000 + len(self.done)))
                self.punch()
        if boots:
            self.desk.boot = f"boot-{self.desk.now}"
        self.desk.back()
        self.desk.run(self.desk.now + 70.0)

    @rule(count=st.integers(1, 30), after_s=st.floats(0.0, 0.25), waits=st.booleans())
    def break_off(self, count: int, after_s: float, waits: bool) -> None:
        """The connection breaks amid a reading; the terminal may be switched off and on."""
        self.desk.run(self.desk.now + 70.0)
        self.desk.away()
        for _ in range(count):
            self.desk.now += 2.0
            self.punch()
        self.desk.back()
        self.desk.run(self.desk.now + after_s)
        self.desk.away()
        self.terminal._is_known = self.terminal._is_listening = False
        self.terminal._buffer = b""
        self.desk.now += 5.0
        if waits:
            self.punch()
        self.desk.back()
        self.desk.run(self.desk.now + 70.0)

    @rule()
    def clear(self) -> None:
        """Somebody clears the log when all was read, and one comes."""
        self.desk.run(self.desk.now + 70.0)
        self.tells_nobody_twice_and_nobody_at_another_time()
        self.told |= set(self.done)  # nobody has to tell what was taken away
        self.terminal.log.clear()
        self.terminal._oldest = 0
        self.desk.run(self.desk.now + 70.0)
        self.punch()
        self.desk.run(self.desk.now + 70.0)

    @invariant()
    def tells_nobody_twice_and_nobody_at_another_time(self) -> None:
        """As the events come."""
        if getattr(self, "desk", None) is None:
            return
        for at, event in self.desk.events[self.seen :]:
            if isinstance(event, DeviceChange) and event.kind == "log" and "first reading" not in str(event.reason):
                if event.reason == CLEARED or "the log was shortened" in str(event.reason):
                    continue  # which says nothing of others
                self.said_at.append(at)
                news = sum(done <= at and user not in self.told for user, done in self.done.items())
                is_needless = news < min(self.terminal.room - self.terminal.drops, KEPT)
                assert not (is_needless and self.knows_where), f"{event.reason!r} is said of {news} new entries"
                self.knows_where = False
            if not isinstance(event, CardRead):
                continue
            assert event.value not in self.read, f"{event.value} is told twice"
            self.read.add(event.value)
            self.told.add(event.value)
            if event.value not in self.undated:
                assert event.origin is not None
                off = at - event.origin.age_s - self.done[event.value]
                assert abs(off) <= event.origin.error_s + 0.002, (event.value, off, event.origin)
        self.seen = len(self.desk.events)

    def teardown(self) -> None:
        """In the end, after all that is read from time to time has been."""
        if getattr(self, "desk", None) is None:
            return
        self.desk.run(self.desk.now + 4000.0)
        self.tells_nobody_twice_and_nobody_at_another_time()
        last = max(self.said_at, default=-1e9)
        lost = [user for user, at in self.done.items() if user not in self.told and at > last]
        assert not lost, f"{lost} were never told, and nobody said so"


TestAFullLog = FullLog.TestCase
TestAFullLog.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
