"""Find the frames in a stream of bytes, and account for every byte that belongs to none.

A family's decoder is a *judge*: it looks at the bytes behind one position and says what begins there. The stream
does the rest: it keeps what still waits, walks on, times out, and adds up what was refused.

The hard idea is that any split of the same bytes must give the same events. Two rules carry it. A judge answers
None until its answer can no longer change with more bytes. And refused bytes are collected in a *run* which is told
only when it is over: noise ends at the next frame, at a silence or at the end of the input; a refused frame owns the
bytes it claimed, except where a frame that begins inside them turns out to be good. So a false start never swallows
the good frame behind it (the search goes on one byte further), every byte is counted once, and a burst of noise is
one event however it arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from drivers.contract import Command
from drivers.events import BadFrame, Event, Flaw, Incomplete

GAP_S = 0.5
SLICE_BYTES = 4096


@dataclass(slots=True)
class Good:
    """A valid frame of `size` bytes and what it says."""

    size: int
    events: tuple[Event, ...]


@dataclass(slots=True)
class Bad:
    """A frame of `size` bytes that is refused; the search goes on `advance` bytes further."""

    size: int
    flaw: Flaw
    advance: int = 1


@dataclass(slots=True)
class Noise:
    """`size` bytes in which no frame begins."""

    size: int


@dataclass(slots=True)
class Quiet:
    """`size` bytes that may stand between frames without being noise: the second half of CR LF, empty lines."""

    size: int


Verdict = Good | Bad | Noise | Quiet
"""Made once for each candidate and read at once: frozen ones would take three times as long to make."""

Judge = Callable[[bytearray, int, int, float], Verdict | None]
"""(data, start, stop, at): judge the bytes data[start:stop] that arrived until `at`; None: wait for more.

