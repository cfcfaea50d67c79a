"""What must hold for any bytes in any driver. An input is four bytes of plan, then the stream; see Plan."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from drivers import registry
from drivers.captures import Capture, load
from drivers.contract import START, Command, Driver, DriverSpec
from drivers.events import BadFrame, Event, Incomplete
from drivers.framing import FrameStream
from drivers.redaction import FILLER, rewrite
from drivers.registry import make_options

TESTS = Path(__file__).parent.parent
REPEATED_BYTES = 600
"""A stream is repeated up to so many."""
QUIET_S = 60.0
PLAN_BYTES = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How an input is fed: the index of its options, how often its stream is repeated, two sizes of pieces."""

    options: int
    repeats: int
    sizes: tuple[int, int]

    @classmethod
    def of(cls, data: bytes) -> Plan:
        """Read it from the first PLAN_BYTES bytes."""
        options, repeats, *sizes = data[:PLAN_BYTES]
        return cls(options, max(1, repeats - 191), (sizes[0] + 1, sizes[1] + 1))

    def stream(self, data: bytes) -> bytes:
        """What is fed."""
        return data if len(data) > REPEATED_BYTES else (data * self.repeats)[:REPEATED_BYTES]

    def pieces(self, stream: bytes) -> list[bytes]:
        """The stream in pieces of the two sizes by turns."""
        cuts: list[bytes] = []
        start = 0
        for size in cycle(self.sizes):
            if start >= len(stream):
                return cuts
            cuts.append(stream[start : start + size])
            start += size
        return cuts


class Target:
    """One driver on trial, with all options that its captures know."""

    def __init__(self, spec: DriverSpec, captures: Sequence[Capture]) -> None:
        self.spec = spec
        known = {json.dumps(capture.options): capture.options for capture in captures}
        self._options: list[Any] = [make_options(spec, values) for values in known.values()]
        keys = list(known)
        self._captures = [(keys.index(json.dumps(capture.options)), capture.data) for capture in captures]

    def seeds(self, vectors: Sequence[bytes] = ()) -> Iterator[bytes]:
        """The captures as inputs, whole and in small pieces; vectors with each set of options."""
        streams = self._captures + [(index, data) for data in vectors for index in range(len(self._options))]
        for index, data in streams:
            yield bytes([index, 0, 255, 255]) + data
            yield bytes([index, 0, 0, 2]) + data

    def examine(self, data: bytes) -> None:
        """Raise what a driver raises, or an AssertionError that says what it does wrong."""
        if len(data) <= PLAN_BYTES:
            return
        plan = Plan.of(data)
        options = self._options[plan.options % len(self._options)]
        stream = plan.stream(data[PLAN_BYTES:])
        driver = self.spec.new(options)
        whole = _told(driver, [stream])
        _check_events(whole, stream)
        _check_silence(driver)
        assert _told(self.spec.new(options), plan.pieces(stream)) == whole, "another split, other events"
        assert _told(driver, [stream]) == whole, "it remembers what it was fed before close"
        _let_time_pass(self.spec.new(options), plan.pieces(stream))
        if self.spec.asks:
            driver.send(Command(START), 0.0)
            _let_time_pass(driver, plan.pieces(stream))
        if self.spec.redact_with(options) is not None:
            blank = rewrite(self.spec.new(options), stream, lambda frame: bytes([FILLER]) * len(frame))
            assert len(blank) == len(stream), "its frames overlap"


def target(name: str) -> Target:
    """The registered driver `name` with its captures."""
    return Target(registry.find(name), load(TESTS / "captures" / name))


def _told(driver: Driver, pieces: Sequence[bytes]) -> list[Event]:
    """All that is told of pieces that arrive at one instant, to the end of the input."""
    events: list[Event] = []
    for piece in pieces:
        events += driver.feed(piece, 0.0)
        _check_buffer(driver)
    return events + driver.close()


def _check_events(events: list[Event], stream: bytes) -> None:
    refused = sum(event.bytes for event in events if isinstance(event, (BadFrame, Incomplete)))
    assert refused <= len(stream), f"{refused} bytes are refused of {len(stream)}"
    for event in events:
        json.dumps(event.as_dict(), allow_nan=False)


def _check_buffer(driver: Driver) -> None:
    """What waits is never a whole frame's most."""
    stream = driver if isinstance(driver, FrameStream) else getattr(driver, "stream", None)
    if isinstance(stream, FrameStream):
        assert len(stream._buffer) < stream._max_bytes, "more waits than one frame can have"


def _check_silence(driver: Driver) -> None:
    """Nothing is left after close."""
    assert driver.next_poll() is None, "it waits for something after close"
    assert not driver.poll(QUIET_S), "it speaks after close"
    assert not driver.commands(), "it asks after close"
    assert not driver.close(), "it speaks at a second close"


def _let_time_pass(driver: Driver, pieces: Sequence[bytes]) -> None:
    """Pieces with silences between them, long ones and short ones; polled when it wants to be."""
    at, refused = 0.0, 0
    for number, piece in enumerate(pieces[:200]):
        at += 0.03 if number % 5 else 3.0
        events = driver.feed(piece, at)
        if (due := driver.next_poll()) is not None:
            events += driver.poll(max(at, due))
        driver.commands()
        _check_buffer(driver)
        refused += sum(event.bytes for event in events if isinstance(event, BadFrame))
    assert refused <= sum(map(len, pieces)), "more bytes are refused than came"
    driver.close()
    _check_silence(driver)
