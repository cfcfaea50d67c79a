"""Keeps the tables of presence close behind the ledger: a thread of the centre with a connection of its own.

What is derived can be derived later, so nothing that goes wrong here may keep records from being taken: it is said
aloud, and tried again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import structlog

from gateway.errors import NotDurable, Unavailable
from traceability.database import Database
from traceability.whereabouts.deriver import Deriver, Turn

IDLE_S = 0.5
RETRY_S, RETRY_BUG_S = 5.0, 60.0
TELL_EVERY_S = 10.0
BEHIND_MS, WARN_EVERY_S = 5000, 60.0
"""Answers that lack what came longer ago than this are said aloud."""


class Keeper:
    """Runs from `start` to `stop`."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._deriver = Deriver(database, now_ms)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="whereabouts", daemon=True)
        self._told_at = time.monotonic()
        self._warned_at = float("-inf")
        self._log: Any = structlog.get_logger("traceability")

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Let the present turn end."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._stopping.wait(self.work())
        finally:
            self._database.close()

    def work(self) -> float:
        """One turn, if there is something to do; seconds until the next look."""
        try:
            if not self._deriver.is_behind():
                return IDLE_S
            turn = self._deriver.turn()
        except (NotDurable, Unavailable) as error:
            self._log.error("whereabouts.failed", error=error.message, remedy=error.remedy)
            return RETRY_S
        except Exception:  # noqa: BLE001 - said aloud; records are taken all the same
            self._log.exception("whereabouts.bug")
            return RETRY_BUG_S
        self._warn(turn)
        if turn.records and time.monotonic() - self._told_at >= TELL_EVERY_S:
            self._told_at = time.monotonic()
            self._log.info("whereabouts.progress", records=turn.records, known_ms=turn.known_ms)
        return 0.0 if turn else IDLE_S

    def _warn(self, turn: Turn) -> None:
        """Say that answers are behind, once a minute while they are."""
        if turn.waited_ms > BEHIND_MS and time.monotonic() - self._warned_at >= WARN_EVERY_S:
            self._warned_at = time.monotonic()
            seconds = round(turn.waited_ms / 1000)
            self._log.warning("whereabouts.behind", seconds=seconds, known_ms=turn.known_ms)
