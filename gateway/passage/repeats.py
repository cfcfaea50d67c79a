"""One card held at the reader is many frames and one read.

A run is what one device says of one card without a pause longer than the window; the window slides, so a card left
lying on the reader is one run however long it lies there. A change of the reader's verdict (denied, then granted)
is news and begins a run of its own. Runs end in the order of their last frames, so the oldest is always in front.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass

from gateway.clock import Moment
from gateway.passage.evidence import Read
from gateway.records import CredentialRepeated, Draft
from gateway.wire import timestamp

MAX_RUNS = 1024

Key = tuple[str, str | None, bool]
"""Device, token, whether the device said no."""


@dataclass(slots=True)
class Run:
    """A presentation under way: its read, the last frame's moment, when it is over (monotonic seconds)."""

    read: Read
    last: Moment
    due: float


class Repeats:
    """The runs of one lane; `window_s` 0 keeps none."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._runs: OrderedDict[Key, Run] = OrderedDict()

    def __len__(self) -> int:
        return len(self._runs)

    def due(self) -> float | None:
        """When the oldest run ends, in monotonic seconds."""
        return next(iter(self._runs.values())).due if self._runs else None

    def again(self, key: Key, moment: Moment) -> bool:
        """Whether this frame continues a run; if so it is counted and the window slides."""
        run = self._runs.get(key)
        if run is None:
            return False
        run.read.repeats += 1
        run.last, run.due = moment, moment.mono + self._window_s
        self._runs.move_to_end(key)
        return True

    def begin(self, key: Key, read: Read) -> list[Draft]:
        """Start a run; says how the oldest one ended if there are too many."""
        if self._window_s <= 0:
            return []
        moment = read.draft.moment
        self._runs[key] = Run(read, moment, moment.mono + self._window_s)
        return self.end_oldest() if len(self._runs) > MAX_RUNS else []

    def end_oldest(self) -> list[Draft]:
        """Forget the oldest run and sum it up, if it had any repeats."""
        (device, _, _), run = self._runs.popitem(last=False)
        if not run.read.repeats:
            return []
        until = timestamp(run.last.time_ms)
        repeated = CredentialRepeated(device=device, read=run.read.draft, count=run.read.repeats, until=until)
        return [Draft(repeated, run.last)]

    def hand_over(self, other: Repeats, devices: Container[str]) -> list[Draft]:
        """The runs of these devices go on there; says how the others ended."""
        ended: list[Draft] = []
        while self._runs:
            key, run = next(iter(self._runs.items()))
            if other._window_s > 0 and key[0] in devices:
                other._runs[key] = self._runs.pop(key)
                run.due = run.last.mono + other._window_s
            else:
                ended += self.end_oldest()
        return ended
