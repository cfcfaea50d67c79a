"""Lines read and taken by the hundred: as if each had been read by itself and each message taken alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from centre_bench import Wall
from centre_lines import EPOCH, LATER_EPOCH, line, loss
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from gateway.errors import Rejected
from gateway.wire import Line, line_hash, read_line
from traceability import message as message_module
from traceability.clocks import Notes, reading_of
from traceability.database import Connection, open_database, tables
from traceability.ledger import Group, Ledger
from traceability.message import Block, read_message
from traceability.streams import MAX_SEQ, Key

CLOCK = {"state": "synced", "boot": "b1f2", "boot_ns": 5_000_000_000, "error_ms": 12, "waited_since": None}
KEPT = (tables.records, tables.conflicts, tables.breaks, tables.refused, tables.losses, tables.spans, tables.boots,
        tables.doubts, tables.anchors)  # fmt: skip


def clocked(count: int, **words: Any) -> list[bytes]:
    """A chain whose clock goes on by a second each line."""
    lines = list[bytes]()
    for seq in range(1, count + 1):
        clock = CLOCK | {"boot_ns": seq * 1_000_000_000}
        prev = line_hash(lines[-1]) if lines else "0" * 64
        lines.append(line(seq, prev, clock=clock, **words))
    return lines


LINES = clocked(8)


def slowly(raws: list[bytes]) -> tuple[list[Line], list[bytes]]:
    """What `read_line` makes of each line by itself: taken, and refused."""
    taken, refused = list[Line](), list[bytes]()
    for raw in raws:
        try:
            one = read_line(raw)
        except Rejected:
            refused.append(raw)
            continue
        is_own = (one.site, one.gateway) == ("hq", "edge-01") and one.seq <= MAX_SEQ
        (taken if is_own else refused).append(one if is_own else raw)  # type: ignore[arg-type]
    return taken, refused


def boots_of(block: Block) -> dict[str, int]:
    """The last moment of each boot in a block."""
    boots = dict(block.moments)
    for one in block.notable.values():
        reading = reading_of(one)
        if reading.boot:
            boots[reading.boot] = max(reading.boot_ns, boots.get(reading.boot, 0))
    return boots


def agree(raws: list[bytes]) -> int:
    """Hold a message read as a whole to its lines read one by one; how many of them were plain."""
    read = read_message("hq", "edge-01", raws)
    taken, refused = slowly(raws)
    assert [raw for raw, _ in read.refused] == refused
    assert {block.key.epoch for block in read.blocks} == {one.epoch for one in taken}
    plain = 0
    for block in read.blocks:
        own = [one for one in taken if one.epoch == block.key.epoch]
        assert block.raws == [one.raw for one in own]
        assert block.seqs == [one.seq for one in own]
        assert [block.prev_at(at) for at in range(len(own))] == [one.prev for one in own]
        assert [own_hash.hex() for own_hash in block.hashes] == [line_hash(one.raw) for one in own]
        by_itself = Block(block.key, notable=dict(enumerate(own)))
        assert boots_of(block) == boots_of(by_itself)
        for at, one in enumerate(own):
            if at not in block.notable:
                plain += 1
                reading = reading_of(one)
                assert (reading.state, reading.since, one.type) == ("synced", None, "punchgate.punch.v1")
    return plain


def test_lines_that_follow_one_another_are_read_at_a_glance_and_mean_the_same() -> None:
    assert agree(LINES) == len(LINES) - 1


WRONG = [
    None,
    True,
    0,
    -1,
    1.0,
    2**63,
    1e999,
    "",
    "1",
    "0" * 64,
    EPOCH,
    [],
    {},
    "hq",
    "/hq/edge-02/x",
    "\ud800",
    "\0",
]
PLACES = ["specversion", "id", "source", "type", "time", "data", *(f"data.{word}" for word in ("seq", "epoch", "prev",
          "site", "clock", "clock.state", "clock.boot", "clock.boot_ns", "clock.waited_since"))]  # fmt: skip
TYPES = ["punchgate.clock.anchor.v1", "punchgate.clock.stepped.v1", "punchgate.records.lost.v1", "punchgate.x.v1"]
TIMES = ["2026-02-30T00:00:00.000Z", "2026-11-23T24:61:00.000Z", "2026-11-23T00:31:07Z", "0001-01-01T00:00:00.000Z"]


def changed(raw: bytes, place: str, value: object) -> bytes:
    """A line that says something else at one place."""
    event_ = json.loads(raw)
    *path, last = place.split(".")
    at = event_
    for word in path:
        at = at[word]
    at[last] = value
    return json.dumps(event_, separators=(",", ":")).encode()


@given(st.sampled_from(PLACES), st.sampled_from([*WRONG, *TYPES, *TIMES, {"boot": "b1f2", "boot_ns": 1}]))
def test_a_line_that_says_anything_else_is_judged_as_if_it_stood_alone(place: str, value: object) -> None:
    agree([*LINES[:3], changed(LINES[3], place, value), *LINES[4:]])


@given(st.integers(0, len(LINES[3])), st.integers(0, 6), st.binary(max_size=6))
def test_a_line_with_other_bytes_in_it_is_judged_as_if_it_stood_alone(at: int, cut: int, put: bytes) -> None:
    agree([*LINES[:3], LINES[3][:at] + put + LINES[3][at + cut :], *LINES[4:]])


@pytest.mark.parametrize(
    "tail", [b',"time":"x"}', b',"data":{}}', b',"id":1}', b',"x":NaN}', b',"x":Infinity}', b',"x":"\xff"}', b"}}"]
)
def test_a_word_said_twice_or_no_json_counts_as_if_the_line_stood_alone(tail: bytes) -> None:
    agree([*LINES[:3], LINES[3][:-1] + tail, *LINES[4:]])


def test_a_line_too_long_for_a_glance_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "PLAIN_BYTES", 10)
    assert agree(LINES) == 0


# --- together or one after the other


@contextmanager
def a_ledger() -> Iterator[Ledger]:
    with TemporaryDirectory() as folder:
        ledger = Ledger(open_database(str(Path(folder) / "ledger.sqlite")), "centre-1", Wall())
        yield ledger
        ledger.close()


def rows(ledger: Ledger) -> list[list[tuple[Any, ...]]]:
    """All that the ledger keeps of lines, by table; without the order of arrival, which `records` is in."""
    with ledger.database.reading() as connection:
        found = [[tuple(row) for row in connection.execute(select(*_columns(table)))] for table in KEPT]
    return [found[0], *(sorted(each, key=repr) for each in found[1:])]


def _columns(table: Any) -> list[Any]:
    return [column for column in table.c if column.name != "rowid"]


def strange() -> list[bytes]:
    """Lines of every kind: three epochs' chains, forged ones, losses, bad clocks, refused ones."""
    lines = [*clocked(8), *clocked(5, epoch=LATER_EPOCH)]
    lines += [line(3, "a" * 64, clock=CLOCK), line(5, line_hash(lines[3]), lane="x"), line(11, "b" * 64)]
    lines += [loss(9, line_hash(lines[7]), epoch=EPOCH, first=2, last=4, cause="quota"), lines[6][:-1] + b" }"]
    lines += [line(7, "c" * 64, gateway="edge-02"), b"{}", line(10, "d" * 64, clock=CLOCK | {"state": "unset"})]
    lines.append(line(12, "e" * 64, type="clock.anchor", clock=CLOCK, offset_ms=7))
    return lines


