"""One turn: what is new in the ledger and what operators said goes into signs, steps and stays, in one transaction.

A turn has one moment of knowledge, later than that of the turn before: what it changes is closed and opened then, so
an answer as known at any turn is the answer that was given after it. Turns are taken one at a time, also where
several centres share a database. A record dated better by an anchor that came later is a change like any other.
On a server rows may come late among those that were taken (see `arrivals`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import bindparam, update

from traceability.database import Connection, Database
from traceability.database.portable import hold_derivation, is_server, transactions
from traceability.whereabouts import tables
from traceability.whereabouts.almanac import Almanac
from traceability.whereabouts.arrivals import Arrivals
from traceability.whereabouts.desk import Desk, desk_at, waiting
from traceability.whereabouts.digest import Names
from traceability.whereabouts.lines import Lines, Told
from traceability.whereabouts.progress import go_on, progress
from traceability.whereabouts.work import Work

TURN_RECORDS = 2000


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
        self._arrivals = Arrivals()
        self._desk: tuple[int, Desk] | None = None
        self._names, self._almanac = Names(), Almanac()

    def is_behind(self) -> bool:
        """Whether a turn has something to do. Raises Unavailable, NotDurable."""
        with self._database.reading() as connection:
            lines = Lines(connection)
            since, missing = self._arrivals.since(progress(connection)[0]), self._arrivals.missing()
            return lines.any(since, missing) or bool(waiting(connection))

    def turn(self) -> Turn:
        """Take what is waiting, up to a bound. Raises NotDurable, and then nothing was taken."""
        try:
            with self._database.writing() as connection:
                hold_derivation(connection)
                return self._turn(connection)
        except BaseException:
            self._forget()
            self._arrivals = Arrivals()
            raise

    def _turn(self, connection: Connection) -> Turn:
        upto, before_ms = progress(connection)
        if self._desk is None or self._desk[0] != before_ms:
            self._forget()
        lines = Lines(connection, self._almanac)
        safe, new = self._new(connection, lines, upto)
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
        go_on(connection, safe, known_ms)
        now_ms = self._now_ms()
        waited_ms = now_ms - min((each.at_ms for each in new if each.at_ms is not None), default=now_ms)
        return Turn(len(new), len(said), known_ms, waited_ms)

    def _forget(self) -> None:
        """What was kept from turn to turn: another centre may have taken one, or one failed."""
        self._desk, self._names, self._almanac = None, Names(), Almanac()

    def _new(self, connection: Connection, lines: Lines, upto: int) -> tuple[int, list[Told]]:
        """Up to which row none can come any more, and records that no turn took yet: so many as a turn takes, and
        late ones.
        """
        limit = self._turn_records
        if not is_server(connection):
            rows, new = lines.new(upto, limit)
            return max(rows, default=upto), new
        arrivals, now_ms = self._arrivals, self._now_ms()
        since = arrivals.since(upto)
        there = lines.there(since, 2 * limit)
        oldest, next_one = transactions(connection)
        rows, new = lines.new(since, limit, arrivals.missing())
        arrivals.came(rows)
        behind = rows[bisect_right(rows, since) :]
        last = there[-1] if there else since
        last = min(last, behind[-1]) if len(behind) == limit else last
        arrivals.looked(since, sorted({*there, *behind}), last, now_ms, next_one)
        arrivals.give_up(now_ms, oldest)
        return max(upto, arrivals.upto()), new


_KNOWN = update(tables.entries).where(tables.entries.c.number == bindparam("it")).values(known_ms=bindparam("now"))
