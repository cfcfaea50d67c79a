from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from centre_bench import Wall, only_a_file
from centre_lines import EPOCH, LATER_EPOCH, chain, extend, line, loss
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gateway.errors import NotDurable, Unavailable
from gateway.wire import line_hash, read_line
from traceability import coverage, export
from traceability.database import open_database, tables
from traceability.ledger import Group, Ledger
from traceability.receipts import Receipt
from traceability.streams import MAX_SEQ, Key

KEY = Key("hq", "edge-01", EPOCH)


def take(ledger: Ledger, lines: list[bytes], gateway: str = "edge-01") -> Group:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", gateway, lines)
    return group


def receipt(ledger: Ledger, key: Key = KEY) -> Receipt:
    with ledger.group([("hq", "edge-01")]) as group:
        return group.receipt(key)


def stored(ledger: Ledger) -> list[bytes]:
    return [line for lines in export.slices(ledger.database, export.Wanted()) for line in lines]


@contextmanager
def a_ledger() -> Iterator[Ledger]:
    with TemporaryDirectory() as folder:
        ledger = Ledger(open_database(str(Path(folder) / "ledger.sqlite")), "centre-1", Wall())
        yield ledger
        ledger.close()


def test_lines_are_kept_byte_for_byte(ledger: Ledger, tmp_path: Path) -> None:
    spaced = json.dumps(json.loads(chain(1)[0]), indent=None, separators=(" , ", " : ")).encode()
    take(ledger, [spaced])
    assert stored(ledger) == [spaced]


def test_the_same_bytes_again_change_nothing(ledger: Ledger, tmp_path: Path) -> None:
    lines = chain(5)
    take(ledger, lines)
    again = take(ledger, lines)
    assert again.counts == {"repeated": 5}
    assert stored(ledger) == lines
    assert not again.alarms


def test_other_bytes_under_a_taken_name_are_kept_beside_and_alarmed_once(ledger: Ledger, tmp_path: Path) -> None:
    lines = chain(3)
    forged = line(2, line_hash(lines[0]), lane="lobby-2")
    take(ledger, lines)
    group = take(ledger, [forged])
    assert [alarm.event for alarm in group.alarms] == ["record.conflict"]
    assert not take(ledger, [forged]).alarms
    assert stored(ledger) == [*lines[:2], forged, lines[2]]
    with ledger.database.reading() as connection:
        kept = [tuple(row) for row in connection.execute(select(tables.conflicts.c.line))]
    assert kept == [(forged,)]
    assert coverage.survey(ledger.database, 0).streams[0].conflicts == [2]


def test_two_lines_under_one_name_in_one_message_are_a_conflict_too(ledger: Ledger) -> None:
    first = chain(1)[0]
    group = take(ledger, [first, line(1, "0" * 64, lane="lobby-2")])
    assert group.counts == {"new": 1, "conflicts": 1}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_repetition_and_batching_give_the_same_ledger_and_the_same_receipt(data: st.DataObject) -> None:
    lines = chain(24)
    repeats = data.draw(st.lists(st.sampled_from(lines), max_size=20))
    order = data.draw(st.permutations(lines + repeats))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=8)))
    with a_ledger() as ledger:
        for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True):
            group = take(ledger, order[start:end])
            assert not group.alarms
        message = receipt(ledger).message
        assert stored(ledger) == lines
    assert (message["through"], message["seen"], message["missing"]) == (24, 24, [])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(st.integers(1, 30), max_size=6), max_size=12), st.integers(0, 8))
def test_a_receipt_never_settles_what_is_not_in_the_ledger(batches: list[list[int]], pace_s: int) -> None:
    lines, held, wall = chain(30), set[int](), Wall()
    with TemporaryDirectory() as folder:
        ledger = Ledger(open_database(str(Path(folder) / "ledger.sqlite")), "centre-1", wall)
        for batch in batches:
            take(ledger, [lines[seq - 1] for seq in batch])
            held |= set(batch)
            wall.forward(pace_s)
            message = receipt(ledger).message
            missing = {seq for first, last in message["missing"] for seq in range(first, last + 1)}  # type: ignore[attr-defined]
            settled = set(range(1, message["seen"] + 1)) - missing  # type: ignore[operator]
            assert settled <= held
            assert set(range(1, message["through"] + 1)) <= held  # type: ignore[operator]
        ledger.close()


