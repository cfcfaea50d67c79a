"""Signs, steps and stays as rows, and back: the columns that are searched, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter

from pydantic import TypeAdapter

from traceability.presence.coverage import Sign
from traceability.presence.moments import FUTURE
from traceability.presence.stays import Stay, Step

_STEP, _STAY, _SIGN = TypeAdapter(Step), TypeAdapter(Stay), TypeAdapter(Sign)
_TELLING = ("device.", "gateway.", "portal.", "records.")

BETWEEN = "\x1e"
"""Between bodies that come as one text, since a driver is slow by the row; JSON has no such character anywhere."""

Row = dict[str, object]
Place = tuple[int, int]
"""Stream and seq."""
Dates = tuple[int | None, int | None, int | None]
"""Best, earliest, latest."""


def step_row(step: Step, token: str | None, known_ms: int) -> Row:
    """A step that is known from now on."""
    return {
        "name": step.id,
        "subject": step.subject,
        "known_from": known_ms,
        "known_to": FUTURE,
        "token": token,
        "site": step.site,
        "lane": step.lane,
        "role": step.role,
        "best_ms": step.when.best_ms,
        "body": _STEP.dump_json(step).decode(),
    }


def stay_row(stay: Stay, known_ms: int) -> Row:
    """A stay that is known from now on."""
    possible = stay.extent("possible")
    return {
        "subject": stay.subject,
        "name": stay.id,
        "known_from": known_ms,
        "known_to": FUTURE,
        "site": stay.site,
        "zone": stay.zone,
        "first_ms": possible.begin_ms,
        "last_ms": possible.end_ms,
        "body": _STAY.dump_json(stay).decode(),
    }


def sign_row(
    place: Place, dates: Dates, sign: Sign | None, known_ms: int, *, kind: str, live: bool, why: str | None = None
) -> Row:
    """A record as a sign of life from now on; `sign` None: it cannot be placed. The whole is kept where it tells more
    than that its gateway lived and what stands in columns of its own."""
    best_ms, earliest_ms, latest_ms = dates
    tells = sign is not None and kind.startswith(_TELLING)
    return {
        "stream": place[0],
        "seq": place[1],
        "known_from": known_ms,
        "known_to": FUTURE,
        "best_ms": best_ms,
        "earliest_ms": earliest_ms,
        "latest_ms": latest_ms,
        "kind": kind,
        "live": live,
        "lane": sign.lane if sign else None,
        "device": sign.device if sign else None,
        "portal": sign.portal if sign else None,
        "body": _SIGN.dump_json(sign).decode() if tells and sign else None,
        "why": why,
    }


def sign_of(body: str) -> Sign:
    return _SIGN.validate_json(body)


def steps_of(bodies: Iterable[str]) -> list[Step]:
    """In the order of time."""
    return sorted((_STEP.validate_json(body) for body in bodies), key=lambda step: step.order)


class Stays:
    """Stays from their bodies. A question meets the same ones again and again: each is read once, and kept."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[str, int, str], Stay]] = {}

    def of(self, bodies: Iterable[str]) -> list[Stay]:
        """By subject, likely beginning and id."""
        return [stay for _, stay in sorted(map(self._placed, bodies), key=_place)]

    def _placed(self, body: str) -> tuple[tuple[str, int, str], Stay]:
        placed = self._read.get(body)
        if placed is None:
            stay = _STAY.validate_json(body)
            placed = self._read[body] = ((stay.subject, stay.start.when.best_ms, stay.id), stay)
        return placed


_place = itemgetter(0)