`stop` is at most the stream's `max_bytes` behind `start`, so an answer cannot depend on how much came at once.
"""

Resync = Callable[[bytearray, int], int | None]
"""(data, start): position behind the next line end at or after `start`; None: there is none yet. It looks for one
byte only, since what it has seen is dropped."""


def check_gap(gap_s: float) -> None:
    """Refuse an impossible inter-byte gap, in seconds (ValueError)."""
    if not 0.0 < gap_s <= 60.0:
        raise ValueError(f"gap_s: {gap_s} is not between 0 and 60 seconds")


@dataclass(slots=True)
class Edge:
    """Whether the bytes to be judged stand behind a valid frame, a silence or nothing at all: none is refused there.

    The stream writes it, a judge that knows more there may read it. It is the same however the bytes arrived.
    """

    holds: bool = True


class FrameStream:
    """The driver of a line that only talks to us: bytes in, a judge's verdicts out as events.

    `max_bytes` bounds one frame and so the buffer; `gap_s` is the silence (seconds) after which a partial frame is
    given up. Families without a start byte give `resync`: what follows an endless line is dropped up to its end.
    `forget` is called on reset by families with a memory of their own. `at_silence` may say that what waits when the
    line falls silent is whole: a frame that has no end. `on_frame`, if set, is told where each valid frame lay: its
    first byte, counted from the last reset, and its size. `edge` is kept for the judge.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        max_bytes: int,
        gap_s: float = GAP_S,
        resync: Resync | None = None,
        forget: Callable[[], None] | None = None,
        edge: Edge | None = None,
        at_silence: Callable[[bytes], Good | None] | None = None,
    ) -> None:
        self._judge = judge
        self._max_bytes = max_bytes
        self._gap_s = gap_s
        self._resync = resync
        self._forget = forget
        self._edge = edge or Edge()
        self._at_silence = at_silence
        self.on_frame: Callable[[int, int], None] | None = None
        self._last_at = 0.0
        self._buffer = bytearray()
        self._clear()

    def _clear(self) -> None:
        self._buffer.clear()
        self._passed = 0  # bytes that have left the buffer
        self._flaw: Flaw = "noise"
        self._refused = 0  # bytes in the run that is open
        self._claimed = 0  # bytes still ahead that belong to the frame refused last
        self._drowned = False  # inside an endless line
        self._edge.holds = True

    def feed(self, data: bytes, at: float) -> list[Event]:
        """Take bytes that arrived at `at`; return the events they complete."""
        events = self.poll(at)
        if data:
            self._last_at = at
        for start in range(0, len(data), SLICE_BYTES):
            self._buffer += data[start : start + SLICE_BYTES]
            self._scan(events)
        return events

    def poll(self, at: float) -> list[Event]:
        """Give up partial frames, and tell the noise run, when the line has been silent for the gap."""
        events: list[Event] = []
        deadline = self.next_poll()
        if deadline is not None and at >= deadline:
            self._scan(events, silent=True)
            self._tell(events)
            self._drowned, self._edge.holds = False, True
        return events

    def next_poll(self) -> float | None:
        """End of the gap while anything is unfinished."""
        return self._last_at + self._gap_s if self._buffer or self._refused else None

    def is_mid_frame(self) -> bool:
        """Whether bytes of a begun frame wait for their rest."""
        return bool(self._buffer)

    def send(self, command: Command, at: float) -> None:
        """A line that only talks takes no orders."""

    def commands(self) -> list[bytes]:
        """Nothing is ever written to this line."""
        return []

    def close(self) -> list[Event]:
        """Tell the open run, then how many bytes wait for more; a good frame inside them is still found."""
        events = self._hidden()
        if not events:
            waiting = len(self._buffer)
            if waiting <= self._claimed:
                self._refused, waiting = self._refused + waiting, 0
            self._tell(events)
            events += [Incomplete(bytes=waiting)] if waiting else []
        self.reset()
        return events

    def reset(self) -> None:
        """Forget everything."""
        self._clear()
        if self._forget is not None:
            self._forget()

    def _hidden(self) -> list[Event]:
        """What a silence would bring out of the waiting bytes if they hide a good frame; else nothing, unchanged."""
        before = bytes(self._buffer), self._passed, self._flaw, self._refused, self._claimed
        events: list[Event] = []
        if len(before[0]) > 1:
            self._scan(events, silent=True)
            self._tell(events)
        if any(not isinstance(event, BadFrame) for event in events):
            return events
        waiting, self._passed, self._flaw, self._refused, self._claimed = before
        self._buffer[:] = waiting
        return []

    def _scan(self, events: list[Event], *, silent: bool = False) -> None:
        data, start, end = self._buffer, 0, len(self._buffer)
        while start < end:
            if self._drowned:
                start = self._drain(start, events)
                continue
            stop = min(end, start + self._max_bytes)
            verdict = self._judge(data, start, stop, self._last_at)
            if verdict is None and silent and self._at_silence is not None:
                verdict = self._at_silence(bytes(data[start:stop]))
            if verdict is None:
                verdict = self._give_up(stop - start, silent)
                if verdict is None:
                    break
            if self.on_frame is not None and isinstance(verdict, Good):
                self.on_frame(self._passed + start, verdict.size)
            start += self._take(verdict, events)
        del data[:start]
        self._passed += start

    def _give_up(self, size: int, silent: bool) -> Bad | None:
        """The verdict over a candidate that would wait for ever."""
        if size < self._max_bytes:
            advance = 1 if self._resync is None else size
            return Bad(size, "length", advance) if silent else None
        if self._resync is None:
            return Bad(size, "overflow")
        self._drowned = True
        return Bad(size, "overflow", 0)

    def _drain(self, start: int, events: list[Event]) -> int:
        """Drop an endless line; return where the next one begins."""
        assert self._resync is not None
        end = self._resync(self._buffer, start)
        self._refused += (len(self._buffer) if end is None else end) - start
        if end is None:
            return len(self._buffer)
        self._drowned = False
        self._tell(events)
        return end

    def _take(self, verdict: Verdict, events: list[Event]) -> int:
        """Act on a verdict; return how far to walk."""
        size = verdict.size
        if isinstance(verdict, Good):
            self._tell(events)
            events += verdict.events
            self._edge.holds = True
            return size
        if isinstance(verdict, Bad):
            if size > self._claimed:
                self._tell(events)
                self._flaw, self._claimed = verdict.flaw, 0 if self._drowned else size
            size = verdict.advance
        elif isinstance(verdict, Quiet) and not self._claimed:
            return size
        self._edge.holds = False
        self._refuse(size, events)
        return size

    def _refuse(self, size: int, events: list[Event]) -> None:
        """Count `size` bytes: first to the frame that claimed them, the rest to a noise run."""
        if not self._claimed:
            self._refused += size
        elif size < self._claimed:
            self._refused += size
            self._claimed -= size
        else:
            beyond = size - self._claimed
            self._refused += self._claimed
            self._tell(events)
            self._refused = beyond

    def _tell(self, events: list[Event]) -> None:
        """Close the open run."""
        if self._refused:
            events.append(BadFrame(flaw=self._flaw, bytes=self._refused))
        self._flaw, self._refused, self._claimed = "noise", 0, 0
