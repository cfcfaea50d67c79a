"""A simulated port that knows what became of every frame: written when, and taken off the wire when.

The kernel counts the bytes nobody has read (FIONREAD). What was written less what waits has been read, so a frame is
*taken* as soon as its last byte is no longer among those that wait. The count lags behind a write by the kernel's own
hand-over, so a mark may be taken back by a later look; after a reader's death the count stands still and is exact.

Only two things may excuse a frame that never arrives: it was in the hand of a process when that was killed, or it was
on the line when the plug was pulled. Such frames are marked here, at that moment, from what the kernel says.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from gateway.simulation.pty import Pty

IN_HAND_S = 0.1
"""How long a frame may be in a daemon's hand, from the read to the end of the commit."""

WAITED_S = 0.1

Fate = Literal["", "hand", "plug"]


@dataclass(slots=True)
class Frame:
    """What was presented (a card number, or a direction) and its life in unix time, s.

    `held_s`: how long it had been taken when its reader was killed.
    """

    what: str
    at: float
    end: int
    taken_at: float | None = None
    fate: Fate = ""
    held_s: float = 0.0

    @property
    def had_waited(self) -> bool:
        """Whether it was read together with others that had waited in the kernel, long after it was written."""
        return self.taken_at is not None and self.taken_at - self.at > WAITED_S


class Wire:
    """A device's end of one port."""

    def __init__(self, name: str, port: Pty) -> None:
        self.name, self.port = name, port
        self.frames: list[Frame] = []
        self.refused = 0
        self._lock = threading.RLock()
        self._written = 0
        self._start = self._next = 0

    def put(self, what: str, data: bytes) -> bool:
        """Write one frame; False if the port does not take it: then nobody has presented anything."""
        with self._lock:
            if not self.port.write(data):
                self.refused += 1
                return False
            self._written += len(data)
            self.frames.append(Frame(what, time.time(), self._written))
            self.look()
            return True

    def disturb(self, data: bytes) -> None:
        """Bytes that are no frame."""
        with self._lock:
            if self.port.write(data):
                self._written += len(data)

    def look(self) -> None:
        """Note what has been read by now."""
        with self._lock:
            now, read = time.time(), self._written - self.port.unread()
            while self._next > self._start and self.frames[self._next - 1].end > read:
                self._next -= 1
                self.frames[self._next].taken_at = None
            while self._next < len(self.frames) and self.frames[self._next].end <= read:
                self.frames[self._next].taken_at = now
                self._next += 1

    def killed(self, at: float, hand_s: float = IN_HAND_S) -> None:
        """The reader is dead since `at`: what it had taken shortly before may have been in its hand."""
        with self._lock:
            self.look()
            for frame in self.frames[self._start : self._next]:
                if frame.taken_at is not None and frame.taken_at > at - hand_s:
                    frame.fate, frame.held_s = frame.fate or "hand", max(0.0, at - frame.taken_at)
            if self._next < len(self.frames) and self._begun(self.frames[self._next]):
                self.frames[self._next].fate = self.frames[self._next].fate or "hand"

    def unplug(self) -> None:
        """Pull the plug; what had not surely been read goes with it."""
        with self._lock:
            self.look()
            now = time.time()
            for frame in self.frames[self._start :]:
                if frame.taken_at is None or frame.taken_at > now - IN_HAND_S:
                    frame.fate = frame.fate or "plug"
            self.port.unplug()
            self._written = 0
            self._start = self._next = len(self.frames)

    def plug(self) -> None:
        with self._lock:
            self.port.plug()

    def drained(self) -> bool:
        """Whether everything on this line has been read."""
        with self._lock:
            self.look()
            return self._next == len(self.frames) and not self.port.unread()

    def _begun(self, frame: Frame) -> bool:
        """Whether some bytes of a waiting frame are gone already."""
        before = self.frames[self._next - 1].end if self._next > self._start else 0
        return before < self._written - self.port.unread() < frame.end
