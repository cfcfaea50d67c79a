"""A recording as a test: the pair NAME.hex and NAME.json that the drivers' contract suite runs (drivers.captures)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from drivers.captures import said
from drivers.contract import DriverSpec
from gateway.bench.evidence import decoded
from gateway.bench.recording import Recording

HEX_BYTES_A_LINE = 32


def hex_text(recording: Recording) -> str:
    """The bytes as hex digits, a line or more for each chunk, with comments that say when and whose."""
    return "\n".join(_hex_lines(recording)) + "\n"


def events_text(recording: Recording, spec: DriverSpec, settings: Mapping[str, object], options: Any) -> str:
    """What the bytes mean, taken as the suite takes them: all at one instant."""
    data = b"".join(piece.data for piece in recording.pieces)
    events = ",\n".join(
        f" {json.dumps(event, ensure_ascii=False)}" for event in said(decoded(spec.new(options), [(0.0, data)]))
    )
    told = f"[\n{events}\n]" if events else "[]"
    if settings:
        told = f'{{"options": {json.dumps(dict(settings), ensure_ascii=False)}, "events": {told}}}'
    return told + "\n"


def _hex_lines(recording: Recording) -> Iterator[str]:
    cards = "card numbers replaced" if recording.redacted else "card numbers as they are"
    yield f"# {recording.driver}, {recording.baud} baud, recorded {recording.started[:10]}, {cards}"
    for piece in recording.pieces:
        whose = "" if piece.dir == "rx" else ", from the host"
        for start in range(0, len(piece.data), HEX_BYTES_A_LINE):
            row = piece.data[start : start + HEX_BYTES_A_LINE].hex(" ").upper()
            yield row if start else f"{row}  # {piece.t:.3f} s{whose}"
