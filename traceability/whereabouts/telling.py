"""Answers as a person reads them: the zone of time is the reader's machine's; what could not be seen stands below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import singledispatch
from typing import Any

from traceability.presence.answers import Scope
from traceability.presence.contacts import Contact, Contacts
from traceability.presence.coverage import Covered
from traceability.presence.crowding import Gatherings
from traceability.presence.moments import FUTURE, MINUTE_MS, PAST, Span
from traceability.presence.roster import Headcount, Present, Roster, Unnamed
from traceability.presence.second_degree import SecondContact, SecondDegree
from traceability.presence.trajectory import Leg, Trajectory
from traceability.presence.visits import PlacesInvolved, Visitor, Visitors

MAX_GAPS = 10


@singledispatch
def lines(answer: Any) -> Iterator[str]:
    """The answer in lines; any other than those below as names and values."""
    yield from _words(answer, "")
    yield from scope(answer.scope)


@lines.register
def _(answer: Roster) -> Iterator[str]:
    yield f"{answer.site}: {len(answer.present)} there, {len(answer.possible)} possibly"
    yield from _both(_present, answer.present, answer.possible)
    yield _unnamed(answer.unnamed)
    yield from scope(answer.scope)


@lines.register
def _(answer: Headcount) -> Iterator[str]:
    yield f"{answer.site}: {answer.total_low} to {answer.total_high} people"
    yield f"with a name {answer.named}, possibly {answer.named_possible - answer.named} more"
    yield _unnamed(answer.unnamed)
    for title, counts in (("kind", answer.by_kind), ("employer", answer.by_employer), ("zone", answer.by_zone)):
        yield from (f"by {title}  {name}  {count}" for name, count in counts)
    yield from scope(answer.scope)


@lines.register
def _(answer: Trajectory) -> Iterator[str]:
    yield answer.subject
    yield from (_leg(leg) for leg in answer.legs)
    yield from (f"seen     {clock(each.at_ms)}  {each.site}/{each.lane}  {each.outcome}" for each in answer.sightings)
    yield from (f"dwell    {site}/{zone}  {minutes(ms)}" for site, zone, ms in answer.dwell_ms)
    yield from scope(answer.scope)
    yield from _elsewhere(answer.elsewhere)


@lines.register
def _(answer: Contacts) -> Iterator[str]:
    yield f"{answer.subject}: {len(answer.contacts)} contacts, {len(answer.possible)} possibly"
    yield from _both(_contact, answer.contacts, answer.possible)
    yield from _unknown(answer.unknown)
    yield from scope(answer.scope)
    yield from _elsewhere(answer.elsewhere)


@lines.register
def _(answer: SecondDegree) -> Iterator[str]:
    yield from lines(answer.first)
    yield f"of the second degree: {len(answer.second)}, {len(answer.possible)} possibly"
    yield from _both(_second, answer.second, answer.possible)
    yield from scope(answer.scope)


@lines.register
def _(answer: Gatherings) -> Iterator[str]:
    yield f"{answer.site}: {len(answer.gatherings)} gatherings"
    for zone, crowd in answer.gatherings:
        yield f"{zone}  {span(crowd.span)}  at most {crowd.people}: {', '.join(crowd.subjects)}"
    yield from scope(answer.scope)


@lines.register
def _(answer: Visitors) -> Iterator[str]:
    zones = ", ".join(answer.zones) or "all zones"
    yield f"{answer.site} ({zones}), {span(answer.window)}: {len(answer.visitors)}, {len(answer.possible)} possibly"
    yield from _both(_visitor, answer.visitors, answer.possible)
    yield from scope(answer.scope)


@lines.register
def _(answer: PlacesInvolved) -> Iterator[str]:
    yield f"{answer.subject}, {span(answer.window)}: {len(answer.places)} places"
    for place in answer.places:
        when = ", ".join(span(each) for each in place.spans)
        yield f"{place.site}/{place.zone}  {minutes(place.likely_ms)}, at most {minutes(place.possible_ms)}  {when}"
        yield from (f"  with {other}" for other in place.others)
        yield from (f"  possibly with {other}" for other in place.others_possible)
    yield from _unknown(answer.unknown)
    yield from scope(answer.scope)
    yield from _elsewhere(answer.elsewhere)


def scope(told: Scope) -> Iterator[str]:
    """What the answer rests on."""
    known = "" if told.known_at_ms is None else f", as known at {clock(told.known_at_ms)} ({told.known_at_ms})"
    yield f"as of {clock(told.as_of_ms)}{known}"
    if told.complete:
        yield f"all lanes of {', '.join(told.sites)} were watched"
        return
    if not told.sites:
        yield "no site is in it: nothing was watched for this answer"
    elif not told.gaps:
        yield "no lane of it is known"
    for gap in told.gaps[:MAX_GAPS]:
        yield f"not seen: {gap.site}/{gap.lane}  {span(gap.span)}  {gap.state}{f': {gap.why}' if gap.why else ''}"
    if len(told.gaps) > MAX_GAPS:
        yield f"not seen: … and {len(told.gaps) - MAX_GAPS} more; --json lists all"


def _unknown(told: Sequence[Span]) -> Iterator[str]:
    yield from (f"nobody knows where it was  {span(each)}" for each in told)


def _elsewhere(told: Sequence[Covered]) -> Iterator[str]:
    """Where it may have been unseen, while it is taken to have been on no site."""
    for gap in told[:MAX_GAPS]:
        yield f"may have been at {gap.site} unseen  {span(gap.span)}  {gap.state}"
    if len(told) > MAX_GAPS:
        yield f"may have been elsewhere unseen: … and {len(told) - MAX_GAPS} more; --json lists all"


def clock(at_ms: int) -> str:
    """A moment, to the second."""
    if at_ms in (PAST, FUTURE):
        return "?"
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "seconds")


def span(told: Span) -> str:
    """From when to when; on one day the second without its date."""
    begin, end = clock(told.begin_ms), clock(told.end_ms)
    return f"{begin} – {end[11:] if begin[:10] == end[:10] else end}"


def minutes(ms: int) -> str:
    """A length of time."""
    return f"{ms / MINUTE_MS:.1f} min"


def _both(tell: Callable[[Any], str], sure: Iterable[Any], possible: Iterable[Any]) -> Iterator[str]:
    yield from map(tell, sure)
    yield from (f"possibly {tell(each)}" for each in possible)


def _flags(flags: Sequence[str]) -> str:
    return f"  {', '.join(flags)}" if flags else ""


def _present(each: Present) -> str:
    person = " ".join(word for word in (each.kind, each.employer, each.unit) if word)
    aged = "  not seen for long" if each.aged else ""
    return f"{each.subject}  {each.zone}  since {clock(each.since_ms)}  {person}{_flags(each.flags)}{aged}".rstrip()


def _unnamed(told: Unnamed) -> str:
    return f"without a name {told.low} to {told.high}: {told.passed_in} in, {told.passed_out} out"


def _leg(leg: Leg) -> str:
    where = f"{leg.site}/{leg.zone}" if leg.site else ""
    still = "  still" if leg.is_open else ""
    return f"{leg.kind:8} {span(leg.span)}  {where}{still}{_flags(leg.flags)}".rstrip()


def _contact(each: Contact) -> str:
    zones = ", ".join(f"{shared.site}/{shared.zone}" for shared in each.zones)
    brushes = f"  {len(each.brushes)} times at one lane" if each.brushes else ""
    times = f"{minutes(each.likely_ms)} ({minutes(each.sure_ms)} to {minutes(each.possible_ms)})"
    return f"{each.subject}  {times}  {each.band}  {zones}{brushes}"


def _second(each: SecondContact) -> str:
    return f"{_contact(each.contact)}  by {each.by}, met {clock(each.met_ms)}"


def _visitor(each: Visitor) -> str:
    when = span(Span(each.first_ms, each.last_ms))
    times = f"{minutes(each.likely_ms)} (at most {minutes(each.possible_ms)})"
    return f"{each.subject}  {times}  {when}{_flags(each.flags)}"


def _words(told: Any, indent: str) -> Iterator[str]:
    for each in fields(told):
        value = getattr(told, each.name)
        if isinstance(value, Scope):
            continue
        if is_dataclass(value) and not isinstance(value, Span):
            yield f"{indent}{each.name}"
            yield from _words(value, indent + "  ")
        elif isinstance(value, tuple) and any(is_dataclass(one) for one in value):
            yield from _rows(each.name, value, indent)
        else:
            yield f"{indent}{each.name}  {_value(each.name, value)}"


def _rows(name: str, values: Iterable[Any], indent: str) -> Iterator[str]:
    for value in values:
        yield f"{indent}- {_one(name)}"
        yield from _words(value, indent + "  ")


def _one(names: str) -> str:
    return f"{names[:-3]}y" if names.endswith("ies") else names.removesuffix("s")


def _value(name: str, value: Any) -> str:
    if isinstance(value, Span):
        return span(value)
    if isinstance(value, int) and name.endswith("at_ms"):
        return clock(value)
    if isinstance(value, int) and name.endswith("_ms"):
        return minutes(value)
    if isinstance(value, tuple):
        return ", ".join(" ".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)
    return "–" if value is None else str(value)