STRANGE = strange()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, len(STRANGE) - 1), max_size=12), max_size=8), st.integers(0, 8))
def test_messages_taken_together_leave_the_ledger_as_messages_taken_alone(parts: list[list[int]], cut: int) -> None:
    messages = [[STRANGE[at] for at in part] for part in parts]
    with a_ledger() as together, a_ledger() as alone:
        counts, alarms = dict[str, int](), list[str]()
        for group in (messages[:cut], messages[cut:]):
            with together.group([("hq", "edge-01")]) as taken:
                taken.take_all([read_message("hq", "edge-01", lines) for lines in group])
            with alone.group([("hq", "edge-01")]) as one_by_one:
                for lines in group:
                    one_by_one.take("hq", "edge-01", lines)
            counts = dict(taken.counts)
            alarms = sorted(map(repr, taken.alarms))
            assert counts == dict(one_by_one.counts)
            assert alarms == sorted(map(repr, one_by_one.alarms))
        assert rows(together) == rows(alone)


# --- as many statements, however many gateways


@contextmanager
def statements(ledger: Ledger, gateways: list[str]) -> Iterator[tuple[Group, list[str]]]:
    said = list[str]()

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    with ledger.group([("hq", gateway) for gateway in gateways]) as group:
        connection = group._tx.connection
        event.listen(connection, "before_cursor_execute", note)
        yield group, said
        event.remove(connection, "before_cursor_execute", note)


def test_a_group_of_many_gateways_and_its_receipts_cost_no_more_statements_than_one(ledger: Ledger) -> None:
    gateways = [f"edge-{number:02}" for number in range(1, 21)]
    for first in range(2):
        with ledger.group([("hq", gateway) for gateway in gateways]) as group:
            for gateway in gateways:
                group.take("hq", gateway, clocked(40, gateway=gateway)[first : first + 1])
    costs = []
    for asked, end in ((gateways[:1], 10), (gateways, 20)):
        messages = [read_message("hq", gateway, clocked(end, gateway=gateway)[1:]) for gateway in asked]
        with statements(ledger, asked) as (group, said):
            keys = group.take_all(messages)
            told = group.receipts(sorted(keys))
        assert {receipt.message["through"] for receipt in told} == {end}
        assert keys == {Key("hq", gateway, EPOCH) for gateway in asked}
        costs.append(len(said))
    assert costs[0] == costs[1] <= 14


def test_notes_of_clocks_never_go_back(ledger: Ledger) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", LINES[4:])
        group.take("hq", "edge-01", LINES[:4])
        connection = group._tx.connection
        assert list(connection.scalars(select(tables.boots.c.last_ns))) == [8_000_000_000]
        notes = Notes()
        notes.tick(1, "b1f2", 1)
        notes.write(connection)
        assert list(connection.scalars(select(tables.boots.c.last_ns))) == [8_000_000_000]
