"""What an operator says, held against what is known, before it is written down for ever: a slip names the nearest."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from sqlalchemy import select

from gateway.errors import Rejected
from traceability.database import Connection
from traceability.database import tables as ledger
from traceability.presence.bindings import CARD, PERSON, Binding, Person
from traceability.presence.facts import OUTSIDE, Counted, Declaration, Move
from traceability.presence.roster import WHOLE_SITE
from traceability.whereabouts.desk import Desk, Said
from traceability.whereabouts.finding import zones_of

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_RECORD = re.compile(r"([^/]+)/([^/]+)/([0-9a-f]{16})/([0-9]{1,16})")


@dataclass(frozen=True, slots=True)
class Vetting:
    """`desk`: all that was said so far. Each method raises Rejected."""

    connection: Connection
    desk: Desk

    def vet(self, said: Said) -> None:
        """Whether it is about something that is known."""
        match said:
            case Person():
                _named("person", said.id, PERSON)
            case Binding():
                _named("token", said.token, CARD)
                _named("person", said.person, PERSON)
            case Move():
                self._subject(said.subject)
                self._place(said.site, said.to_zone, OUTSIDE)
                if said.from_zone is not None:
                    self._place(said.site, said.from_zone, OUTSIDE)
            case Counted():
                self._place(said.site, said.zone, WHOLE_SITE)
            case Declaration():
                for name in (said.target, *said.instead):
                    self._fact(name)

    def _subject(self, subject: str) -> None:
        kind = next((each for each in (PERSON, CARD) if subject.startswith(each)), None)
        if kind is None or not _NAME.fullmatch(subject.removeprefix(kind)):
            raise Rejected(f"{subject!r} is no subject", remedy="person/ID or card/TOKEN")

    def _place(self, site: str, zone: str, always: str) -> None:
        """Maps say which zones a site has; where none does, any may be."""
        maps = self.desk.atlas.maps
        sites = {place for chart in maps for place, _ in chart.zones} | {
            place for chart in maps for place in chart.sites
        }
        _known("site", site, sites | set(self.connection.scalars(select(ledger.streams.c.site).distinct())))
        charted = {name for chart in maps for place, name in chart.zones if place == site}
        if charted:
            _known(f"zone of {site}", zone, {always, *charted, *zones_of(self.connection, site)})

    def _fact(self, name: str) -> None:
        said = {*self.desk.moves, *self.desk.counts, *(each.id for each in self.desk.declarations)}
        if name in said:
            return
        record = _RECORD.fullmatch(name)
        if record is None:
            near = get_close_matches(name, said, 1)
            remedy = (
                f"{near[0]}?"
                if near
                else "SITE/GATEWAY/EPOCH/SEQ of a record, or the id of a move, count or correction"
            )
            raise Rejected(f"{name!r} is neither a record nor anything that was said", remedy=remedy)
        s, r = ledger.streams.c, ledger.records.c
        here = select(r.seq).join(ledger.streams, s.id == r.stream)
        site, gateway, epoch, seq = record.groups()
        here = here.where(s.site == site, s.gateway == gateway, s.epoch == epoch, r.seq == int(seq))
        if self.connection.scalar(here) is None:
            raise Rejected(f"there is no record {name}", remedy="its id as `centre export` prints it")


def _named(what: str, name: str, prefix: str) -> None:
    if name.startswith(prefix):
        raise Rejected(f"{what} {name!r}", remedy=f"without {prefix}: {name.removeprefix(prefix)}")
    if not _NAME.fullmatch(name):
        raise Rejected(f"{what} {name!r} is no name", remedy="1 to 128 characters, none of them a control character")


def _known(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        near = get_close_matches(name, known, 1)
        remedy = f"{near[0]}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
        raise Rejected(f"no {what} of the name {name!r} is known", remedy=remedy)
