"""Lines, batches, topics and receipts: what one end makes the other end reads, and nothing else gets through."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unit_drafts import DRAFTS, MOMENTS, ORIGIN, TEXTS, moment

from gateway.clock import Moment, Wait
from gateway.errors import Rejected
from gateway.records import Draft, Notice, type_of
from gateway.wire import (
    COMPRESS_FROM_BYTES,
    DEFLATE,
    GENESIS,
    MANY_RECORDS,
    MAX_INFLATED_BYTES,
    MAX_LINE_BYTES,
    ONE_RECORD,
    Origin,
    Topics,
    compact,
    encode,
    line_hash,
    pack,
    read_line,
    read_receipt,
    timestamp,
    unpack,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
GOOD = encode(Draft(Notice(kind="device.up", device="lane-1-in"), moment(), seq=7), ORIGIN, GENESIS)


def changed(**members: Any) -> bytes:
    """The good line with other members; those of `data` with a leading d_."""
    event = json.loads(GOOD)
    for name, value in members.items():
        where, key = (event["data"], name[2:]) if name.startswith("d_") else (event, name)
        where[key] = value
    return json.dumps(event).encode()


# --- lines


@given(st.lists(DRAFTS, min_size=1, max_size=8))
def test_what_encode_writes_read_line_reads_and_the_chain_holds(drafts: list[Draft]) -> None:
    prev = GENESIS
    for seq, draft in enumerate(drafts, 1):
        draft.seq = seq
        raw = encode(draft, ORIGIN, prev)
        line = read_line(raw)
        assert (line.site, line.gateway, line.epoch, line.seq, line.prev) == (
            "hq",
            "edge-01",
            ORIGIN.epoch,
            seq,
            prev,
        )
        assert line.type == f"punchgate.{type_of(draft.body)}.v1"
        assert line.raw == raw
        assert line.time == timestamp(draft.moment.time_ms)
        assert b"\n" not in raw
        prev = line_hash(raw)


def test_a_line_is_the_one_of_the_contract() -> None:
    event = json.loads(GOOD)
    assert list(event) == ["specversion", "id", "source", "type", "time", "datacontenttype", "data"]
    assert event["id"] == "hq/edge-01/5c1f0a9be2d74f11/7"
    assert event["source"] == "/hq/edge-01/lane-1-in"
    assert event["time"] == "2026-11-23T02:13:20.412Z"
    assert event["data"]["tz_offset"] == "+08:00"
    assert set(event["data"]) >= {"seq", "epoch", "prev", "site", "tz", "tz_offset", "clock", "live"}


@given(st.binary(max_size=300))
def test_read_line_raises_nothing_but_rejected_for_bytes(raw: bytes) -> None:
    with pytest.raises(Rejected):
        read_line(raw)


@given(JSON)
@example({"data": {}, "specversion": "1.0"})
def test_read_line_raises_nothing_but_rejected_for_json(document: object) -> None:
    with pytest.raises(Rejected):
        read_line(json.dumps(document).encode())


@given(st.sampled_from(["specversion", "id", "source", "type", "time", "data", "d_epoch", "d_seq", "d_prev"]), JSON)
def test_read_line_raises_nothing_but_rejected_for_one_odd_member(member: str, value: object) -> None:
    try:
        line = read_line(changed(**{member: value}))
    except Rejected:
        return
    assert json.loads(GOOD)["data"].get(member[2:], json.loads(GOOD).get(member)) == value or line


@pytest.mark.parametrize(
    "raw",
    [
        GOOD.decode().encode("utf-16"),
        GOOD.decode().encode("utf-32"),
        b"\xef\xbb\xbf" + GOOD,
        GOOD[:-1],
        GOOD.replace(b"true", b"NaN"),
        GOOD.replace(b"lane-1-in", b"\\ud800"),
        b"[" * 100_000,
        b"1" * 5000,
        GOOD + b" " * MAX_LINE_BYTES,
        changed(d_seq=True),
        changed(d_seq=7.0),
        changed(d_seq=0),
        changed(d_seq=2**63),
        changed(d_seq="7"),
        changed(d_epoch="5C1F0A9BE2D74F11"),
        changed(d_epoch="5c1f0a9be2d74f11\n"),
        changed(d_prev=GENESIS + "\n"),
        changed(d_site="other"),
        changed(id="hq/edge-01/5c1f0a9be2d74f11/8"),
        changed(source="/hq/edge-01/a/b"),
        changed(source="/HQ/edge-01"),
        changed(source="hq/edge-01/lane-1-in"),
        changed(specversion="0.3"),
        changed(type="other.punch.v1"),
        changed(type="punchgate.punch"),
        changed(time="yesterday"),
        changed(time="2026-11-22"),
        changed(data=[]),
        b"null",
    ],
)
def test_a_line_that_is_not_a_record_is_rejected_with_a_reason(raw: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        read_line(raw)
    assert 5 < len(caught.value.message) < 100


def test_text_outside_ascii_is_kept_and_escapes_are_understood() -> None:
    raw = encode(Draft(Notice(kind="device.down", device="d", reason="端口 🚪"), moment(), seq=1), ORIGIN, GENESIS)
    assert "端口 🚪".encode() in raw
    assert read_line(json.dumps(json.loads(raw)).encode()).data["reason"] == "端口 🚪"


def test_half_a_surrogate_pair_does_not_stop_a_record() -> None:
    draft = Draft(Notice(kind="device.down", device="d", reason="\udc80"), moment(), seq=1)
    assert read_line(encode(draft, ORIGIN, GENESIS)).data["reason"] == "?"


@pytest.mark.parametrize(
    ("timezone", "time_ms", "offset"),
    [
        ("Asia/Shanghai", 0, "+08:00"),
        ("Europe/Berlin", 1_774_745_999_999, "+01:00"),
        ("Europe/Berlin", 1_774_746_000_000, "+02:00"),
        ("Asia/Kathmandu", 1_774_746_000_000, "+05:45"),
        ("America/St_Johns", 1_774_746_000_000, "-02:30"),
    ],
)
def test_the_offset_is_the_one_of_that_instant(timezone: str, time_ms: int, offset: str) -> None:
    assert Origin("hq", "e", timezone, ORIGIN.epoch).offset_at(time_ms) == offset


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_400_000_007, "2026-11-23T02:13:20.007Z"),
    ],
)
def test_a_timestamp_has_milliseconds_and_a_z(time_ms: int, text: str) -> None:
    assert timestamp(time_ms) == text


@given(MOMENTS)
def test_a_moment_can_be_made_again_from_its_record_but_for_the_monotonic_clock(told: Moment) -> None:
    line = read_line(encode(Draft(Notice(kind="device.up"), told, seq=1), ORIGIN, GENESIS))
    assert replace(Moment.of_words(told.time_ms, line.data), mono=told.mono) == told


def test_a_record_says_how_long_it_had_waited_beside_the_whole_error() -> None:
    def clock(of: Moment) -> Any:
        return read_line(encode(Draft(Notice(kind="device.up"), of, seq=1), ORIGIN, GENESIS)).data["clock"]

    assert "waited_ms" not in clock(moment())
    assert clock(moment().waiting(Wait(4000))) == clock(moment()) | {"error_ms": 4012, "waited_ms": 4000}


def test_a_record_of_a_devices_memory_says_how_wrong_the_device_may_be() -> None:
    kept = moment().remembered(5.0, 1.5, "2026-11-23T10:13:15.412")
    data = read_line(encode(Draft(Notice(kind="device.up"), kept, seq=1), ORIGIN, GENESIS)).data
    assert data["device_clock"] == {"time": "2026-11-23T10:13:15.412", "offset_ms": 0, "error_ms": 1500}
    assert data["clock"]["error_ms"] == 1512


# --- batches


@given(st.lists(DRAFTS, min_size=1, max_size=12), st.booleans())
def test_what_pack_packs_unpack_unpacks(drafts: list[Draft], deflate: bool) -> None:
    lines = []
    for seq, draft in enumerate(drafts, 1):
        draft.seq = seq
        lines.append(encode(draft, ORIGIN, GENESIS))
    batch = pack(lines, deflate=deflate)
    assert unpack(batch.body, batch.encoding) == lines
    assert batch.content_type == (ONE_RECORD if len(lines) == 1 else MANY_RECORDS)
    assert (batch.encoding == DEFLATE) == (deflate and sum(map(len, lines)) + len(lines) > COMPRESS_FROM_BYTES)


@given(st.binary(max_size=200), st.sampled_from([None, "", "deflate", "gzip"]))
def test_unpack_raises_nothing_but_rejected(body: bytes, encoding: str | None) -> None:
    try:
        lines = unpack(body, encoding)
    except Rejected:
        return
    assert all(line and b"\n" not in line for line in lines)


@pytest.mark.parametrize("size", [MAX_INFLATED_BYTES, MAX_INFLATED_BYTES + 1])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_inflation_stops_at_the_bound(size: int, level: int) -> None:
    body = zlib.compress(b"x" * size, level)
    if size <= MAX_INFLATED_BYTES:
        assert unpack(body, DEFLATE) == [b"x" * size]
    else:
        with pytest.raises(Rejected, match="beyond"):
            unpack(body, DEFLATE)


def test_a_bomb_is_not_inflated() -> None:
    bomb = zlib.compress(b"\0" * (64 << 20), 9)
    with pytest.raises(Rejected):
        unpack(bomb, DEFLATE)


@given(st.integers(0, 200))
def test_a_cut_stream_is_rejected(cut: int) -> None:
    body = zlib.compress(GOOD * 10)
    with pytest.raises(Rejected):
        unpack(body[: min(cut, len(body) - 1)], DEFLATE)


def test_bytes_behind_the_stream_are_rejected() -> None:
    with pytest.raises(Rejected, match="behind"):
        unpack(zlib.compress(GOOD) + b"more", DEFLATE)


# --- topics


def test_topics_are_read_as_they_are_written() -> None:
    topic = Topics("punchgate/v1", "hq", "edge-01").of("device/lane-1-in")
    assert topic == "punchgate/v1/hq/edge-01/device/lane-1-in"
    assert Topics("punchgate/v1").parse(topic) == ("hq", "edge-01", "device/lane-1-in")
    assert Topics("punchgate/v1").of("records") == "punchgate/v1/+/+/records"


@given(TEXTS)
@example("punchgate/v1/hq/edge-01")
@example("punchgate/v1/HQ/edge-01/records")
@example("punchgate/v10/hq/edge-01/records")
@example("punchgate/v1//edge-01/records")
def test_a_topic_of_somebody_else_is_rejected(topic: str) -> None:
    with pytest.raises(Rejected):
        Topics("punchgate/v1").parse(topic)


# --- receipts

RECEIPT: dict[str, Any] = {"ledger": "7d0e", "receipt": 77, "epoch": ORIGIN.epoch, "through": 5, "seen": 9}


def test_a_receipt_is_read_with_what_it_leaves_out() -> None:
    receipt = read_receipt(compact(RECEIPT | {"missing": [[6, 7]], "sig": "x", "new": {"later": 1}}))
    assert (receipt.through, receipt.seen, receipt.missing, receipt.rejected) == (5, 9, [(6, 7)], [])


@given(JSON)
def test_read_receipt_raises_nothing_but_rejected_for_json(document: object) -> None:
    with pytest.raises(Rejected):
        read_receipt(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_read_receipt_raises_nothing_but_rejected_for_bytes(payload: bytes) -> None:
    with pytest.raises(Rejected):
        read_receipt(payload)


@given(st.sampled_from([*RECEIPT, "missing", "rejected", "service", "time"]), JSON)
def test_read_receipt_raises_nothing_but_rejected_for_one_odd_member(member: str, value: object) -> None:
    try:
        receipt = read_receipt(json.dumps(RECEIPT | {member: value}).encode())
    except Rejected:
        return
    assert receipt.seen >= receipt.through >= 0
    assert all(first <= last for first, last in receipt.missing)


@pytest.mark.parametrize(
    "odd",
    [
        {"through": -1},
        {"through": 5.0},
        {"through": "5"},
        {"through": True},
        {"through": 10},
        {"seen": 2**63},
        {"epoch": ORIGIN.epoch + "\n"},
        {"epoch": "nonsense"},
        {"ledger": ""},
        {"ledger": "x" * 65},
        {"missing": [[7, 6]]},
        {"missing": [[6]]},
        {"missing": [[6, 7, 8]]},
        {"missing": [[6, 7]] * 33},
        {"rejected": [{"seq": 1}]},
        {"rejected": [{"seq": 1, "reason": "x" * 501}]},
    ],
)
def test_a_receipt_that_is_not_one_is_rejected(odd: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        read_receipt(compact(RECEIPT | odd))


def test_deep_json_is_no_receipt() -> None:
    with pytest.raises(Rejected):
        read_receipt(b'{"ledger":' + b"[" * 100_000)
