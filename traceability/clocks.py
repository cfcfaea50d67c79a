"""What lines say of their clocks, kept beside them: so that dating need not read the whole ledger.

Kept are all anchors, the last moment of each boot, the epoch before each epoch, and, of records whose own clock was
not `synced`, what their clocks said (`doubts`). Lines come in any order, late and again: each adds what it knows,
nothing here depends on which came first.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from typing import Any, TypeGuard

from sqlalchemy import bindparam, select, true, update

from gateway.wire import Line
from traceability.anchors import Anchor, Reading
from traceability.database import Connection, tables
from traceability.database.portable import execute, given, insert, put

ANCHOR_TYPE, STEP_TYPE = "punchgate.clock.anchor.v1", "punchgate.clock.stepped.v1"
MAX_NUMBER = 2**53
MAX_BOOT_NS = 2**63 - 1
"""A box that has run for 104 days is beyond 2**53 ns."""
MAX_WORD = 64
NO_CLOCK = Reading(0, "", 0, "none")


class Notes:
    """What lines that are new in the ledger say of their clocks, until `write` keeps it."""

    def __init__(self) -> None:
        self._last_ns: dict[tuple[int, str], int] = {}
        self._doubts: list[dict[str, object]] = []
        self._anchors: list[dict[str, object]] = []
        self._previous: list[dict[str, object]] = []

    def tick(self, stream: int, boot: str, boot_ns: int) -> None:
        """A moment of a boot."""
        if boot_ns >= self._last_ns.get((stream, boot), 0):
            self._last_ns[stream, boot] = boot_ns

    def take(self, stream: int, line: Line) -> None:
        """All that a line says."""
        reading = reading_of(line)
        if reading.boot:
            self.tick(stream, reading.boot, reading.boot_ns)
        if reading.state != "synced" or reading.since is not None:
            self._doubts.append({"stream": stream, "seq": line.seq} | _columns(reading))
        anchor = anchor_of(line)
        if anchor is not None:
            self._anchors.append({"stream": stream, "seq": line.seq} | _anchor_columns(anchor))
        if line.seq == 1 and (epoch := _previous_of(line)) is not None:
            self._previous.append({"of": stream, "epoch_before": epoch})

    def write(self, connection: Connection) -> None:
        """Keep it all."""
        put(connection, tables.doubts, self._doubts)
        put(connection, tables.anchors, self._anchors)
        for row in self._previous:
            connection.execute(_FOLLOWS, row)
        last = [(stream, boot, boot_ns) for (stream, boot), boot_ns in self._last_ns.items()]
        if last:
            execute(connection, _later(connection.dialect.name), last)


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


def _anchor_columns(anchor: Anchor) -> dict[str, object]:
    return {
        "boot": anchor.boot,
        "boot_ns": anchor.boot_ns,
        "offset_ms": anchor.offset_ms,
        "state": anchor.state,
        "error_ms": anchor.error_ms,
    }


def _previous_of(line: Line) -> str | None:
    """The first record of an epoch that follows another one names it."""
    previous = line.data.get("previous")
    epoch = previous.get("epoch") if isinstance(previous, dict) else None
    return epoch if _is_word(epoch) else None


def _columns(reading: Reading) -> dict[str, object]:
    """By the names of the columns; a moment of an earlier boot is looked up in the line itself."""
    words: dict[str, object] = asdict(reading)
    del words["since"]
    return words


@cache
def _later(dialect: str) -> Any:
    """The last moment of each boot, never an earlier one."""
    boots = tables.boots
    rows = given(dialect, boots.c.stream, boots.c.boot, boots.c.last_ns)
    statement = insert(boots, dialect).from_select(["stream", "boot", "last_ns"], select(rows).where(true()))
    return statement.on_conflict_do_update(
        index_elements=["stream", "boot"],
        set_={"last_ns": statement.excluded.last_ns},
        where=boots.c.last_ns < statement.excluded.last_ns,
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
