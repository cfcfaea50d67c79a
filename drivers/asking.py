"""Talk to devices that are silent until asked: one question at a time, its answer or a time-out, then the next.

A family brings two things: the `FrameStream` that understands everything on the line whoever asked for it, and a
`Script` that knows what to ask next. What lies between them is the same for all and stands here:

    START ──> idle ──due──> asked ──answer──> idle        an answer makes a unit `up`
                ▲             │
                └──time-out───┘                           LOST_AFTER misses in a row make it `down`

A unit that was up and is down is up again only after LOST_AFTER answers in a row. A question on the line is the only
one: half-duplex buses know no other way. Whatever else is heard meanwhile (an echo of our own question, noise, a late
answer to the one before) is told and answers nothing.

What a unit shows on being asked may have happened long before: while others were asked, the line was busy or lost, or
nobody asked at all. So it is told with `Event.since_s`, the time since the last question that left nothing untold.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from drivers.contract import START, Command
from drivers.events import BadFrame, Event, Frame
from drivers.framing import FrameStream
from drivers.presence import LOST_AFTER, NO_ANSWER, Horizon, Presence

__all__ = ["ANSWER_S", "LOST_AFTER", "NO_ANSWER", "AskingDriver", "Heard", "Request", "Script"]

ANSWER_S = 0.5


@dataclass(frozen=True, slots=True)
class Request:
    """A question for one unit; its answer may take `timeout_s`. `expects` is the script's own word for it."""

    data: bytes
    unit: int = 0
    timeout_s: float = ANSWER_S
    expects: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a script makes of one event: what is told instead of it, and whether it answers the open question.

    `is_shown`: the unit says this only on being asked, so it is dated by `since_s`; False: it speaks by itself, or
    the script has dated it. `settled_at`: when the question was asked behind whose answer nothing is untold that the
    unit held or saw; None: this says nothing of the kind.
    """

    events: tuple[Event, ...]
    answers: bool = False
    is_shown: bool = False
    settled_at: float | None = None


class Script(Protocol):
    """What one family asks. Plain state: it is told the time and never looks. One for all units of the line."""

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open; `mark` is what this unit's `Event.mark` said last, None if nothing."""

    def stop(self) -> None:
        """Forget everything: the line is gone."""

    def due(self) -> float | None:
        """When there is something to ask; None: not before something is heard or ordered."""

    def ask(self, at: float) -> Request | None:
        """The question that is due now, if any."""

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """An event of the stream (never a BadFrame), while `asked` is open."""

    def miss(self, asked: Request, at: float) -> None:
        """`asked` was not answered. A unit that stays silent should not hold up the others: ask it less often."""

    def order(self, command: Command, at: float) -> None:
        """Feedback or text for a device; what it cannot do is ignored."""


class AskingDriver:
    """The driver of a line whose devices are asked; see the module. `units`: how many devices it has."""

    def __init__(self, stream: FrameStream, script: Script, *, units: int = 1, lost_after: int = LOST_AFTER) -> None:
        self.stream = stream
        self._script = script
        self._units = units
        self._lost_after = lost_after
        self._clear()

    def _clear(self) -> None:
        self._is_talking = False
        self._asked: Request | None = None
        self._asked_at = self._deadline = 0.0
        self._output: list[bytes] = []
        self._presences = [Presence(unit, self._lost_after) for unit in range(self._units)]
        self._horizons = [Horizon() for _ in range(self._units)]

    def feed(self, data: bytes, at: float) -> list[Event]:
        """Take bytes that arrived at `at`; return what they mean."""
        return self._hear(self.stream.feed(data, at), at)

    def poll(self, at: float) -> list[Event]:
        """Let time pass: give up what is not answered, and ask what is due."""
        events = self._hear(self.stream.poll(at), at)
        if self._asked is not None and at >= self._deadline:
            events += self._miss(self._asked, at)
        if self._is_talking and self._asked is None:
            self._ask(at)
        return events

    def next_poll(self) -> float | None:
        """End of a silence, of the wait for an answer, or the next question."""
        talk = self._deadline if self._asked is not None else self._script.due() if self._is_talking else None
        times = [time for time in (self.stream.next_poll(), talk) if time is not None]
        return min(times, default=None)

    def is_mid_frame(self) -> bool:
        """Whether bytes of a begun frame wait for their rest; that an answer is waited for does not count."""
        return self.stream.is_mid_frame()

    def send(self, command: Command, at: float) -> None:
        """START begins the talk with one unit; everything else is the script's."""
        if command.name == START:
            self._is_talking = True
            mark = command.values.get("mark")
            self._script.start(command.unit, mark if isinstance(mark, str) else None, at)
        elif self._is_talking:
            self._script.order(command, at)

    def commands(self) -> list[bytes]:
        """Drain what is to be written to the line."""
        output, self._output = self._output, []
        return output

    def close(self) -> list[Event]:
        """The input ends here."""
        events = self._hear(self.stream.close(), self._deadline)
        self.reset()
        return events

    def reset(self) -> None:
        """Forget everything; nothing is asked until the next START."""
        self.stream.reset()
        self._script.stop()
        self._clear()

    def _ask(self, at: float) -> None:
        due = self._script.due()
        if due is None or at < due:
            return
        self._asked = self._script.ask(at)
        if self._asked is not None:
            self._output.append(self._asked.data)
            self._asked_at, self._deadline = at, at + self._asked.timeout_s

    def _hear(self, events: list[Event], at: float) -> list[Event]:
        if not self._is_talking:
            return events
        told: list[Event] = []
        settled: list[tuple[Horizon, float]] = []
        for event in events:
            if isinstance(event, BadFrame):
                told.append(event)
                continue
            heard = self._script.hear(event, self._asked, at)
            if heard.answers and self._asked is not None:
                told += self._presences[self._asked.unit].answered(at)
                self._asked = None
            told += [self._dated(each, at) for each in heard.events] if heard.is_shown else heard.events
            if heard.settled_at is not None and event.unit is not None:
                settled.append((self._horizons[event.unit], heard.settled_at))
        for horizon, asked_at in settled:  # not before: one frame may show several things
            horizon.settled(asked_at)
        return told

    def _dated(self, event: Event, at: float) -> Event:
        """An event that a unit showed on being asked, with the time in which it has happened."""
        is_dated = event.since_s is not None or event.origin is not None
        if is_dated or event.unit is None or isinstance(event, Frame):
            return event
        return replace(event, since_s=self._horizons[event.unit].since_s(at))

    def _miss(self, asked: Request, at: float) -> list[Event]:
        self._asked = None
        self._script.miss(asked, at)
        self._horizons[asked.unit].missed(self._asked_at)
        return self._presences[asked.unit].missed(at)