def test_streams_of_other_gateways_and_epochs_do_not_touch_each_other(ledger: Ledger) -> None:
    take(ledger, chain(3))
    take(ledger, chain(2, epoch=LATER_EPOCH))
    take(ledger, chain(1, gateway="edge-02"), "edge-02")
    assert receipt(ledger).message["through"] == 3
    assert receipt(ledger, Key("hq", "edge-01", LATER_EPOCH)).message["through"] == 2
    assert receipt(ledger, Key("hq", "edge-02", EPOCH)).message["through"] == 1


# --- refused


def test_a_record_under_another_gateways_topic_is_refused_to_the_sender_only(ledger: Ledger, tmp_path: Path) -> None:
    foreign = chain(3, gateway="edge-02")
    take(ledger, foreign, "edge-01")
    message = receipt(ledger).message
    assert [entry["seq"] for entry in message["rejected"]] == [1, 2, 3]  # type: ignore[attr-defined]
    assert message["through"] == 3
    assert receipt(ledger, Key("hq", "edge-02", EPOCH)).message["through"] == 0
    assert stored(ledger) == []


def test_a_refused_record_that_comes_right_later_is_taken_and_no_longer_refused(ledger: Ledger) -> None:
    good = chain(1)[0]
    take(ledger, [good.replace(b'"specversion":"1.0"', b'"specversion":"9.9"')])
    assert receipt(ledger).message["rejected"]
    take(ledger, [good])
    assert receipt(ledger).message["rejected"] == []


def test_a_held_record_cannot_be_refused_afterwards(ledger: Ledger) -> None:
    good = chain(1)[0]
    take(ledger, [good])
    take(ledger, [good.replace(b'"specversion":"1.0"', b'"specversion":"9.9"')])
    assert receipt(ledger).message["rejected"] == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"data":7}',
        b'{"data":{"epoch":"x","seq":1}}',
        b"[" * 60_000,
        line(MAX_SEQ + 1, "0" * 64),
        line(0, "0" * 64),
        line(1, "0" * 64, epoch="5C1F0A9BE2D74F11"),
    ],
    ids=range(10),
)
def test_a_line_that_does_not_name_itself_is_counted_and_settles_nothing(ledger: Ledger, raw: bytes) -> None:
    group = take(ledger, [raw])
    assert group.counts == {"nameless": 1}
    assert receipt(ledger).message["seen"] == 0


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "lost", "epoch", "seq"]), inner),
        max_leaves=8,
    ),
    st.sampled_from(["type", "time", "id", "source", "data", "specversion", "seq", "epoch", "prev", "lost", "site"]),
)
def test_no_line_whatever_is_in_it_stops_the_centre(value: object, member: str) -> None:
    event = json.loads(loss(4, "0" * 64, epoch=LATER_EPOCH, first=1, last=2, cause="quota"))
    (event if member in event else event["data"])[member] = value
    lost = json.loads(loss(5, "0" * 64))
    lost["data"]["lost"] = dict.fromkeys(lost["data"]["lost"], value)
    with a_ledger() as ledger:
        take(ledger, [json.dumps(event).encode(), json.dumps(lost).encode()])


# --- declared lost


def test_the_centre_advances_over_what_was_declared_lost_and_marks_it(ledger: Ledger, tmp_path: Path) -> None:
    lines = chain(2)
    take(ledger, [*lines, loss(6, "1" * 64, epoch=EPOCH, first=3, last=5, count=3, cause="quota")])
    assert receipt(ledger).message["through"] == 6
    lost = coverage.survey(ledger.database, 0).streams[0].lost
    assert lost == [coverage.Loss(3, 5, 3, "quota", 0)]


def test_a_loss_may_name_an_earlier_epoch_of_the_same_gateway(ledger: Ledger) -> None:
    take(ledger, chain(3))
    take(ledger, [loss(1, "0" * 64, epoch=EPOCH, first=4, last=9, cause="damage")[:]], "edge-01")
    assert receipt(ledger).message["through"] == 3
    later = loss(1, "0" * 64, epoch=EPOCH, first=4, last=9, cause="damage")
    event = json.loads(later)
    event["data"]["epoch"], event["id"] = LATER_EPOCH, f"hq/edge-01/{LATER_EPOCH}/1"
    take(ledger, [json.dumps(event).encode()])
    assert receipt(ledger).message["through"] == 9
    assert receipt(ledger, Key("hq", "edge-01", LATER_EPOCH)).message["through"] == 1


def test_a_loss_that_reaches_beyond_itself_or_names_no_epoch_moves_nothing(ledger: Ledger) -> None:
    take(ledger, [loss(1, "0" * 64, epoch=EPOCH, first=2, last=900, cause="quota")])
    take(ledger, [loss(2, "0" * 64, first=3, last=900, cause="quota")])
    message = receipt(ledger).message
    assert (message["through"], message["seen"]) == (2, 2)


