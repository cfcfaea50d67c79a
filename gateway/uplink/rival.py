"""Whether another client may have our name: some brokers (mosquitto) end the older session and do not say why."""

from __future__ import annotations

from collections.abc import Callable

LOST = "connection lost"
SHORT_S = 5.0
OFTEN = 3
HINT = "as soon as it stands, again and again; another gateway may run with the same site and id: see the broker"


class Rival:
    """`begun` with each session, `suspected` when it is over."""

    def __init__(self, mono: Callable[[], float]) -> None:
        self._mono = mono
        self._begun = mono()
        self._short = 0

    def begun(self) -> None:
        """The broker has let us in."""
        self._begun = self._mono()

    def suspected(self, reason: str) -> str:
        """Why a session is over, with what it may mean that it was not the first to end so soon."""
        soon = reason == LOST and self._mono() - self._begun < SHORT_S
        self._short = self._short + 1 if soon else 0
        return reason if self._short < OFTEN else f"{reason} {HINT}"
