"""The questions, asked of the tables: one method for each, for the shell and for HTTP alike.

Each reads one state of the database and answers as known at a moment; without one, as known at the last turn of the
deriver, and the answer says when that was, so that it can be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from traceability.database import Database
from traceability.presence import allowed, answers, crowding, visits
from traceability.presence import contacts as meeting
from traceability.presence import oddities as odd
from traceability.presence import roster as presence
from traceability.presence import second_degree as chain
from traceability.presence import trajectory as way
from traceability.presence.coverage import Covered
from traceability.presence.moments import Span
from traceability.presence.trial import Trial
from traceability.whereabouts import corrections as correcting
from traceability.whereabouts import figures as counting
from traceability.whereabouts import trying
from traceability.whereabouts.desk import waiting
from traceability.whereabouts.progress import behind
from traceability.whereabouts.view import TableView

Answer = TypeVar("Answer")
OfZone = TypeVar("OfZone", presence.Headcount, visits.Visitors, crowding.Density, crowding.Peaks)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """`as_known_at_ms`: unix ms, None: now. Raises Unavailable, NotDurable."""

    database: Database
    as_known_at_ms: int | None = None

    def behind(self) -> int:
        """How many records are in the ledger that answers do not take into account yet, at most."""
        with self.database.reading(at_once=True) as connection:
            return behind(connection) or len(waiting(connection))

    def roster(self, site: str, as_of_ms: int) -> presence.Roster:
        """Who is on a site at a moment."""
        return self._ask(lambda view: presence.roster(view, site, as_of_ms))

    def headcount(self, site: str, as_of_ms: int, zone: str | None = None) -> presence.Headcount:
        """How many, by kind, employer and zone, and how many without a name."""
        return self._ask_of(site, zone, lambda view: presence.headcount(view, site, as_of_ms, zone=zone))

    def trajectory(self, subject: str, window: Span) -> way.Trajectory:
        """Where somebody was, and for how long; where nobody knows."""
        return self._ask(lambda view: way.trajectory(view, subject, window))

    def impossible(self, window: Span, subject: str | None = None) -> way.ImpossibleMoves:
        """Moves nobody can have made: of one subject, or of all."""
        return self._ask(
            lambda view: way.impossible_moves(view, [subject] if subject else view.subjects(window), window)
        )

    def contacts(self, subject: str, window: Span, rules: meeting.Rules) -> meeting.Contacts:
        """Who was with whom, for how long at least, likely and at most."""
        return self._ask(lambda view: meeting.contacts(view, subject, window, rules))

    def second_degree(
        self, subject: str, window: Span, isolated: Mapping[str, int], rules: meeting.Rules
    ) -> chain.SecondDegree:
        """Whom the contacts met afterwards."""
        return self._ask(lambda view: chain.second_degree(view, subject, window, isolated, rules))

    def places(self, subject: str, window: Span) -> visits.PlacesInvolved:
        """Where somebody was, and who was there then."""
        return self._ask(lambda view: visits.places_of(view, subject, window))

    def visitors(self, site: str, zone: str | None, window: Span) -> visits.Visitors:
        """Who was at a place in a window."""
        return self._ask_of(site, zone, lambda view: visits.visitors(view, site, zone, window))

    def density(self, site: str, zone: str, as_of_ms: int) -> crowding.Density:
        """How full a place is."""
        return self._ask_of(site, zone, lambda view: crowding.density(view, site, zone, as_of_ms))

    def peaks(self, site: str, zone: str, window: Span) -> crowding.Peaks:
        """How full a place was at most, and when it held more than it may."""
        return self._ask_of(site, zone, lambda view: crowding.peaks(view, site, zone, window))

    def gatherings(self, site: str, more_than: int, for_ms: int, window: Span) -> crowding.Gatherings:
        """Where more than so many were together for so long."""
        return self._ask(lambda view: crowding.gatherings(view, site, more_than, for_ms, window))

    def oddities(self, site: str, window: Span) -> odd.Oddities:
        """In without out, out without in, never punched out; each with the likely cause."""
        return self._ask(lambda view: odd.oddities(view, site, window))

    def completeness(self, site: str, window: Span) -> answers.Completeness:
        """How much of a site was watched, and what was not understood."""
        return self._ask(lambda view: answers.completeness(view, [site], window))

    def breaches(self, subjects: Iterable[str], sites: Iterable[str], window: Span, way_ms: int) -> allowed.Breaches:
        """Where these subjects were elsewhere than on these sites, or too long on the way between them."""
        places = tuple(sorted(set(sites)))
        allowances = [allowed.Allowance(subject, places, window, way_ms) for subject in sorted(set(subjects))]
        return self._ask(lambda view: allowed.breaches(view, allowances, window))

    def gateways(self, site: str, window: Span) -> counting.Figures:
        """What came of each gateway of a site, and what did not."""
        with self.database.reading(at_once=True) as connection:
            return counting.figures(connection, TableView(connection, self.as_known_at_ms), site, window)

    def pairing(self, site: str, lane: str, wish: trying.Wish, window: Span) -> Trial:
        """What the punches of a lane would be with other parameters."""
        with self.database.reading(at_once=True) as connection:
            return trying.trial(connection, TableView(connection, self.as_known_at_ms), site, lane, wish, window)

    def corrections(self, site: str, window: Span) -> correcting.Corrections:
        """What operators corrected, with what stood there."""
        with self.database.reading(at_once=True) as connection:
            return correcting.corrections(connection, TableView(connection, self.as_known_at_ms), site, window)

    def _ask_of(self, site: str, zone: str | None, question: Callable[[TableView], OfZone]) -> OfZone:
        """Of a zone: an answer about one of which nothing is known says so, or a misspelt one were an empty one."""

        def answer(view: TableView) -> OfZone:
            told: OfZone = question(view)
            if zone is None or view.knows_zone(site, zone, told.scope.looked_at):
                return told
            return replace(told, scope=_without_zone(told.scope, site, zone))

        return self._ask(answer)

    def _ask(self, question: Callable[[TableView], Answer]) -> Answer:
        with self.database.reading(at_once=True) as connection:
            return question(TableView(connection, self.as_known_at_ms))


def _without_zone(scope: answers.Scope, site: str, zone: str) -> answers.Scope:
    gap = Covered(site, answers.ALL_LANES, scope.looked_at, "unknown", f"no zone {zone} is known")
    return replace(scope, complete=False, gaps=(gap, *scope.gaps))
