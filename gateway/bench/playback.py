"""A recording played as a port: what the device said, in its own time, to whoever opens the other end.

Where the recording holds questions (`tx`), their answers wait until the host has asked something, so that a driver
that asks gets an answer to each question and not all of them at once; they do not wait for ever.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.bench.recording import Recording
from gateway.clock import Clock
from gateway.simulation.pty import Pty
from gateway.wire import timestamp

PATIENCE_S = 5.0
POLL_S = 0.005
PIECE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Cue:
    """Bytes to play `after_s` seconds after what was before; `is_answer`: not before the host has written."""

    after_s: float
    data: bytes
    is_answer: bool


def cues(recording: Recording) -> Iterator[Cue]:
    """What to play, one after another."""
    last, asked = 0.0, False
    for piece in recording.pieces:
        if piece.dir == "tx":
            last, asked = piece.t, True
            continue
        yield Cue(max(0.0, piece.t - last), piece.data, asked)
        last, asked = piece.t, False


def play(recording: Recording, port: Pty, say: Callable[[str], None], *, speed: float = 1.0) -> None:
    """Play once; says one JSON object for each chunk: how much of it the port took."""
    clock = Clock()
    for cue in cues(recording):
        waited = not cue.is_answer or _host_has_written(port)
        time.sleep(cue.after_s / speed)
        taken = sum(
            len(data)
            for start in range(0, len(cue.data), PIECE_BYTES)
            if port.write(data := cue.data[start : start + PIECE_BYTES])
        )
        report: dict[str, object] = {"time": timestamp(clock.unix_ms())}
        report |= {"sent": "answer" if cue.is_answer else "chunk", "bytes": len(cue.data), "taken": taken}
        say(json.dumps(report if waited else report | {"asked": False}))


def _host_has_written(port: Pty) -> bool:
    """Wait for a question; False: none came."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if port.received():
            return True
        time.sleep(POLL_S)
    return False
