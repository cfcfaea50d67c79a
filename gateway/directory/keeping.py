"""Keeps the presence beside the journal: folds what is new, away from the loop, and writes it down now and then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.blocking import blocking
from gateway.clock import Clock
from gateway.directory import keeper
from gateway.errors import NotDurable
from gateway.log import Once

LOOK_EVERY_S = 15.0
WRITE_EVERY_S = 600.0

log = structlog.get_logger()


class Keeping:
    """`newest` is the newest record's number; nothing is read while it stays."""

    def __init__(self, state_dir: Path, clock: Clock, newest: Callable[[], int]) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._newest = newest
        self._once = Once(clock.mono)

    async def run(self) -> None:
        """Work for ever."""
        presence = await blocking(lambda: keeper.load(self._state_dir))
        seen, written, written_at = -1, (presence.epoch, presence.seq), self._clock.mono() - WRITE_EVERY_S
        while True:
            if self._newest() != seen:
                seen = self._newest()
                try:
                    presence = await blocking(lambda now=presence: keeper.catch_up(now, self._state_dir))  # type: ignore[misc]
                    is_due = self._clock.mono() - written_at >= WRITE_EVERY_S
                    if is_due and (presence.epoch, presence.seq) != written:
                        await blocking(lambda now=presence: keeper.save(now, self._state_dir))  # type: ignore[misc]
                        written, written_at = (presence.epoch, presence.seq), self._clock.mono()
                except NotDurable as error:
                    if times := self._once.due("presence"):
                        log.warning("presence.unwritten", reason=error.message, times=times)
            await self._clock.sleep(LOOK_EVERY_S)
