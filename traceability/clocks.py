"""What lines say of their clocks, kept beside them: so that dating need not read the whole ledger.

Kept are all anchors, the last moment of each boot, the epoch before each epoch, and, of records whose own clock was
not `synced`, what their clocks said (`doubts`). Lines come in any order, late and again: each adds what it knows,
nothing here depends on which came first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeGuard

from sqlalchemy import bindparam, update

from gateway.wire import Line
from traceability.anchors import Anchor, Reading
from traceability.database import Connection, tables
from traceability.database.portable import add, put

ANCHOR_TYPE, STEP_TYPE = "punchgate.clock.anchor.v1", "punchgate.clock.stepped.v1"
MAX_NUMBER = 2**53
MAX_BOOT_NS = 2**63 - 1
"""A box that has run for 104 days is beyond 2**53 ns."""
MAX_WORD = 64
NO_CLOCK = Reading(0, "", 0, "none")


def note(connection: Connection, stream: int, lines: Iterable[Line]) -> None:
    """Keep what these lines, new in the ledger, say of their clocks."""
    last_ns: dict[str, int] = {}
    doubts: list[dict[str, object]] = []
    for line in lines:
        reading = reading_of(line)
        if reading.boot:
            last_ns[reading.boot] = max(reading.boot_ns, last_ns.get(reading.boot, 0))
        if reading.state != "synced" or reading.since is not None:
            doubts.append({"stream": stream, "seq": line.seq} | _columns(reading))
        anchor = anchor_of(line)
        if anchor is not None:
            _keep_anchor(connection, stream, line.seq, anchor)
        if line.seq == 1:
            _keep_previous(connection, stream, line)
    put(connection, tables.doubts, doubts)
    for boot, boot_ns in last_ns.items():
        row = {"stream": stream, "boot": boot, "last_ns": boot_ns}
        if not add(connection, tables.boots, row):
            connection.execute(_LATER, {"of": stream, "which": boot, "at_ns": boot_ns})


def reading_of(line: Line) -> Reading:
    """What a record says of its moment; a state of `none` where it says nothing that could be used."""
    clock, time_ms = line.data.get("clock"), _unix_ms(line.time)
    if not isinstance(clock, dict) or time_ms is None:
        return NO_CLOCK if time_ms is None else replace(NO_CLOCK, time_ms=time_ms)
    boot, boot_ns, state = clock.get("boot"), clock.get("boot_ns"), clock.get("state")
    if not _is_word(boot) or not _is_since_boot(boot_ns) or not _is_word(state):
        return replace(NO_CLOCK, time_ms=time_ms)
    device = line.data.get("device_clock")
    return Reading(
        time_ms,
        boot,
        boot_ns,
        state,
        _bound(clock.get("error_ms")),
        line.data.get("live") is not False,
        _bound(clock.get("waited_ms")),
        (_bound(device.get("error_ms")) if isinstance(device, dict) else None) or 0,
        _since(clock.get("waited_since")),
    )


def anchor_of(line: Line) -> Anchor | None:
    """The anchor a record is: a `clock.anchor`, or the end of a `clock.stepped`; None for any other."""
    if line.type not in {ANCHOR_TYPE, STEP_TYPE}:
        return None
    reading = reading_of(line)
    if not reading.boot:
        return None
    offset_ms = _number(line.data.get("offset_ms" if line.type == ANCHOR_TYPE else "to_offset_ms"))
    if offset_ms is None:
        return None
    name = f"{line.site}/{line.gateway}/{line.epoch}/{line.seq}"
    return Anchor(name, reading.boot, reading.boot_ns, offset_ms, reading.state, reading.error_ms)


def _keep_anchor(connection: Connection, stream: int, seq: int, anchor: Anchor) -> None:
    row = {
        "stream": stream,
        "seq": seq,
        "boot": anchor.boot,
        "boot_ns": anchor.boot_ns,
        "offset_ms": anchor.offset_ms,
        "state": anchor.state,
        "error_ms": anchor.error_ms,
    }
    put(connection, tables.anchors, [row])


def _keep_previous(connection: Connection, stream: int, line: Line) -> None:
    """The first record of an epoch that follows another one names it."""
    previous = line.data.get("previous")
    epoch = previous.get("epoch") if isinstance(previous, dict) else None
    if _is_word(epoch):
        connection.execute(_FOLLOWS, {"of": stream, "epoch_before": epoch})


def _columns(reading: Reading) -> dict[str, object]:
    """By the names of the columns; a moment of an earlier boot is looked up in the line itself."""
    words: dict[str, object] = asdict(reading)
    del words["since"]
    return words


_LATER = (
    update(tables.boots)
    .where(tables.boots.c.stream == bindparam("of"), tables.boots.c.boot == bindparam("which"))
    .where(tables.boots.c.last_ns < bindparam("at_ns"))
    .values(last_ns=bindparam("at_ns"))
)
_FOLLOWS = (
    update(tables.streams).where(tables.streams.c.id == bindparam("of")).values(previous=bindparam("epoch_before"))
)


def _is_word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD and value.isprintable()


def _is_since_boot(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= MAX_BOOT_NS


def _since(value: Any) -> tuple[str, int] | None:
    """A moment of an earlier boot; it may lie a little before that boot's beginning."""
    if not isinstance(value, dict) or not _is_word(boot := value.get("boot")):
        return None
    boot_ns = value.get("boot_ns")
    return (boot, boot_ns) if type(boot_ns) is int and abs(boot_ns) <= MAX_BOOT_NS else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and abs(value) < MAX_NUMBER else None


def _bound(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number < 0 else number


def _unix_ms(text: str) -> int | None:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
