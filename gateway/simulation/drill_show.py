"""What a drill says: one line for each stroke while it goes on, and the table at its end.

On a terminal the stroke that is under way is the last line and moves; elsewhere it is a line when it begins.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import click

from gateway.simulation.drill_faults import Fault, Stroke
from gateway.simulation.drill_verdict import WRONG, Played, Row, Verdict

HEADS = ("fault", "struck", "frames", *WRONG, "in hand", "on plug", "first record")
IN_HAND = "in hand: read by the gateway and not yet durable when it was killed; a port cannot be unread"
ON_PLUG = "on plug: still on the line, or just read, when the cable was pulled"


class Progress:
    """Keeps the spectator informed; `quiet` goes to stderr, so that stdout is for the machine."""

    def __init__(self, *, terminal: bool, quiet: bool) -> None:
        self._moving = terminal and not quiet
        self._err = quiet
        self._began_s = self._drawn_s = time.monotonic()
        self._now = ""
        self._moved = False

    def say(self, text: str, colour: str | None = None) -> None:
        """A line that stays."""
        self._wipe()
        click.secho(text, fg=colour, err=self._err)

    def begin(self, text: str) -> None:
        """What goes on from now on."""
        self._now, self._began_s = text, time.monotonic()
        if not self._moving:
            self.say(f"… {text}")

    def draw(self, frames: int, through: int, newest: int) -> None:
        """Bring the moving line up to date, ten times a second at most."""
        now_s = time.monotonic()
        if self._moving and self._now and now_s - self._drawn_s >= 0.1:
            self._drawn_s, self._moved = now_s, True
            counts = f"{frames} frames · centre has {through} of {newest} records"
            line = f"{now_s - self._began_s:5.1f} s  {self._now} · {counts}"
            click.echo(f"\r\x1b[K\x1b[?7l{line}\x1b[?7h", nl=False, color=True)

    def end(self, stroke: Stroke, played: Played) -> None:
        """How a stroke ended."""
        self._now = ""
        frames = sum(map(len, played.frames.values()))
        first = (
            "no record seen after the mend"
            if played.first_s is None
            else f"first record {played.first_s:.2f} s after the mend"
        )
        self.say(f"{stroke.fault.name:<12} for {stroke.lasts_s:.1f} s  {frames:4} frames  {first}")

    def _wipe(self) -> None:
        if self._moved:
            click.echo("\r\x1b[K", nl=False, color=True)
            self._moved = False


def table(verdict: Verdict, not_run: Iterable[tuple[Fault, str]]) -> list[str]:
    """The rows, aligned; what could not be struck says why."""
    rows = [HEADS, *(_cells(row) for row in verdict.rows.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    width = max([widths[0], *(len(fault.name) for fault, _ in not_run)])
    lines = [f"{row[0]:<{width}}  {'  '.join(f'{cell:>{w}}' for cell, w in zip(row[1:], widths[1:], strict=True))}"
             for row in rows]  # fmt: skip
    return [*lines, *(f"{fault.name:<{width}}  not run: {why}" for fault, why in not_run)]


def notes(verdict: Verdict) -> list[str]:
    """What the two columns of the excused mean, where there are any."""
    named = (("in_hand", IN_HAND), ("on_plug", ON_PLUG))
    return [note for name, note in named if verdict.total(name)]


def figures(verdict: Verdict, not_run: Sequence[tuple[Fault, str]], seed: int) -> dict[str, Any]:
    """The same for machines."""
    rows = [{name: getattr(row, name) for name in Row.__slots__} for row in verdict.rows.values()]
    totals = {name: verdict.total(name) for name in ("struck", "frames", *WRONG, "in_hand", "on_plug")}
    return {
        "ok": verdict.clean,
        "seed": seed,
        "faults": rows,
        "not_run": {fault.name: why for fault, why in not_run},
        "totals": totals | {"records": verdict.records},
        "remarks": verdict.remarks,
    }


def _cells(row: Row) -> tuple[str, ...]:
    first = "–" if row.first_s is None else f"{row.first_s:.2f} s"
    counts = (row.struck, row.frames, *(getattr(row, name) for name in WRONG), row.in_hand, row.on_plug)
    return (row.fault, *map(str, counts), first)
