"""The capture file: what went over one line, as text that people can read and compare.

    {"punchgate": "capture", "version": 1, "driver": "em4100", "baud": 9600, "options": {}, "redacted": true,
     "started": "2026-11-23T00:31:07.412Z", "chunks": 2}                                      (on one line)
    {"t": 0.0, "dir": "rx", "hex": "0236373030334235314336434203"}
    {"t": 1.204, "dir": "rx", "hex": "0236373030334241383643393803"}

`t` is seconds since `started`, `rx` came from the device, `tx` was sent to it. `chunks` says how many lines follow,
so that a file that was cut is noticed. Fixtures of tests/captures (`.hex`, hex digits with `#` comments) and plain
bytes are read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gateway.bench.evidence import Chunk
from gateway.errors import PunchgateError

VERSION = 1
LINE_S = 0.05
"""Between two lines of a fixture, which says nothing of time."""


class NoRecording(PunchgateError):
    """The file is no capture, or it was cut; the message names the line."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that went over the line `t` seconds after the beginning, from the device (rx) or to it (tx)."""

    t: float
    dir: Literal["rx", "tx"]
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """A capture file's content. `driver` empty: not known."""

    pieces: tuple[Piece, ...]
    driver: str = ""
    baud: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    redacted: bool = False
    started: str = ""

    @property
    def received(self) -> list[Chunk]:
        """What the device sent, and when."""
        return [(piece.t, piece.data) for piece in self.pieces if piece.dir == "rx"]

    @property
    def both_ways(self) -> list[Chunk]:
        """Everything on the line, as a listener on a bus would hear it."""
        return [(piece.t, piece.data) for piece in self.pieces]

    @property
    def is_talk(self) -> bool:
        """Whether anything was sent to the device."""
        return any(piece.dir == "tx" for piece in self.pieces)


def lines(recording: Recording) -> Iterable[str]:
    """The file's lines."""
    yield json.dumps(
        {
            "punchgate": "capture",
            "version": VERSION,
            "driver": recording.driver,
            "baud": recording.baud,
            "options": dict(recording.options),
            "redacted": recording.redacted,
            "started": recording.started,
            "chunks": len(recording.pieces),
        },
        ensure_ascii=False,
    )
    for piece in recording.pieces:
        yield json.dumps({"t": round(piece.t, 4), "dir": piece.dir, "hex": piece.data.hex().upper()})


def read_recording(path: Path) -> Recording:
    """A capture, a fixture (`.hex`) or plain bytes. NoRecording: it says it is a capture, and is damaged."""
    raw = _read(path)
    if raw.lstrip().startswith(b"{"):
        return read_capture(path)
    if path.suffix == ".hex":
        return _fixture(path, raw)
    return Recording((Piece(0.0, "rx", raw),))


def read_capture(path: Path) -> Recording:
    """A capture file or fixture, nothing else. NoRecording says what is wrong in which line."""
    raw = _read(path)
    if path.suffix == ".hex":
        return _fixture(path, raw)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _no(path, 1, "is not text; a capture is made with `punchgate capture`") from None
    header, *rest = text.splitlines() or [""]
    head = _header(path, header)
    told = head["chunks"]
    pieces = tuple(_piece(path, number, line, is_last=number == len(rest) + 1) for number, line in enumerate(rest, 2))
    if isinstance(told, int) and len(pieces) < told:
        raise NoRecording(f"{path}: it was cut: {len(pieces)} of {told} chunks are there", remedy="copy it again")
    options = head["options"] if isinstance(head["options"], dict) else {}
    baud = head["baud"] if isinstance(head["baud"], int) else None
    return Recording(pieces, str(head["driver"]), baud, options, bool(head["redacted"]), str(head["started"]))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoRecording(f"{path}: {error.strerror or error}") from error


def _header(path: Path, line: str) -> dict[str, object]:
    head = _object(line)
    if head is None or head.get("punchgate") != "capture":
        raise _no(path, 1, "is not the beginning of a capture; one is made with `punchgate capture`")
    if head.get("version") != VERSION:
        raise _no(path, 1, f"has version {head.get('version')}; this program reads version {VERSION}")
    return {"driver": "", "baud": None, "options": {}, "redacted": False, "started": "", "chunks": None} | head


def _piece(path: Path, number: int, line: str, *, is_last: bool) -> Piece:
    told = _object(line)
    if told is None and is_last:
        raise _no(path, number, "was cut")
    match told:
        case {"t": int() | float() as t, "dir": "rx" | "tx" as way, "hex": str() as digits} if t >= 0:
            try:
                return Piece(float(t), way, bytes.fromhex(digits))
            except ValueError:
                raise _no(path, number, "its hex is no pairs of hex digits") from None
    raise _no(path, number, 'is not {"t": seconds, "dir": "rx" or "tx", "hex": "…"}')


def _object(line: str) -> dict[str, object] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _fixture(path: Path, raw: bytes) -> Recording:
    pieces: list[Piece] = []
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), 1):
        digits = line.partition("#")[0].strip()
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            raise _no(path, number, "is not hex digits with # comments") from None
        if data:
            pieces.append(Piece(len(pieces) * LINE_S, "rx", data))
    return Recording(tuple(pieces), path.parent.name)


def _no(path: Path, number: int, problem: str) -> NoRecording:
    return NoRecording(f"{path}: line {number}: {problem}")
