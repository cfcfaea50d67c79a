"""What UHF readers that are asked share: whom to ask when, and of when their answers are. No DRIVER stands here.

A report of a reader that is asked is dated by the last inventory that was answered: what was near then was told then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from drivers.asking import LOST_AFTER, Heard, Request
from drivers.contract import FEEDBACK, Command
from drivers.events import DeviceChange, Event
from drivers.patience import Patience

INVENTORY = "inventory"


class Dialogue(Protocol):
    """What one family asks one reader; plain state."""

    def question(self) -> Request:
        """What to ask next. Its `expects` is INVENTORY where `poll_s` has to pass before the one behind it."""

    def takes(self, event: Event, asked: Request) -> bool:
        """Whether an event of this reader completes the answer; the dialogue moves on."""

    def settled_at(self, event: Event, asked_at: float) -> float | None:
        """The question of `asked_at` is answered with this: as of when no tag that was near is untold, None: this
        says nothing of it.
        """

    def complaint(self, event: Event) -> tuple[str, str | None] | None:
        """What the reader says of its own state: of what, and what is wrong (None: it works). None: nothing."""

    def pause_s(self, event: Event) -> float:
        """How long not to ask after this event, because the reader speaks by itself; usually 0."""

    def order(self, state: str) -> None:
        """Show the person what became of the tag, if the reader can."""

    def restart(self) -> None:
        """An answer was missed or the line is gone: begin again."""


class InventoryScript:
    """Asks the readers of one line in turn, each every `poll_s` (index: unit); None: that one is only listened to.

    A reader that complains is a `device` `fault`, once until it works again. A silent one is asked ever later, if
    there are others: waiting for it costs them time.
    """

    def __init__(self, dialogues: Sequence[Dialogue | None], polls_s: Sequence[float]) -> None:
        self._dialogues = list(dialogues)
        self._polls_s = list(polls_s)
        self._due_at: dict[int, float] = {}
        self._misses = [0] * len(dialogues)
        self._patience = [Patience() for _ in dialogues]
        self._asked_at = 0.0
        self._faults: dict[tuple[int, str], str | None] = {}

    def stop(self) -> None:
        """Forget everything: the line is gone."""
        self._due_at.clear()
        self._faults.clear()
        for unit, dialogue in enumerate(self._dialogues):
            self._is_there(unit)
            if dialogue is not None:
                dialogue.restart()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """The line is open."""
        if self._dialogues[unit] is not None:
            self._due_at[unit] = at

    def due(self) -> float | None:
        """When the next reader is to be asked."""
        return min(self._due_at.values(), default=None)

    def ask(self, at: float) -> Request | None:
        """The question for the reader that has waited longest."""
        unit = min(self._due_at, key=self._due_at.__getitem__)
        dialogue = self._dialogues[unit]
        if dialogue is None:
            return None
        request = dialogue.question()
        self._asked_at = at
        self._due_at[unit] = at + (self._polls_s[unit] if request.expects == INVENTORY else 0.0)
        return request

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """Whether this completes the answer, and whether the reader complains."""
        dialogue = self._dialogues[event.unit] if event.unit is not None else None
        if dialogue is None or event.unit is None:
            return Heard((event,))
        pause_s = dialogue.pause_s(event)
        if pause_s:
            self._due_at[event.unit] = at + pause_s
        told = (event, *self._complaint(dialogue, event, event.unit))
        answers = asked is not None and asked.unit == event.unit and dialogue.takes(event, asked)
        settled_at = None
        if answers:
            self._is_there(event.unit)
            settled_at = dialogue.settled_at(event, self._asked_at)
        return Heard(told, answers, is_shown=not pause_s, settled_at=settled_at)

    def _is_there(self, unit: int) -> None:
        self._misses[unit] = 0
        self._patience[unit].answered()

    def _complaint(self, dialogue: Dialogue, event: Event, unit: int) -> tuple[Event, ...]:
        """A fault, when it begins or changes."""
        complaint = dialogue.complaint(event)
        if complaint is None:
            return ()
        subject, reason = complaint
        before = self._faults.get((unit, subject))
        self._faults[unit, subject] = reason
        return () if reason in (None, before) else (DeviceChange(kind="fault", reason=reason, unit=unit),)

    def miss(self, asked: Request, at: float) -> None:
        """No answer: after a few, give the others more time."""
        dialogue = self._dialogues[asked.unit]
        if dialogue is not None:
            dialogue.restart()
        self._misses[asked.unit] += 1
        if self._misses[asked.unit] >= LOST_AFTER and len(self._due_at) > 1:
            self._patience[asked.unit].missed(at)
            self._due_at[asked.unit] = self._patience[asked.unit].not_before

    def order(self, command: Command, at: float) -> None:
        """Feedback goes to the reader it is meant for."""
        dialogue = self._dialogues[command.unit]
        if dialogue is not None and command.name == FEEDBACK:
            dialogue.order(str(command.values.get("state", "")))
