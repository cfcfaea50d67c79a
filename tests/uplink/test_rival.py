"""Two boxes with one name: where the broker does not say it, the way their sessions end does."""

from __future__ import annotations

import pytest

from gateway.uplink.rival import LOST, OFTEN, SHORT_S, Rival


class Sessions:
    def __init__(self) -> None:
        self.now = 100.0
        self.rival = Rival(lambda: self.now)

    def one(self, seconds: float, reason: str = LOST) -> str:
        self.rival.begun()
        self.now += seconds
        return self.rival.suspected(reason)


def test_sessions_that_are_lost_at_once_over_and_over_may_be_those_of_a_rival() -> None:
    sessions = Sessions()
    said = [sessions.one(1.0) for _ in range(OFTEN + 1)]
    assert said[: OFTEN - 1] == [LOST] * (OFTEN - 1)
    assert all("the same site and id" in reason for reason in said[OFTEN - 1 :])


@pytest.mark.parametrize(("seconds", "reason"), [(SHORT_S + 1, LOST), (1.0, "broker says: busy")])
def test_one_that_lasted_or_ended_otherwise_clears_the_suspicion(seconds: float, reason: str) -> None:
    sessions = Sessions()
    for _ in range(OFTEN):
        sessions.one(1.0)
    assert sessions.one(seconds, reason) == reason
    assert sessions.one(1.0) == LOST