def test_what_was_declared_lost_and_comes_after_all_is_kept_and_counted(ledger: Ledger, tmp_path: Path) -> None:
    lines = chain(3)
    take(ledger, [loss(9, "1" * 64, epoch=EPOCH, first=1, last=8, cause="pruned")])
    take(ledger, lines)
    assert stored(ledger)[:3] == lines
    assert coverage.survey(ledger.database, 0).streams[0].lost[0].arrived == 3


# --- the chain


def test_a_broken_link_is_found_whichever_end_comes_last(tmp_path: Path) -> None:
    lines = chain(6)
    lines[3] = line(4, "e" * 64)
    for trial in range(12):
        random.Random(trial).shuffle(order := lines[:5])
        ledger = Ledger(open_database(str(tmp_path / f"{trial}.sqlite")), "centre-1", Wall())
        ledger.open()
        for each in order:
            take(ledger, [each])
        ledger.close()
        assert coverage.survey(open_database(str(tmp_path / f"{trial}.sqlite")), 0).streams[0].breaks == [4, 5]


def test_a_break_is_alarmed_with_both_hashes(ledger: Ledger) -> None:
    lines = [chain(1)[0], line(2, "e" * 64)]
    (alarm,) = take(ledger, lines).alarms
    assert (alarm.event, alarm.fields) == (
        "chain.broken",
        {"seq": 2, "held": line_hash(lines[0]), "named": "e" * 64},
    )


# --- the file


@only_a_file
def test_a_newer_schema_is_refused_and_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    take(ledger, chain(1))
    ledger.close()
    sqlite3.connect(tmp_path / "ledger.sqlite").execute("PRAGMA user_version = 99")
    with pytest.raises(NotDurable, match="newer") as refusal:
        take(ledger, chain(2))
    assert refusal.value.exit_code == 74


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "ledger.sqlite")
    other.execute("CREATE TABLE cats (name)")
    other.commit()
    with pytest.raises(NotDurable, match="another program"):
        Ledger(open_database(str(tmp_path / "ledger.sqlite")), "centre-1", Wall()).open()


def test_without_a_ledger_a_question_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no ledger there"):
        coverage.survey(open_database(str(tmp_path / "ledger.sqlite")), 0)


def test_what_fails_in_the_middle_leaves_nothing_behind(ledger: Ledger, tmp_path: Path) -> None:
    lines = chain(4)
    take(ledger, lines[:2])

    def cut_short() -> None:
        with ledger.group([("hq", "edge-01")]) as group:
            group.take("hq", "edge-01", lines)
            group.receipt(KEY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cut_short()
    assert stored(ledger) == lines[:2]
    assert receipt(ledger).message["receipt"] == 1


def test_two_writers_on_one_ledger_take_turns(place: str, wall: Wall) -> None:
    one, other = (Ledger(open_database(place), name, wall) for name in ("centre-1", "centre-2"))
    lines = chain(40)
    for at in range(0, 40, 4):
        take(one, lines[at : at + 3])
        take(other, lines[at + 2 : at + 4])
    numbers = [receipt(each).message["receipt"] for each in (one, other, one)]
    assert numbers == [1, 2, 3]
    assert stored(one) == lines
    one.close()
    other.close()


# --- export


def test_export_is_ordered_and_filtered(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SLICE_ROWS", 3)
    first, later, other = chain(7), chain(2, epoch="00000000000000ff"), chain(2, gateway="edge-00")
    take(ledger, list(reversed(first)))
    take(ledger, later)
    take(ledger, other, "edge-00")
    assert stored(ledger) == other + later + first
    wanted = export.Wanted(gateway="edge-01", epoch=EPOCH, since_seq=5)
    assert [read_line(line).seq for lines in export.slices(ledger.database, wanted) for line in lines] == [
        5,
        6,
        7,
    ]


def test_export_shows_contradicting_lines_behind_the_first_and_once(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SLICE_ROWS", 2)
    lines, others = chain(5), [line(seq, "0" * 64, lane=lane) for seq in (2, 3, 5) for lane in ("y", "x")]
    take(ledger, lines)
    take(ledger, others)
    assert stored(ledger) == [*lines[:2], *others[:2], lines[2], *others[2:4], *lines[3:], *others[4:]]


def test_export_goes_on_over_what_arrives_meanwhile(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SLICE_ROWS", 2)
    lines = chain(3)
    take(ledger, lines)
    slices = export.slices(ledger.database, export.Wanted())
    got = next(slices)
    more = extend(lines, 3)
    take(ledger, more[3:])
    assert got + [line for rest in slices for line in rest] == more
