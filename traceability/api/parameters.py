"""The parameters of questions: what each may be, and that none is misspelt, doubled or beyond its bounds.

A key that is not known would make an answer to another question, so it is refused with the nearest one that is.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints, TypeAdapter

from traceability.api.application import Refusal
from traceability.presence import contacts
from traceability.presence.moments import DAY_MS, MINUTE_MS, Span
from traceability.whereabouts import trying

MAX_MINUTES = 60.0 * 24 * 366
MAX_SUBJECTS, MAX_SITES = 200, 50
UNIX_MS_FROM = 10**11
"""Fewer digits are no unix ms of our time, but seconds, or a date without its dashes."""
BEGIN_OF_TIME, END_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
SUBJECT = r"^(person|card)/[^\x00-\x1f\x7f]{1,128}$"
NAME = r"^[a-z0-9-]{1,32}$"


def _of_unix_ms(text: Any) -> Any:
    if not (isinstance(text, str) and text.isascii() and text.lstrip("+-").replace(".", "").isdecimal()):
        return text
    if text != "0" and not (text.isdecimal() and UNIX_MS_FROM <= int(text) < END_OF_TIME.timestamp() * 1000):
        raise ValueError("unix ms has 12 or 13 digits")
    return datetime.fromtimestamp(int(text) / 1000, UTC)


def _in_reach(moment: datetime) -> datetime:
    if not BEGIN_OF_TIME <= moment < END_OF_TIME:
        raise ValueError("a moment from 1970 up to 2200")
    return moment


Moment = Annotated[AwareDatetime, BeforeValidator(_of_unix_ms), AfterValidator(_in_reach)]
"""RFC 3339 with an offset, or unix ms."""

Site = Annotated[str, Path(pattern=NAME)]
Place = Annotated[str, Path(pattern=NAME)]
Zone = Annotated[str | None, Query(pattern=NAME)]
Subject = Annotated[str, Path(pattern=SUBJECT, description="person/ID, or card/TOKEN")]
Anybody = Annotated[str | None, Query(pattern=SUBJECT, description="Without it: all.")]
At = Annotated[Moment | None, Query(alias="as_of", description="The moment asked about; without it: now.")]
Known = Annotated[Moment | None, Query(alias="as_known_at", description="As it was known then; without it: now.")]
Begin = Annotated[Moment | None, Query(alias="from", description="The window; without it 24 h before its end.")]
End = Annotated[Moment | None, Query(alias="to", description="Its end; without it: now.")]
Minutes = Annotated[float, Query(ge=0, le=MAX_MINUTES, allow_inf_nan=False)]


def ms(moment: datetime | None) -> int:
    """Unix ms; of None: now."""
    return time.time_ns() // 1_000_000 if moment is None else round(moment.timestamp() * 1000)


def _apart(text: Any) -> Any:
    """`person/ID=TIME`, checked; the moment as unix ms."""
    subject, _, told = str(text).rpartition("=")
    if not re.fullmatch(SUBJECT, subject):
        raise ValueError("SUBJECT=TIME, as person/8f3a=2026-11-23T08:00:00+08:00")
    return f"{subject}={ms(_MOMENT.validate_python(told))}"


def isolated_of(told: Iterable[str]) -> dict[str, int]:
    """From when on each of these met nobody: the earliest, if one is named twice."""
    until: dict[str, int] = {}
    for each in told:
        subject, _, at_ms = each.rpartition("=")
        until[subject] = min(int(at_ms), until.get(subject, int(at_ms)))
    return until


_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
Apart = Annotated[str, BeforeValidator(_apart)]
Isolated = Annotated[tuple[Apart, ...], Query(max_length=MAX_SUBJECTS, description="SUBJECT=TIME: met nobody since.")]
Subjects = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=SUBJECT)], ...],
    Query(alias="subject", min_length=1, max_length=MAX_SUBJECTS, description="May be there several times."),
]
Sites = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=NAME)], ...],
    Query(alias="site", min_length=1, max_length=MAX_SITES, description="Where they may be; several times."),
]


def _window(begin: Begin = None, end: End = None) -> Span:
    end_ms = ms(end)
    begin_ms = end_ms - DAY_MS if begin is None else ms(begin)
    if end_ms <= begin_ms:
        told = f"from ({begin_ms}) is not before to ({end_ms})"
        raise Refusal(422, "malformed", f"the window ends before it begins: {told}", "from is before to")
    return Span(begin_ms, end_ms)


def _rules(near: Literal["zone", "building", "site"] = "zone", minutes: Minutes = 0.0) -> contacts.Rules:
    return contacts.Rules(near, round(minutes * MINUTE_MS))


def _wish(
    pass_timeout_s: Annotated[float | None, Query(gt=0, le=300, allow_inf_nan=False)] = None,
    reorder_s: Annotated[float | None, Query(ge=0, le=30, allow_inf_nan=False)] = None,
    mode: Literal["controlled", "free"] | None = None,
    sensor: bool | None = None,
) -> trying.Wish:
    timeout_ms, reorder_ms = (None if each is None else each * 1000 for each in (pass_timeout_s, reorder_s))
    return trying.Wish(timeout_ms, reorder_ms, None if mode is None else mode == "controlled", sensor)


Wish = Annotated[trying.Wish, Depends(_wish)]
Window = Annotated[Span, Depends(_window)]
Rules = Annotated[contacts.Rules, Depends(_rules)]


def only_known_keys(request: Request) -> None:
    """Refuses a key the question does not have, and one that is there twice and may be once. For every route."""
    described = request.app.openapi()["paths"][request.scope["route"].path_format]["get"].get("parameters", [])
    known = {each["name"]: each["schema"] for each in described if each["in"] == "query"}
    for key, count in Counter(key for key, _ in request.query_params.multi_items()).items():
        if key not in known:
            near = get_close_matches(key, known, 1)
            remedy = f"{near[0]}?" if near else f"it knows {', '.join(sorted(known)) or 'none'}"
            raise Refusal(422, "malformed", f"query.{shown(key)}: this question has no such parameter", remedy)
        if count > 1 and known[key].get("type") != "array":
            raise Refusal(422, "malformed", f"query.{key}: given {count} times", "give it once")


def shown(text: str) -> str:
    """Somebody's words, short enough to be told again."""
    return text if len(text) <= 80 else f"{text[:80]}…"
