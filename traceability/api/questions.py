"""The questions of the traceability service over HTTP; the answers are the bytes the shell prints with --json.

Moments are RFC 3339 with an offset, or unix ms as answers say them. Every answer names the moment of knowledge it was
given at (`scope.known_at_ms`); asked for again with `known_at`, it is the same to the byte.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AwareDatetime

from gateway.errors import PunchgateError
from traceability.api.application import Refusal
from traceability.database import Database
from traceability.presence import contacts, crowding, oddities, roster, trajectory, visits
from traceability.presence.answers import Completeness, as_json
from traceability.presence.moments import DAY_MS, MINUTE_MS, Span
from traceability.whereabouts.inquiry import Inquiry

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
BEHIND = "Punchgate-Behind"
"""Header: how many records are here that the answer does not take into account yet."""

Site = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,32}$")]
Zone = Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,32}$")]
Subject = Annotated[str, Path(pattern=r"^(person|card)/.{1,128}$", description="person/ID, or card/TOKEN")]
Anybody = Annotated[str | None, Query(pattern=r"^(person|card)/.{1,128}$", description="Without it: all.")]
At = Annotated[AwareDatetime | None, Query(alias="at", description="The moment asked about; without it: now.")]
Known = Annotated[AwareDatetime | None, Query(description="As it was known then; without it: now.")]
Begin = Annotated[
    AwareDatetime | None, Query(alias="from", description="The window; without it 24 h before its end.")
]
End = Annotated[AwareDatetime | None, Query(alias="to", description="Its end; without it: now.")]


def _window(begin: Begin = None, end: End = None) -> Span:
    end_ms = _ms(end)
    begin_ms = end_ms - DAY_MS if begin is None else _ms(begin)
    if end_ms <= begin_ms:
        raise Refusal(422, "malformed", "the window ends before it begins", "from is before to")
    return Span(begin_ms, end_ms)


def _rules(
    near: Literal["zone", "building", "site"] = "zone", minutes: Annotated[float, Query(ge=0)] = 0.0
) -> contacts.Rules:
    return contacts.Rules(near, round(minutes * MINUTE_MS))


def _inquiry(request: Request, known_at: Known = None) -> Inquiry:
    return Inquiry(request.state.database, None if known_at is None else _ms(known_at))


Ask = Annotated[Inquiry, Depends(_inquiry)]
Window = Annotated[Span, Depends(_window)]
Rules = Annotated[contacts.Rules, Depends(_rules)]


def questions(database: Database, key: str | None) -> APIRouter:
    """The routes below /sites and /subjects. `key`: what has to be shown; None: only this machine is answered."""
    router = APIRouter(tags=["questions"], dependencies=[Depends(_door(database, key))])

    def tell(ask: Inquiry, answer: Any) -> Response:
        headers = {} if ask.as_known_at_ms is not None else {BEHIND: str(ask.behind())}
        return Response(as_json(answer), media_type="application/json", headers=headers)

    @router.get("/sites/{site}/roster", responses=_gives(roster.Roster), summary="Who is on a site")
    def of_roster(site: Site, ask: Ask, at: At = None) -> Response:
        with _told():
            return tell(ask, ask.roster(site, _ms(at)))

    @router.get("/sites/{site}/headcount", responses=_gives(roster.Headcount), summary="How many are there")
    def of_headcount(site: Site, ask: Ask, at: At = None, zone: Zone = None) -> Response:
        with _told():
            return tell(ask, ask.headcount(site, _ms(at), zone))

    @router.get("/sites/{site}/visitors", responses=_gives(visits.Visitors), summary="Who was there in a window")
    def of_visitors(site: Site, ask: Ask, window: Window, zone: Zone = None) -> Response:
        with _told():
            return tell(ask, ask.visitors(site, zone, window))

    @router.get("/sites/{site}/oddities", responses=_gives(oddities.Oddities), summary="In without out, and back")
    def of_oddities(site: Site, ask: Ask, window: Window) -> Response:
        with _told():
            return tell(ask, ask.oddities(site, window))

    @router.get("/sites/{site}/completeness", responses=_gives(Completeness), summary="How much was watched")
    def of_completeness(site: Site, ask: Ask, window: Window) -> Response:
        with _told():
            return tell(ask, ask.completeness(site, window))

    @router.get("/sites/{site}/gatherings", responses=_gives(crowding.Gatherings), summary="Many together for long")
    def of_gatherings(
        site: Site,
        ask: Ask,
        window: Window,
        more_than: Annotated[int, Query(ge=1)],
        minutes: Annotated[float, Query(ge=0)],
    ) -> Response:
        with _told():
            return tell(ask, ask.gatherings(site, more_than, round(minutes * MINUTE_MS), window))

    @router.get("/sites/{site}/zones/{zone}/density", responses=_gives(crowding.Density), summary="How full it is")
    def of_density(site: Site, zone: Site, ask: Ask, at: At = None) -> Response:
        with _told():
            return tell(ask, ask.density(site, zone, _ms(at)))

    @router.get("/sites/{site}/zones/{zone}/peaks", responses=_gives(crowding.Peaks), summary="How full it was")
    def of_peaks(site: Site, zone: Site, ask: Ask, window: Window) -> Response:
        with _told():
            return tell(ask, ask.peaks(site, zone, window))

    @router.get("/trajectory/{subject:path}", responses=_gives(trajectory.Trajectory), summary="Where somebody was")
    def of_trajectory(subject: Subject, ask: Ask, window: Window) -> Response:
        with _told():
            return tell(ask, ask.trajectory(subject, window))

    @router.get("/impossible", responses=_gives(trajectory.ImpossibleMoves), summary="Moves nobody can have made")
    def of_impossible(
        ask: Ask, window: Window, subject: Annotated[str | None, Query(max_length=140)] = None
    ) -> Response:
        with _told():
            return tell(ask, ask.impossible(window, subject))

    @router.get("/places/{subject:path}", responses=_gives(visits.PlacesInvolved), summary="Places, who was there")
    def of_places(subject: Subject, ask: Ask, window: Window) -> Response:
        with _told():
            return tell(ask, ask.places(subject, window))

    @router.get("/contacts/{subject:path}", responses=_gives(contacts.Contacts), summary="Who was with whom")
    def of_contacts(subject: Subject, ask: Ask, window: Window, rules: Rules) -> Response:
        with _told():
            return tell(ask, ask.contacts(subject, window, rules))

    @router.get("/second-degree/{subject:path}", responses=_gives(contacts.SecondDegree), summary="Whom they met")
    def of_second(subject: Subject, ask: Ask, window: Window, rules: Rules) -> Response:
        with _told():
            return tell(ask, ask.second_degree(subject, window, {}, rules))

    return router


def _door(database: Database, key: str | None) -> Any:
    """Who may ask. Without a key a page in a browser of this machine could, under a name that leads here."""

    def may_ask(request: Request) -> None:
        request.state.database = database
        if key is None:
            if request.url.hostname not in LOCAL:
                raise Refusal(403, "not-here", "only questions to this machine by its own name are answered")
            return
        kind, _, shown = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), key.encode()):
            raise Refusal(
                401, "no-key", "questions need the key", "Authorization: Bearer KEY, of centre.questions_key_file"
            )

    return may_ask


def _ms(moment: AwareDatetime | None) -> int:
    return time.time_ns() // 1_000_000 if moment is None else round(moment.timestamp() * 1000)


def _gives(answer: type) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": answer}}


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PunchgateError as error:
        raise Refusal(503, "unavailable", error.message, error.remedy or "", wait_s=5) from error
