"""Talk to devices that are silent until asked: one question at a time, its answer or a time-out, then the next.

A family brings two things: the `FrameStream` that understands everything on the line whoever asked for it, and a
`Script` that knows what to ask next. What lies between them is the same for all and stands here:

    START ──> idle ──due──> asked ──answer──> idle        an answer makes a unit `up`
                ▲             │
                └──time-out───┘                           LOST_AFTER misses in a row make it `down`

A question on the line is the only one: half-duplex buses know no other way. Whatever else is heard meanwhile (an
echo of our own question, noise, a late answer to the one before) is told and answers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from drivers.contract import START, Command
from drivers.events import BadFrame, DeviceChange, Event
from drivers.framing import FrameStream

LOST_AFTER = 3
ANSWER_S = 0.5
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Request:
    """A question for one unit; its answer may take `timeout_s`. `expects` is the script's own word for it."""

    data: bytes
    unit: int = 0
    timeout_s: float = ANSWER_S
    expects: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a script makes of one event: what is told instead of it, and whether it answers the open question."""

    events: tuple[Event, ...]
    answers: bool = False


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
        self._deadline = 0.0
        self._output: list[bytes] = []
        self._misses = [0] * self._units
        self._is_up: list[bool | None] = [None] * self._units

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
        """Whether bytes of a begun frame wait for their rest."""
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
            self._deadline = at + self._asked.timeout_s

    def _hear(self, events: list[Event], at: float) -> list[Event]:
        if not self._is_talking:
            return events
        told: list[Event] = []
        for event in events:
            if isinstance(event, BadFrame):
                told.append(event)
                continue
            heard = self._script.hear(event, self._asked, at)
            if heard.answers and self._asked is not None:
                told += self._answered(self._asked.unit)
                self._asked = None
            told += heard.events
        return told

    def _answered(self, unit: int) -> list[Event]:
        self._misses[unit] = 0
        if self._is_up[unit]:
            return []
        self._is_up[unit] = True
        return [DeviceChange(kind="up", unit=unit)]

    def _miss(self, asked: Request, at: float) -> list[Event]:
        self._asked = None
        self._script.miss(asked, at)
        self._misses[asked.unit] += 1
        if self._misses[asked.unit] < self._lost_after or self._is_up[asked.unit] is False:
            return []
        self._is_up[asked.unit] = False
        return [DeviceChange(kind="down", reason=NO_ANSWER, unit=asked.unit)]
