"""The bytes both ends share: one line for one record, batches of lines, topics, receipts.

A line is made once, by `encode`, in the transaction that gives the record its number; from then on it is only
copied and hashed. `read_line` is the other end: it believes nothing and names what is wrong (`Rejected`).
A batch is lines joined by a newline; with content-encoding `deflate` it is one zlib stream, and inflation is bounded.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import Rejected
from gateway.records import Draft, type_of

GENESIS = "0" * 64
ONE_RECORD = "application/cloudevents+json"
MANY_RECORDS = "application/x-ndjson"
DEFLATE = "deflate"
MAX_INFLATED_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_MISSING_RANGES = 32
MAX_HEADS = 8
COMPRESS_FROM_BYTES = 4096

_NAME = re.compile(r"[a-z0-9-]{1,32}")
_EPOCH = re.compile(r"[0-9a-f]{16}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TYPE = re.compile(r"punchgate(\.[a-z0-9_]{1,40}){1,4}\.v[0-9]{1,4}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")


# --- one record


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose records they are; the part of every line that does not change within an epoch."""

    site: str
    gateway: str
    timezone: str
    epoch: str

    def offset_at(self, time_ms: int) -> str:
        """UTC offset of the site at that instant, as `+08:00`."""
        text = datetime.fromtimestamp(time_ms // 1000, ZoneInfo(self.timezone)).strftime("%z")
        return f"{text[:3]}:{text[3:5]}"

    def device_clock(self, device_time: str, time_ms: int) -> dict[str, object]:
        """A device's own reading of that instant, its lead over the site's local time; None: 30 February, no date."""
        here = datetime.fromtimestamp(time_ms / 1000, ZoneInfo(self.timezone)).replace(tzinfo=None)
        try:
            ahead_ms = round((datetime.fromisoformat(device_time).replace(tzinfo=None) - here).total_seconds() * 1000)
        except ValueError:
            return {"time": device_time, "offset_ms": None}
        return {"time": device_time, "offset_ms": ahead_ms}


def timestamp(time_ms: int) -> str:
    """RFC 3339, UTC, milliseconds: 2026-11-23T00:31:07.412Z."""
    seconds, ms = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def compact(message: object) -> bytes:
    """JSON as it goes over the wire: UTF-8, no spaces. Half a surrogate pair, which has no bytes, becomes `?`."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def line_hash(line: bytes) -> str:
    """SHA-256 of the line's bytes, hex: the `prev` of the next line."""
    return hashlib.sha256(line).hexdigest()


def encode(draft: Draft, origin: Origin, prev: str) -> bytes:
    """The one line of a numbered draft."""
    body, moment, seq = draft.body, draft.moment, draft.seq
    source = f"/{origin.site}/{origin.gateway}"
    data: dict[str, object] = {"seq": seq, "epoch": origin.epoch, "prev": prev, "site": origin.site}
    data |= body.words()
    data |= {
        "live": moment.live,
        "tz": origin.timezone,
        "tz_offset": origin.offset_at(moment.time_ms),
        "clock": moment.words(),
    }
    if moment.device_time is not None:
        told = origin.device_clock(moment.device_time, moment.time_ms)
        data["device_clock"] = told | {"error_ms": moment.device_error_ms}
    return compact(
        {
            "specversion": "1.0",
            "id": f"{origin.site}/{origin.gateway}/{origin.epoch}/{seq}",
            "source": source if body.device is None else f"{source}/{body.device}",
            "type": f"punchgate.{type_of(body)}.v1",
            "time": timestamp(moment.time_ms),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A record as the centre got it: its name, its place in the chain, the bytes unchanged, the parsed data."""

    site: str
    gateway: str
    epoch: str
    seq: int
    prev: str
    type: str
    time: str
    raw: bytes
    data: dict[str, Any]


def read_line(raw: bytes) -> Line:
    """Parse one line. Raises Rejected with a reason; never anything else, whatever the bytes."""
    if len(raw) > MAX_LINE_BYTES:
        raise Rejected(f"line of {len(raw)} bytes, at most {MAX_LINE_BYTES} are taken")
    event = _json(raw)
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict) or event.get("specversion") != "1.0":
        raise Rejected("not a CloudEvents 1.0 record with data")
    site, gateway = _source(event.get("source"))
    epoch, seq, prev = data.get("epoch"), data.get("seq"), data.get("prev")
    if not (isinstance(epoch, str) and _EPOCH.fullmatch(epoch)):
        raise Rejected("epoch is not 16 hex digits")
    if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq < 2**63:
        raise Rejected("seq is not a positive number")
    if not (isinstance(prev, str) and _HASH.fullmatch(prev)):
        raise Rejected("prev is not a SHA-256 in hex")
    if event.get("id") != f"{site}/{gateway}/{epoch}/{seq}" or data.get("site") != site:
        raise Rejected("id, source and data name different records")
    kind, time = event.get("type"), event.get("time")
    if not (isinstance(kind, str) and _TYPE.fullmatch(kind)):
        raise Rejected("type is not punchgate.….vN")
    if not (isinstance(time, str) and _TIME.fullmatch(time)):
        raise Rejected("time is not RFC 3339")
    return Line(site, gateway, epoch, seq, prev, kind, time, raw, data)


def _json(raw: bytes) -> Any:
    """UTF-8 JSON whose strings can be written again; json.loads alone takes UTF-16, NaN and halves of surrogates."""
    try:
        event = json.loads(raw.decode(), parse_constant=_no_number)
        if b"\\u" in raw:
            json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Rejected("not a JSON line") from error
    return event


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _source(source: object) -> tuple[str, str]:
    parts = source.split("/") if isinstance(source, str) else []
    if len(parts) not in (3, 4) or parts[0] or not all(_NAME.fullmatch(part) for part in parts[1:3]):
        raise Rejected("source is not /site/gateway[/device]")
    return parts[1], parts[2]


# --- batches


@dataclass(frozen=True, slots=True)
class Batch:
    """A message body with what MQTT 5 says about it."""

    body: bytes
    content_type: str
    encoding: str | None


def pack(lines: Sequence[bytes], *, deflate: bool) -> Batch:
    """Join lines into one message; compress when asked and when it is worth it."""
    body = b"\n".join(lines)
    content_type = ONE_RECORD if len(lines) == 1 else MANY_RECORDS
    if deflate and len(body) >= COMPRESS_FROM_BYTES:
        return Batch(zlib.compress(body, 1), content_type, DEFLATE)
    return Batch(body, content_type, None)


def unpack(body: bytes, encoding: str | None) -> list[bytes]:
    """The lines of a message. Raises Rejected; inflation stops at MAX_INFLATED_BYTES."""
    if encoding == DEFLATE:
        body = _inflate(body)
    elif encoding:
        raise Rejected(f"content-encoding {encoding!r} is not known")
    if len(body) > MAX_INFLATED_BYTES:
        raise Rejected(f"message of {len(body)} bytes, at most {MAX_INFLATED_BYTES} are taken")
    return [line for line in body.split(b"\n") if line]


def _inflate(body: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(body, MAX_INFLATED_BYTES + 1)
    except zlib.error as error:
        raise Rejected("damaged deflate stream") from error
    if len(inflated) > MAX_INFLATED_BYTES or not inflater.eof:
        raise Rejected(f"deflate stream is cut or inflates beyond {MAX_INFLATED_BYTES} bytes")
    if inflater.unused_data:
        raise Rejected("bytes behind the deflate stream")
    return inflated


# --- topics


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway; with site and gateway `+`, the centre's filters."""

    prefix: str
    site: str = "+"
    gateway: str = "+"

    def of(self, leaf: str) -> str:
        """`{prefix}/{site}/{gateway}/{leaf}`."""
        return f"{self.prefix}/{self.site}/{self.gateway}/{leaf}"

    def parse(self, topic: str) -> tuple[str, str, str]:
        """Site, gateway and leaf of a topic under the prefix. Raises Rejected."""
        parts = topic.removeprefix(self.prefix + "/").split("/", 2)
        named = len(parts) == 3 and all(_NAME.fullmatch(part) for part in parts[:2])
        if not topic.startswith(self.prefix + "/") or not named:
            raise Rejected("topic is not one of a gateway's")
        return parts[0], parts[1], parts[2]


# --- receipts

Seq = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Range = tuple[Seq, Seq]


class Refusal(BaseModel):
    """One record the centre will never take, and why."""

    seq: Seq
    reason: str = Field(max_length=500)


class Head(BaseModel):
    """A record the ledger holds, by the hash of its line; who has another line there is not the only one."""

    model_config = ConfigDict(frozen=True)

    seq: Annotated[int, Field(strict=True, ge=1, lt=2**63)]
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")


class Receipt(BaseModel):
    """What the centre has committed of one epoch of one gateway; see CONTRACT section 4 for the meaning."""

    model_config = ConfigDict(extra="allow", frozen=True)

    ledger: str = Field(min_length=1, max_length=64)
    receipt: Seq
    epoch: str = Field(pattern=r"^[0-9a-f]{16}$")
    through: Seq
    missing: list[Range] = Field(default_factory=list, max_length=MAX_MISSING_RANGES)
    seen: Seq
    rejected: list[Refusal] = Field(default_factory=list, max_length=1000)
    heads: list[Head] = Field(default_factory=list, max_length=MAX_HEADS)
    service: str = Field(default="", max_length=64)
    time: str = Field(default="", max_length=40)


def read_receipt(payload: bytes) -> Receipt:
    """Parse a receipt. Raises Rejected with the first thing that is wrong."""
    try:
        receipt = Receipt.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise Rejected(f"receipt: {where}: {first['msg']}") from error
    if receipt.seen < receipt.through or any(first > last for first, last in receipt.missing):
        raise Rejected("receipt contradicts itself: seen below through, or a range that ends before its start")
    return receipt
