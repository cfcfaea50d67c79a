"""One turn: what is new in the ledger and what operators said goes into signs, steps and stays, in one transaction.

A turn has one moment of knowledge, later than that of the turn before: what it changes is closed and opened then, so
an answer as known at any turn is the answer that was given after it. Turns are taken one at a time, also where
several centres share a database. A record dated better by an anchor that came later is a change like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, update

from traceability.database import Connection, Database
from traceability.database.portable import hold_derivation, is_server
from traceability.whereabouts import tables
from traceability.whereabouts.almanac import Almanac
from traceability.whereabouts.desk import Desk, desk_at, waiting
from traceability.whereabouts.digest import Names
from traceability.whereabouts.lines import Lines
from traceability.whereabouts.progress import go_on, progress
from traceability.whereabouts.work import Work

TURN_RECORDS = 2000
IN_FLIGHT_MS = 60_000
"""On a server a row of an earlier number may be committed later, by this much at most."""
LATE_EVERY_MS = 2000
"""How often somebody looks for such rows."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn took into account; `known_ms`: the moment its answers are known since.

    `waited_ms`: how long the first of its records had been in the ledger when it was done.
    """

    records: int
    entries: int
    known_ms: int
    waited_ms: int = 0

    def __bool__(self) -> bool:
        return bool(self.records or self.entries)


class Deriver:
    """Belongs to one thread, as its database does. `now_ms`: unix ms."""

    def __init__(self, database: Database, now_ms: Callable[[], int], turn_records: int = TURN_RECORDS) -> None:
        self._database = database
        self._now_ms = now_ms
        self._turn_records = turn_records
        self._seen: deque[tuple[int, int]] = deque()
        self._desk: tuple[int, Desk] | None = None
        self._names, self._almanac = Names(), Almanac()
        self._looked_ms = 0

    def is_behind(self) -> bool:
        """Whether a turn has something to do. Raises Unavailable, NotDurable."""
        with self._database.reading() as connection:
            since = self._since(progress(connection)[0])
            return Lines(connection).any(since) or bool(waiting(connection))

    def turn(self) -> Turn:
        """Take what is waiting, up to a bound. Raises NotDurable, and then nothing was taken."""
        try:
            with self._database.writing() as connection:
                hold_derivation(connection)
                return self._turn(connection)
        except BaseException:
            self._forget()
            self._seen.clear()
            raise

    def _turn(self, connection: Connection) -> Turn:
        upto, before_ms = progress(connection)
        if self._desk is None or self._desk[0] != before_ms:
            self._forget()
        lines = Lines(connection, self._almanac)
        since = self._since(upto)
        last, new = lines.new(since, self._turn_records)
        if since == upto:
            self._looked_ms = self._now_ms()
        said = waiting(connection)
        if not new and not said:
            return Turn(0, 0, before_ms)
        known_ms = max(self._now_ms(), before_ms + 1)
        desk = desk_at(connection, before_ms) if self._desk is None else self._desk[1]
        work = Work(connection, lines, desk, known_ms, self._names)
        if said:
            connection.execute(_KNOWN, [{"it": entry.number, "now": known_ms} for entry in said])
        work.hear(said)
        work.take(new)
        work.date_anew(new)
        work.finish()
        self._desk = (known_ms, work.desk)
        go_on(connection, self._safe(max(since, last), upto, is_server(connection)), known_ms)
        now_ms = self._now_ms()
        waited_ms = now_ms - min((each.at_ms for each in new if each.at_ms is not None), default=now_ms)
        return Turn(len(new), len(said), known_ms, waited_ms)

    def _forget(self) -> None:
        """What was kept from turn to turn: another centre may have taken one, or one failed."""
        self._desk, self._names, self._almanac = None, Names(), Almanac()

    def _since(self, upto: int) -> int:
        """Behind which row to look for new ones: those seen before lie before it, late ones do not."""
        if not self._seen or not 0 <= self._now_ms() - self._looked_ms < LATE_EVERY_MS:
            return upto
        return max(upto, self._seen[-1][1])

    def _safe(self, last: int, upto: int, shared: bool) -> int:
        """Up to where nothing can come any more."""
        if not shared:
            return last
        now = self._now_ms()
        self._seen.append((now, last))
        while self._seen and self._seen[0][0] < now - IN_FLIGHT_MS:
            upto = max(upto, self._seen.popleft()[1])
        return upto


_KNOWN = update(tables.entries).where(tables.entries.c.number == bindparam("it")).values(known_ms=bindparam("now"))
