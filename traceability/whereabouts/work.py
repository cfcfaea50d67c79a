"""What one turn does: signs and the steps they make, what an operator's word changes, what an anchor dates better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update

from gateway.errors import Rejected
from traceability import clocks
from traceability.database import Connection
from traceability.database.portable import append
from traceability.presence.bindings import CARD, Binding
from traceability.presence.facts import Fact, Move, Punch, Unplaced
from traceability.presence.moments import FUTURE, PAST
from traceability.presence.reading import fact_of, kind_of, sign_of
from traceability.presence.resolve import flow_of, step_of
from traceability.presence.stays import Step
from traceability.whereabouts import tables
from traceability.whereabouts.desk import Desk, Entry, Said
from traceability.whereabouts.digest import Names, sum_up
from traceability.whereabouts.lines import Lines, Told
from traceability.whereabouts.rows import Place, sign_row
from traceability.whereabouts.shelf import Change, Shelf


@dataclass(slots=True)
class Work:
    """What one turn does, in its transaction, at its moment of knowledge."""

    connection: Connection
    lines: Lines
    desk: Desk
    known_ms: int
    names: Names = field(default_factory=Names)
    _changes: dict[str, Change] = field(default_factory=dict)
    _whole: set[str] = field(default_factory=set)
    _new_signs: set[Place] = field(default_factory=set)
    _signs_anew: set[Place] = field(default_factory=set)

    # --- operators

    def hear(self, said: Iterable[Entry]) -> None:
        """Take entries into account; one that makes no sense is said aloud and changes nothing."""
        for entry in said:
            void = self.desk.void if entry.kind == "declaration" else None
            try:
                what = self.desk.take(entry, self.known_ms)
            except Rejected as error:
                structlog.get_logger("traceability").error("entry.refused", number=entry.number, reason=error.message)
                continue
            self._place_anew(self._touched(what) | (frozenset() if void is None else void ^ self.desk.void))

    def _touched(self, what: Said) -> set[str]:
        """The facts that may make another step now."""
        c = tables.steps.c
        match what:
            case Binding(token=token):
                return set(self.connection.scalars(select(c.name).where(c.token == token, c.known_to == FUTURE)))
            case Move(id=name):
                return {name}
            case str():
                begin_ms = max(
                    (held.from_ms for held in self.desk.atlas.maps if held.known_ms == self.known_ms), default=PAST
                )
                query = select(c.name, c.subject).where(c.best_ms >= begin_ms, c.known_to == FUTURE)
                rows = self.connection.execute(query).all()
                self._whole |= {subject for _, subject in rows if subject}
                return {name for name, _ in rows}
            case _:
                return set()

    def _place_anew(self, names: set[str]) -> None:
        """Look again at what these facts mean."""
        if not names:
            return
        facts: list[Fact] = [self.desk.moves[name] for name in sorted(names & self.desk.moves.keys())]
        told = list(self.lines.taken(names))
        self._sign_anew(self.lines.dated_otherwise(told))
        facts += (fact for each in told if (fact := fact_of(each.line, each.dated, self.known_ms)) is not None)
        self._replace(facts)

    # --- records

    def take(self, new: Sequence[Told]) -> None:
        """Records seen for the first time."""
        rows = []
        for told in new:
            fact = fact_of(told.line, told.dated, self.known_ms)
            rows.append(self._sign(told, fact))
            for step in self._steps(fact):
                self._change(step.subject).new.append(step)
                self._remember(step, fact)
        if rows:
            append(self.connection, tables.signs, rows)
            self.names.note(self.connection, rows)
            self._new_signs |= {each.place for each in new}

    def date_anew(self, new: Iterable[Told]) -> None:
        """What the new records date better than it was: anchors, and how far a boot has come."""
        anchored = {(each.line.site, each.line.gateway) for each in new if clocks.anchor_of(each.line) is not None}
        fresh = {each.place for each in new}
        self.date(each for each in self.lines.in_doubt(anchored) if each.place not in fresh)

    def date(self, changed: Iterable[Told]) -> None:
        """Records that are signs already, dated otherwise than these say."""
        facts = self._sign_anew(list(changed))
        self._replace([fact for fact in facts if fact is not None])

    def _sign_anew(self, changed: Sequence[Told]) -> list[Fact | None]:
        """Another version of their signs, with the facts they are now."""
        if not changed:
            return []
        rows = [{"in_": each.place[0], "at": each.place[1], "now": self.known_ms} for each in changed]
        self.connection.execute(_CLOSE_SIGN, rows)
        facts = [(each, fact_of(each.line, each.dated, self.known_ms)) for each in changed]
        signs = [self._sign(each, fact) for each, fact in facts]
        append(self.connection, tables.signs, signs)
        self.names.note(self.connection, signs)
        self._signs_anew |= {each.place for each in changed}
        return [fact for _, fact in facts]

    def follow(self, gone: Iterable[Step], new: Iterable[tuple[Step, str | None]]) -> None:
        """Steps of records that are not read again, as they were; the new ones with their tokens."""
        for step in gone:
            self._change(step.subject).gone.append(step)
        for step, token in new:
            self._change(step.subject).new.append(step)
            self._change(step.subject).tokens[step.id] = token

    def finish(self) -> None:
        """Write what has changed."""
        sum_up(self.connection, self._new_signs, self._signs_anew, self.known_ms)
        shelf = Shelf(self.connection, self.known_ms, lambda at_ms: self.desk.atlas.at(at_ms).travel)
        shelf.apply({subject: change for subject, change in self._changes.items() if change.gone or change.new})
        for subject in sorted(self._whole):
            shelf.derive(subject)

    # --- inside

    def _replace(self, facts: list[Fact]) -> None:
        """The steps these facts make now instead of those they made."""
        names = sorted({fact.id for fact in facts})
        shelf = Shelf(self.connection, self.known_ms, lambda at_ms: self.desk.atlas.at(at_ms).travel)
        held = {(step.id, step.subject): step for step in shelf.held(names)}
        for change in self._changes.values():
            for step in change.gone:
                held.pop((step.id, step.subject), None)
            for step in change.new:
                held[step.id, step.subject] = step
        for name in names:
            of_name = [step for (of, _), step in held.items() if of == name]
            fact = next(each for each in facts if each.id == name)
            made = list(self._steps(fact))
            for step in of_name:
                if step not in made:
                    self._take_out(step)
            for step in made:
                if step not in of_name:
                    self._change(step.subject).new.append(step)
                    self._remember(step, fact)

    def _take_out(self, step: Step) -> None:
        change = self._change(step.subject)
        if step in change.new:
            change.new.remove(step)
        else:
            change.gone.append(step)

    def _steps(self, fact: Fact | None) -> list[Step]:
        if not isinstance(fact, Punch | Move):
            return []
        void = fact.id in self.desk.void
        step = step_of(fact, self.desk.bindings, self.desk.atlas, void=void)
        steps = [] if step is None else [step]
        if isinstance(fact, Punch) and fact.moves_count:
            steps.append(flow_of(fact, self.desk.atlas, void=void))
        return steps

    def _change(self, subject: str) -> Change:
        return self._changes.setdefault(subject, Change())

    def _remember(self, step: Step, fact: Fact | None) -> None:
        self._change(step.subject).tokens[step.id] = _token_of(fact)

    def _sign(self, told: Told, fact: Fact | None) -> dict[str, Any]:
        sign = sign_of(told.line, told.dated, self.known_ms)
        why = fact.why if isinstance(fact, Unplaced) else None
        live = told.line.data.get("live") is not False
        return sign_row(told.place, told.dates, sign, self.known_ms, kind=kind_of(told.line), live=live, why=why)


def _token_of(fact: Fact | None) -> str | None:
    """The card a fact is about: a binding may say whose it was."""
    if isinstance(fact, Move) and fact.subject.startswith(CARD):
        return fact.subject.removeprefix(CARD)
    return fact.token if isinstance(fact, Punch) else None


_CLOSE_SIGN = (
    update(tables.signs)
    .where(tables.signs.c.stream == bindparam("in_"), tables.signs.c.seq == bindparam("at"))
    .where(tables.signs.c.known_to == FUTURE)
    .values(known_to=bindparam("now"))
)
