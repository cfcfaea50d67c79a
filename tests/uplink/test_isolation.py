"""The message that ends connections is found; a link that is merely bad loses nothing by it."""

from __future__ import annotations

from gateway.spans import Range, Spans
from gateway.uplink.isolation import LASTED_S, PATIENCE_FIRST_S, Isolation
from gateway.uplink.outbox import Outbox, WindowLimits

LIMITS = WindowLimits(window=10, batch_records=50, batch_bytes=50_000, unreceipted_max=None)


class Link:
    """Sends records of 1000 bytes; ends at the `fatal` one."""

    def __init__(self, fatal: set[int]) -> None:
        self.fatal = fatal
        self.box, self.isolation = Outbox(LIMITS), Isolation()
        self.now, self.mid = 0.0, 0
        self.arrived: set[int] = set()

    def session(self, unsettled: list[Range], lasts_s: float = 1.0) -> int | None:
        """One connection, until it ends or all is sent."""
        self.box.connected(unsettled, 100, self.now)
        self.isolation.begun(self.box, self.now)
        self.now += lasts_s
        while piece := self.box.next_replay():
            first, last, most, size = piece
            last = min(last, first + most - 1, first + max(1, size // 1000) - 1)
            self.mid += 1
            self.box.sent(self.mid, "replay", (first, last), 1000 * (last - first + 1), self.now)
            if self.fatal & set(range(first, last + 1)):
                break
            self.box.acknowledged(self.mid, self.now + 0.001)
            self.arrived |= set(range(first, last + 1))
        return self.isolation.ended(self.box, self.now)


def sessions_until_apart(link: Link, ranges: list[Range]) -> int:
    for count in range(1, 50):
        if link.session(ranges) is not None:
            return count
    raise AssertionError("never found")


def test_a_fatal_record_is_found_and_the_others_arrive() -> None:
    link = Link({70})
    assert sessions_until_apart(link, [(1, 100)]) < 10
    link.session([(1, 100)])
    assert link.arrived == set(range(1, 101)) - {70}


def test_several_fatal_records_are_found_one_after_the_other() -> None:
    link = Link({3, 70})
    sessions_until_apart(link, [(1, 100)])
    sessions_until_apart(link, [(1, 100)])
    link.session([(1, 100)])
    assert link.arrived == set(range(1, 101)) - {3, 70}


def test_one_lost_connection_makes_nobody_careful() -> None:
    link = Link({1})
    link.session([(1, 100)])
    link.fatal.clear()
    link.box.connected([(1, 100)], 100, link.now)
    link.isolation.begun(link.box, link.now)
    assert link.box.window == LIMITS.window


def test_a_connection_that_lasted_clears_the_suspicion() -> None:
    link = Link({1})
    for _ in range(30):
        assert link.session([(1, 100)], LASTED_S + 1) is None


def test_what_is_set_apart_is_tried_again_less_and_less_often() -> None:
    link = Link({70})
    sessions_until_apart(link, [(1, 100)])
    assert link.isolation.release(link.box, link.now + PATIENCE_FIRST_S - 1) == []
    assert link.isolation.release(link.box, link.now + PATIENCE_FIRST_S) == [(70, 70)]
    assert link.box.too_large == Spans()
    sessions_until_apart(link, [(1, 100)])
    assert link.isolation.release(link.box, link.now + PATIENCE_FIRST_S) == []
    assert link.isolation.release(link.box, link.now + 4 * PATIENCE_FIRST_S) == [(70, 70)]


def test_an_idle_connection_that_ends_suspects_nobody() -> None:
    link = Link(set())
    for _ in range(10):
        assert link.session([]) is None
    link.isolation.begun(link.box, link.now)
    assert link.isolation.ended(link.box, link.now) is None
