"""The questions of the traceability service over HTTP; the answers are the bytes the shell prints with --json.

Moments are RFC 3339 with an offset, or unix ms as answers say them. Every answer names the moment of knowledge it was
given at (`scope.known_at_ms`); asked for again with `as_known_at`, it is the same to the byte.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from traceability.api.application import Refusal
from traceability.api.audits import audits
from traceability.api.parameters import (
    Anybody,
    At,
    Isolated,
    Known,
    Minutes,
    Place,
    Rules,
    Site,
    Sites,
    Subject,
    Subjects,
    Window,
    Wish,
    Zone,
    isolated_of,
    ms,
    only_known_keys,
)
from traceability.api.unavailable import told
from traceability.database import Database
from traceability.presence import (
    allowed,
    contacts,
    crowding,
    oddities,
    roster,
    second_degree,
    trajectory,
    trial,
    visits,
)
from traceability.presence.answers import Completeness, as_json
from traceability.presence.moments import MINUTE_MS
from traceability.whereabouts import corrections, figures
from traceability.whereabouts.inquiry import Inquiry

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
BEHIND = "Punchgate-Behind"
"""Header: how many records are here that the answer does not take into account yet."""


def _inquiry(request: Request, known_at: Known = None) -> Inquiry:
    return Inquiry(request.state.database, None if known_at is None else ms(known_at))


Ask = Annotated[Inquiry, Depends(_inquiry)]


def questions(database: Database, key: str | None) -> APIRouter:
    """The routes below /sites and /subjects. `key`: what has to be shown; None: only this machine is answered."""
    router = APIRouter(tags=["questions"], dependencies=[Depends(_door(database, key)), Depends(only_known_keys)])
    router.include_router(audits(database))

    def tell(ask: Inquiry, answer: Any) -> Response:
        headers = {} if ask.as_known_at_ms is not None else {BEHIND: str(ask.behind())}
        return Response(as_json(answer), media_type="application/json", headers=headers)

    @router.get("/sites/{site}/roster", responses=_gives(roster.Roster), summary="Who is on a site")
    def of_roster(site: Site, ask: Ask, at: At = None) -> Response:
        with told():
            return tell(ask, ask.roster(site, ms(at)))

    @router.get("/sites/{site}/headcount", responses=_gives(roster.Headcount), summary="How many are there")
    def of_headcount(site: Site, ask: Ask, at: At = None, zone: Zone = None) -> Response:
        with told():
            return tell(ask, ask.headcount(site, ms(at), zone))

    @router.get("/sites/{site}/visitors", responses=_gives(visits.Visitors), summary="Who was there in a window")
    def of_visitors(site: Site, ask: Ask, window: Window, zone: Zone = None) -> Response:
        with told():
            return tell(ask, ask.visitors(site, zone, window))

    @router.get("/sites/{site}/oddities", responses=_gives(oddities.Oddities), summary="In without out, and back")
    def of_oddities(site: Site, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.oddities(site, window))

    @router.get("/sites/{site}/completeness", responses=_gives(Completeness), summary="How much was watched")
    def of_completeness(site: Site, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.completeness(site, window))

    @router.get("/sites/{site}/gatherings", responses=_gives(crowding.Gatherings), summary="Many together for long")
    def of_gatherings(
        site: Site,
        ask: Ask,
        window: Window,
        more_than: Annotated[int, Query(ge=1, le=10**9)],
        minutes: Minutes,
    ) -> Response:
        with told():
            return tell(ask, ask.gatherings(site, more_than, round(minutes * MINUTE_MS), window))

    @router.get("/sites/{site}/zones/{zone}/density", responses=_gives(crowding.Density), summary="How full it is")
    def of_density(site: Site, zone: Place, ask: Ask, at: At = None) -> Response:
        with told():
            return tell(ask, ask.density(site, zone, ms(at)))

    @router.get("/sites/{site}/zones/{zone}/peaks", responses=_gives(crowding.Peaks), summary="How full it was")
    def of_peaks(site: Site, zone: Place, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.peaks(site, zone, window))

    @router.get("/trajectory/{subject:path}", responses=_gives(trajectory.Trajectory), summary="Where somebody was")
    def of_trajectory(subject: Subject, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.trajectory(subject, window))

    @router.get("/impossible", responses=_gives(trajectory.ImpossibleMoves), summary="Moves nobody can have made")
    def of_impossible(ask: Ask, window: Window, subject: Anybody = None) -> Response:
        with told():
            return tell(ask, ask.impossible(window, subject))

    @router.get("/places/{subject:path}", responses=_gives(visits.PlacesInvolved), summary="Places, who was there")
    def of_places(subject: Subject, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.places(subject, window))

    @router.get("/contacts/{subject:path}", responses=_gives(contacts.Contacts), summary="Who was with whom")
    def of_contacts(subject: Subject, ask: Ask, window: Window, rules: Rules) -> Response:
        with told():
            return tell(ask, ask.contacts(subject, window, rules))

    @router.get(
        "/second-degree/{subject:path}", responses=_gives(second_degree.SecondDegree), summary="Whom they met"
    )
    def of_second(subject: Subject, ask: Ask, window: Window, rules: Rules, isolated: Isolated = ()) -> Response:
        with told():
            return tell(ask, ask.second_degree(subject, window, isolated_of(isolated), rules))

    @router.get(
        "/breaches", responses=_gives(allowed.Breaches), summary="Elsewhere than allowed, too long on the way"
    )
    def of_breaches(
        ask: Ask, window: Window, subjects: Subjects, sites: Sites, way_minutes: Minutes = 120.0
    ) -> Response:
        with told():
            return tell(ask, ask.breaches(subjects, sites, window, round(way_minutes * MINUTE_MS)))

    @router.get("/sites/{site}/gateways", responses=_gives(figures.Figures), summary="What came of each gateway")
    def of_gateways(site: Site, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.gateways(site, window))

    @router.get("/sites/{site}/corrections", responses=_gives(corrections.Corrections), summary="What was corrected")
    def of_corrections(site: Site, ask: Ask, window: Window) -> Response:
        with told():
            return tell(ask, ask.corrections(site, window))

    @router.get(
        "/sites/{site}/lanes/{lane}/pairing", responses=_gives(trial.Trial), summary="Punches by other parameters"
    )
    def of_pairing(site: Site, lane: Place, ask: Ask, window: Window, wish: Wish) -> Response:
        with told():
            return tell(ask, ask.pairing(site, lane, wish, window))

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


def _gives(answer: type) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": answer}}
