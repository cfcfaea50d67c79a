"""Record lines as facts and signs of life. Nothing in a line is believed before it is looked at.

`credential.read` and `passage.sensed` make no fact of their own: whatever became of them is a punch, sooner or later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.wire import Line
from traceability.anchors import NS_PER_MS
from traceability.clocks import reading_of
from traceability.dating import Dated
from traceability.presence.coverage import Lost, Sign
from traceability.presence.facts import Fact, Punch, Unplaced
from traceability.presence.moments import when_of
from traceability.presence.readings import Passing, Reading

PUNCH = "punch"


def fact_of(line: Line, dated: Dated, known_ms: int) -> Fact | None:
    """The fact a record is; None: it moves nobody. `known_ms`: when it, or this dating of it, was known."""
    if kind_of(line) != PUNCH:
        return None
    name, data = name_of(line), line.data
    when = when_of(dated)
    if when is None:
        return Unplaced(name, known_ms, "undated")
    portal, lane = _text(data.get("portal")), _text(data.get("lane"))
    direction, outcome = _text(data.get("direction")), _text(data.get("outcome"))
    subject = data.get("subject")
    if not isinstance(subject, dict) or portal is None or lane is None or direction is None or outcome is None:
        return Unplaced(name, known_ms, "unreadable")
    return Punch(
        id=name,
        known_ms=known_ms,
        when=when,
        site=line.site,
        portal=portal,
        lane=lane,
        direction=direction,
        from_zone=_text(data.get("from_zone")),
        to_zone=_text(data.get("to_zone")),
        kind=_text(subject.get("kind")) or "anonymous",
        token=_text(subject.get("token")),
        outcome=outcome,
        confidence=_text(data.get("confidence")) or "ambiguous",
        count=max(1, _number(subject.get("count")) or 1),
        device=_text(data.get("device")),
        refs=tuple(_refs(line)),
    )


def sign_of(line: Line, dated: Dated, known_ms: int) -> Sign | None:
    """The sign of life a record is; None: it cannot be placed in time."""
    when = when_of(dated)
    if when is None:
        return None
    data = line.data
    return Sign(
        id=name_of(line),
        known_ms=known_ms,
        at_ms=when.best_ms,
        site=line.site,
        gateway=line.gateway,
        epoch=line.epoch,
        seq=line.seq,
        kind=kind_of(line),
        live=data.get("live") is not False,
        lane=_text(data.get("lane")),
        device=_text(data.get("device")),
        portal=_text(data.get("portal")),
        reason=_text(data.get("reason")),
        active=data["active"] if isinstance(data.get("active"), bool) else None,
        lost=_lost(data.get("lost")) if kind_of(line) == "records.lost" else None,
    )


def evidence_of(line: Line, dated: Dated, known_ms: int) -> Reading | Passing | None:
    """The read or pass a record is, for pairing anew; None: neither, or it does not say where or when."""
    kind, when, clock, data = kind_of(line), when_of(dated), reading_of(line), line.data
    portal, lane = _text(data.get("portal")), _text(data.get("lane"))
    if when is None or portal is None or lane is None or not clock.boot:
        return None
    name, life, tick_ms = name_of(line), f"{line.epoch}/{clock.boot}", clock.boot_ns / NS_PER_MS
    live, device = data.get("live") is not False, _text(data.get("device"))
    subject = data.get("subject")
    side, direction = _text(data.get("side")), _text(data.get("direction"))
    if kind == "passage.sensed" and direction is not None:
        count = max(1, _number(data.get("count")) or 1)
        return Passing(name, known_ms, when, life, tick_ms, line.site, portal, lane, direction, count, live, device)
    token = _text(subject.get("token")) if isinstance(subject, dict) else None
    if kind != "credential.read" or side is None or token is None or not isinstance(subject, dict):
        return None
    return Reading(
        id=name,
        known_ms=known_ms,
        when=when,
        life=life,
        tick_ms=tick_ms,
        site=line.site,
        portal=portal,
        lane=lane,
        side=side,
        token=token,
        kind=_text(subject.get("kind")) or "credential",
        count=max(1, _number(subject.get("count")) or 1),
        denied=data.get("decision") == "denied",
        live=live,
        device=device,
    )


def kind_of(line: Line) -> str:
    """`punchgate.device.up.v1` is a `device.up`."""
    return line.type.removeprefix("punchgate.").rpartition(".")[0]


def name_of(line: Line) -> str:
    """The record's id."""
    return f"{line.site}/{line.gateway}/{line.epoch}/{line.seq}"


def _refs(line: Line) -> list[str]:
    refs = line.data.get("refs")
    if not isinstance(refs, dict):
        return []
    named = [refs.get("read"), *(_list(refs.get("passes"))), *(_list(refs.get("candidates")))]
    seqs = sorted({seq for seq in map(_number, named) if seq is not None})
    return [f"{line.site}/{line.gateway}/{line.epoch}/{seq}" for seq in seqs]


def _lost(lost: Any) -> Lost | None:
    if not isinstance(lost, dict):
        return None
    first, last = _number(lost.get("first")), _number(lost.get("last"))
    begin_ms, end_ms = _time(lost.get("from")), _time(lost.get("to"))
    cause = _text(lost.get("cause")) or "unknown"
    return Lost(_text(lost.get("epoch")), first, last, begin_ms, end_ms, _text(lost.get("device")), cause)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _time(value: Any) -> int | None:
    try:
        return round(datetime.fromisoformat(value).timestamp() * 1000) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
