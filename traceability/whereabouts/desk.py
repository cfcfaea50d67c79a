"""What operators said, in memory: people, bindings, maps, moves, counts and declarations, at some moment.

An entry is a row of `entries`, written once. It counts from the turn of the deriver that took it into account, and
that turn gives it its `known_ms`, so that no answer given before could have known of it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Text, and_, bindparam, column, func, select, true

from gateway.errors import Misconfigured, Rejected
from traceability.database import Connection
from traceability.database.portable import ask, given
from traceability.database.tables import BIG
from traceability.presence.atlas import Atlas, Map
from traceability.presence.bindings import Binding, Bindings, Person
from traceability.presence.facts import Counted, Declaration, Move, voided
from traceability.presence.map_file import read_map
from traceability.whereabouts import tables
from traceability.whereabouts.rows import BETWEEN

Kind = Literal["person", "binding", "map", "move", "counted", "declaration"]
Said = Person | Binding | Move | Counted | Declaration | str
"""What an entry says; a map as its text."""

_SHAPES: dict[str, TypeAdapter[Any]] = {
    "person": TypeAdapter(Person),
    "binding": TypeAdapter(Binding),
    "move": TypeAdapter(Move),
    "counted": TypeAdapter(Counted),
    "declaration": TypeAdapter(Declaration),
}
KEPT = 20_000
"""How many entries are kept in memory as what they mean."""
OPERATOR = "operator/"
"""How ids of facts begin that no record tells."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row; `known_ms` None: not taken into account yet."""

    number: int
    name: str
    kind: Kind
    body: str
    known_ms: int | None

    def said(self, known_ms: int) -> Said:
        """What it says, as known since then. Raises Rejected if it makes no sense."""
        if self.kind == "map":
            return self.body
        try:
            return _read(self.kind, self.body, known_ms)
        except (ValueError, TypeError, ValidationError) as error:
            raise Rejected(f"entry {self.number}: {error}") from error


@lru_cache(maxsize=KEPT)
def _read(kind: Kind, body: str, known_ms: int) -> Said:
    """The same words mean the same, so a roster reads those of its people once."""
    said: Said = _SHAPES[kind].validate_python(json.loads(body) | {"known_ms": known_ms})
    return said


@dataclass(slots=True)
class Desk:
    """All of it, as taken into account by then."""

    atlas: Atlas = field(default_factory=Atlas)
    bindings: Bindings = field(default_factory=Bindings)
    moves: dict[str, Move] = field(default_factory=dict)
    counts: dict[str, Counted] = field(default_factory=dict)
    declarations: list[Declaration] = field(default_factory=list)
    _void: frozenset[str] | None = None

    @property
    def void(self) -> frozenset[str]:
        """Ids of what is declared wrong; worked out when it is asked for, since each declaration may change all."""
        if self._void is None:
            self._void = voided(self.declarations)
        return self._void

    def take(self, entry: Entry, known_ms: int) -> Said:
        """One more. Raises Rejected, and then nothing has changed."""
        said = entry.said(known_ms)
        match said:
            case str():
                self.atlas = self.atlas.having(_map(said, known_ms))
            case Person():
                self.bindings.introduce(said)
            case Binding():
                _keep(self.bindings, said)
            case Move():
                self.moves[said.id] = said
            case Counted():
                self.counts[said.id] = said
            case Declaration():
                self.declarations.append(said)
                self._void = None
        return said

    def clashes(self, said: Said) -> list[str]:
        """What a binding that was taken contradicts, in words."""
        if not isinstance(said, Binding):
            return []
        return [
            f"{clash.token} is {other.person}'s at that time by {other.id}"
            for clash in self.bindings.refuse(said)
            for other in (clash.first, clash.second)
            if other.id != said.id
        ]


def _keep(bindings: Bindings, binding: Binding) -> None:
    try:
        bindings.add(binding)
    except ValueError as error:
        raise Rejected(str(error)) from error


@lru_cache(maxsize=16)
def _map(text: str, known_ms: int) -> Map:
    try:
        return read_map(text, known_ms)
    except Misconfigured as error:
        raise Rejected(f"map: {error.message}") from error


def desk_at(connection: Connection, known_at_ms: int, kinds: Collection[Kind] = ()) -> Desk:
    """What was taken into account by then; of these kinds alone, if any are named."""
    desk = Desk()
    c = tables.entries.c
    known = c.known_ms <= known_at_ms
    for entry in _entries(connection, and_(known, c.kind.in_(sorted(kinds))) if kinds else known):
        assert entry.known_ms is not None
        desk.take(entry, entry.known_ms)
    return desk


def people_at(connection: Connection, known_at_ms: int, ids: Collection[str]) -> Iterator[Person]:
    """What was told of these people by then, each version of it."""
    for known_ms, together in ask(connection, _told, [(name,) for name in sorted(ids)], known_ms=known_at_ms):
        for body in together.split(BETWEEN):
            said = _read("person", body, known_ms)
            if isinstance(said, Person):
                yield said


@cache
def _told(dialect: str) -> Any:
    asked, c = given(dialect, column("who", Text)), tables.entries.c
    here = and_(c.kind == "person", c.name == asked.c.who, c.known_ms <= bindparam("known_ms", type_=BIG))
    told = select(c.known_ms, func.aggregate_strings(c.body, BETWEEN)).select_from(asked.join(tables.entries, here))
    return told.group_by(c.known_ms)


def said_so_far(connection: Connection, now_ms: int) -> Desk:
    """All that was said, also what is not taken into account yet; in one look: a turn may come between two."""
    desk = Desk()
    for entry in _entries(connection, true()):
        with suppress(Rejected):
            desk.take(entry, now_ms if entry.known_ms is None else entry.known_ms)
    return desk


def waiting(connection: Connection) -> list[Entry]:
    """What was said and is not taken into account yet."""
    return list(_entries(connection, tables.entries.c.known_ms.is_(None)))


def _entries(connection: Connection, which: Any) -> Iterable[Entry]:
    c = tables.entries.c
    query = select(c.number, c.name, c.kind, c.body, c.known_ms).where(which).order_by(c.number)
    return [Entry(*row) for row in connection.execute(query)]


def say(connection: Connection, kind: Kind, name: str, body: str, said_ms: int) -> None:
    """Write down what an operator says; it counts from the next turn of the deriver."""
    row = {"name": name, "kind": kind, "body": body, "said_ms": said_ms, "known_ms": None}
    connection.execute(tables.entries.insert(), row)
