"""Two points and one line: who may only be in certain places, and on the way between them, and was elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from traceability.presence.answers import Scope, scope_of_all
from traceability.presence.moments import HOUR_MS, Span
from traceability.presence.trajectory import Leg, way_of
from traceability.presence.view import View


@dataclass(frozen=True, slots=True)
class Allowance:
    """A subject may be on these sites only, during `span`, and at most `way_ms` on the way between them."""

    subject: str
    sites: tuple[str, ...]
    span: Span
    way_ms: int = 2 * HOUR_MS


Kind = Literal["elsewhere", "perhaps_elsewhere", "too_long", "not_back"]


@dataclass(frozen=True, slots=True)
class Breach:
    """`elsewhere`: in another site; `perhaps_elsewhere`: it cannot be excluded; `too_long`: on the way; `not_back`:
    the same, and not come yet.
    """

    subject: str
    kind: Kind
    site: str | None
    zone: str | None
    span: Span
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breaches:
    """By subject and time."""

    scope: Scope
    window: Span
    breaches: tuple[Breach, ...]


def breaches(view: View, allowances: Iterable[Allowance], window: Span) -> Breaches:
    """Where the allowed line was left in a window."""
    found: list[Breach] = []
    sites: set[str] = set()
    for allowance in sorted(allowances, key=lambda each: (each.subject, each.span)):
        span = allowance.span.cut(window)
        if span.length_ms:
            way = way_of(view, allowance.subject, span)
            sites |= {*allowance.sites}
            found += (breach for leg in way.legs for breach in _breach(allowance, leg, span))
    return Breaches(scope_of_all(view, window, window.end_ms, sites), window, tuple(found))


def _breach(allowance: Allowance, leg: Leg, span: Span) -> Iterator[Breach]:
    """Where he was when the span began is not known if he had not come yet."""
    if leg.site is None:
        if span.begin_ms < leg.span.begin_ms and leg.span.length_ms > allowance.way_ms:
            away: Kind = "too_long" if leg.span.end_ms < span.end_ms else "not_back"
            yield Breach(allowance.subject, away, None, leg.zone, leg.span, ())
    elif leg.site not in allowance.sites:
        kind: Kind = "elsewhere" if leg.kind == "stay" else "perhaps_elsewhere"
        yield Breach(allowance.subject, kind, leg.site, leg.zone, leg.span, leg.records)
