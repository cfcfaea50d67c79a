"""The lines that run, one task each; others can take their place while the rest goes on and does not notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.port import Line, LineRules

END_S = 2.0


@dataclass(frozen=True, slots=True)
class Change:
    """`lines` are all from now on, in the order of the configuration; of these `begin` are new; `end` are no more."""

    lines: Sequence[Line]
    begin: Sequence[Line]
    end: Sequence[Line]


class Lines:
    """`running` and `tasks` are the same lists for ever; `ended` is told when a task ends."""

    def __init__(self, new: Callable[[LineRules], Line], ended: Callable[[asyncio.Task[None]], None]) -> None:
        self.running: list[Line] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._new = new
        self._ended = ended
        self._task_of: dict[Line, asyncio.Task[None]] = {}
        self._marks: dict[str, str] = {}

    def remember(self, marks: Mapping[str, str]) -> None:
        """How far an earlier run has heard the devices, and any that may be configured later."""
        self._marks |= marks
        for line in self.running:
            line.talk.remember(marks)

    def plan(self, rules: Sequence[LineRules]) -> Change:
        """What these rules mean: a line that has the same as before stays. Nothing is done yet."""
        left = list(self.running)
        lines, begin = [], []
        for wanted in rules:
            line = next((one for one in left if one.rules == wanted), None)
            if line is None:
                line = self._new(wanted)
                begin.append(line)
            else:
                left.remove(line)
            lines.append(line)
        return Change(lines, begin, left)

    async def end(self, lines: Sequence[Line], within_s: float = END_S) -> None:
        """Stop them; what they still had to say has been said. A port that does not close in time is left behind."""
        tasks = [self._task_of.pop(line) for line in lines if line in self._task_of]
        for task in tasks:
            self.tasks.remove(task)
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=within_s)
        for line in lines:
            self._marks |= line.talk.marks

    def begin(self, change: Change) -> None:
        """Run the new ones; from now on these are all."""
        self.running[:] = change.lines
        for line in change.begin:
            line.talk.remember(self._marks)
            task = asyncio.create_task(line.run())
            task.add_done_callback(self._ended)
            self._task_of[line] = task
            self.tasks.append(task)
