"""The door for what comes from the broker: size and rate of each topic, and a flood on one starves no other."""

from __future__ import annotations

from structlog.testing import capture_logs

from gateway.uplink.inbox import BELOW, LIMITS, RECEIPT, Inbox


class Mono:
    """Seconds as the test counts them."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_larger_than_its_topic_allows_is_not_looked_at() -> None:
    inbox = Inbox(Mono())
    for leaf, limit in LIMITS.items():
        assert inbox.lets_in(leaf, limit.most_bytes)
        assert not inbox.lets_in(leaf, limit.most_bytes + 1)
    assert inbox.counts() == {leaf: {"oversized": 1} for leaf in LIMITS}


def test_a_flood_of_commands_takes_nothing_from_the_receipts() -> None:
    inbox = Inbox(Mono())
    taken = sum(inbox.lets_in("command", 10) for _ in range(5000))
    assert taken == LIMITS["command"].burst
    assert all(inbox.lets_in(RECEIPT, 10) for _ in range(LIMITS[RECEIPT].burst))
    assert inbox.counts() == {"command": {"too_many": 5000 - taken}}


def test_a_flood_that_ends_is_forgotten() -> None:
    mono = Mono()
    inbox = Inbox(mono)
    for leaf in LIMITS:
        while inbox.lets_in(leaf, 1):
            pass
    mono.now += 60
    assert all(inbox.lets_in(leaf, 1) for leaf in LIMITS)


def test_a_kept_document_that_was_one_too_many_is_missed_until_it_is_asked_for_again() -> None:
    inbox = Inbox(Mono())
    while inbox.lets_in("command", 1):
        pass
    assert not inbox.missed
    while inbox.lets_in(BELOW[-1], 1):
        pass
    assert inbox.missed
    inbox.begin()
    assert not inbox.missed


def test_what_is_turned_away_is_said_once_a_minute_and_counted() -> None:
    mono = Mono()
    inbox = Inbox(mono)
    with capture_logs() as logs:
        for _ in range(100):
            inbox.lets_in("unheard/of", 1)
        mono.now += 61
        inbox.lets_in("unheard/of", 1)
    assert [row["times"] for row in logs] == [1, 100]
    assert inbox.counts() == {"other": {"unknown": 101}}


def test_a_broker_that_lets_us_hear_nothing_is_a_warning_until_the_next_connection() -> None:
    inbox = Inbox(Mono())
    assert inbox.warnings() == []
    inbox.is_deaf("broker says: not authorised (reason 135)")
    assert "not authorised" in inbox.warnings()[0]
    inbox.begin()
    assert inbox.warnings() == []
