"""Carries out what is asked, beside everything else the daemon does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import structlog

from gateway.blocking import blocking
from gateway.clock import Clock
from gateway.control.requests import DropRefused, Request, Resend, RetryRefused
from gateway.errors import NotDurable, Rejected, Transient
from gateway.journal import Entry, Journal, Reader
from gateway.journal.schema import Error
from gateway.journal.store import Store
from gateway.records import Draft, Lost
from gateway.spans import Range
from gateway.uplink import Uplink

Found = TypeVar("Found")

log = structlog.get_logger()


class Desk:
    """Works on the journal and the uplink of the running daemon; on the loop."""

    def __init__(self, journal: Journal, uplink: Uplink, clock: Clock) -> None:
        self._journal = journal
        self._uplink = uplink
        self._clock = clock

    async def answer(self, request: Request) -> dict[str, Any]:
        """Do it; what is to be said of it. Raises PunchgateError."""
        match request:
            case Resend(first=first, last=last):
                return await self._resend(first, last)
            case RetryRefused(seq=seq):
                return await self._retry(seq)
            case DropRefused(seq=seq):
                return await self._drop(seq)

    async def _resend(self, first: int, last: int) -> dict[str, Any]:
        await self._require_held(first, last)
        self._uplink.resend(first, last)
        log.info("records.requested", first=first, last=last)
        return {"queued": last - first + 1} | self._way()

    async def _retry(self, seq: int) -> dict[str, Any]:
        """Unsettled first and out of quarantine then: whatever comes in between, the record is in one of the two."""
        reason = await self._refusal(seq)
        await self._require_held(seq, seq)
        self._uplink.resend(seq, seq)
        await self._do(lambda store: _released(store, seq))
        log.info("records.retried", seq=seq, reason=reason)
        return {"seq": seq, "reason": reason} | self._way()

    async def _drop(self, seq: int) -> dict[str, Any]:
        reason = await self._refusal(seq)
        found = await self._look(lambda reader: reader.lines(seq, seq, 1, 1))
        moment = self._clock.now()
        loss = Draft(_loss(self._uplink.settlement.epoch, seq, found), moment)

        def drop(store: Store) -> list[Entry]:
            return store.append([loss], moment.time_ms) if store.drop(seq, moment.time_ms) else []

        await self._do(drop)
        log.warning("records.dropped", seq=seq, reason=reason)
        return {"seq": seq, "reason": reason}

    def _way(self) -> dict[str, Any]:
        """Whether what is queued can go now."""
        return {"connected": self._uplink.connected, "uplink": self._uplink.reason}

    async def _require_held(self, first: int, last: int) -> None:
        """Raises Rejected if a body of the range is not on the box."""
        if first > last:
            raise Rejected(f"{first}..{last} is not a range")
        held, epoch = self._uplink.head.held, self._uplink.settlement.epoch
        gone: list[Range] = [(first, last)]
        if held.oldest <= first and last <= held.newest:
            gone = await self._look(lambda reader: reader.missing(first, last))
        if gone:
            which = ", ".join(f"{low}..{high}" for low, high in gone[:3])
            raise Rejected(f"records {which} are not all held; the journal has {held.oldest}..{held.newest}")
        self._require_epoch(epoch)

    def _require_epoch(self, epoch: str) -> None:
        if self._uplink.settlement.epoch != epoch:
            raise Transient("a new epoch has just begun", remedy="see `punchgate journal stats`")

    async def _refusal(self, seq: int) -> str:
        """Why the centre refused it. Raises Rejected if it is not in quarantine."""
        refused = await self._look(lambda reader: {number: reason for number, reason, _ in reader.quarantine()})
        if seq not in refused:
            raise Rejected(f"record {seq} is not in quarantine", remedy="see `punchgate journal quarantine`")
        return str(refused[seq])

    async def _look(self, question: Callable[[Reader], Found]) -> Found:
        """Ask the file on a thread of its own: a range may be long, and nobody else is to wait for it."""

        def look() -> Found:
            reader = Reader(self._journal.path)
            try:
                return question(reader)
            finally:
                reader.close()

        try:
            return await blocking(look)
        except Error as error:
            raise NotDurable(f"{self._journal.path}: cannot be read: {error}") from error

    async def _do(self, job: Callable[[Store], list[Entry]]) -> None:
        epoch = self._uplink.settlement.epoch
        if not await self._journal.carry_out(job):
            remedy = "it is done as soon as the journal can be written again; see `punchgate status`"
            raise Transient("the journal cannot be written now", remedy=remedy)
        self._require_epoch(epoch)


def _released(store: Store, seq: int) -> list[Entry]:
    store.release(seq)
    return []


def _loss(epoch: str, seq: int, found: list[Entry]) -> Lost:
    """The declaration of one record, with what its body still says."""
    event = json.loads(found[0].line) if found else {}
    at, device = event.get("time"), event.get("data", {}).get("device")
    return Lost(cause="refused", epoch=epoch, first=seq, last=seq, count=1, since=at, until=at, device=device)
