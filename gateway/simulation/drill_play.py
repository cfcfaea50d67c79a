"""The drill: stroke by stroke, each mended, followed by its first record and a moment in which all is read.

An interrupt ends it early and not untidily: what is broken is mended, what was presented arrives, and the verdict is
about what was played so far. A second interrupt ends it at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import Unavailable
from gateway.simulation.demo_site import PASS_TIMEOUT_S
from gateway.simulation.drill_faults import Fault, Stroke, draw
from gateway.simulation.drill_show import Progress
from gateway.simulation.drill_stage import Stage
from gateway.simulation.drill_verdict import Played, Verdict, judge
from gateway.simulation.wire import Frame

BEFORE_S = 0.3
AFTER_S = 0.4
FIRST_WITHIN_S = 15.0
LEAVE_S = 0.4
DRAIN_WITHIN_S = 20.0
QUIET_S = 0.4
SETTLE_WITHIN_S = 60.0
SCHEME = "em4100"

Enough = Callable[[int], bool]


class Drill:
    """Plays strokes; `interrupted` after Ctrl-C, `played` is what the verdict is about."""

    def __init__(self, folder: Path, seed: int, progress: Progress) -> None:
        self.stage = Stage(folder, seed, self._draw)
        self.played: list[Played] = []
        self.interrupted = False
        self._seed, self._progress = seed, progress
        self._remarks: list[str] = []
        self._current: tuple[Stroke, float | None] | None = None
        self._struck = False
        self._counted = dict.fromkeys(self.stage.wires, 0)

    def play(self, faults: Sequence[Fault], enough: Enough) -> Verdict:
        """From the first card to the verdict; `enough` is asked before each round and each stroke. Unavailable."""
        try:
            self._progress.begin("broker, centre and gateway start")
            self.stage.start()
            self._strokes(faults, enough)
        except KeyboardInterrupt:
            self.interrupted = True
            self._progress.say(
                "interrupted: what is broken is mended and judged; once more ends it at once", "yellow"
            )
            self.stage.repair()
            self._close_current()
        self._settle()
        return self._judge()

    def _strokes(self, faults: Sequence[Fault], enough: Enough) -> None:
        for number, strokes in enumerate(draw(self._seed, faults)):
            for stroke in strokes:
                if enough(number):
                    return
                self._stroke(stroke)

    def _stroke(self, stroke: Stroke) -> None:
        stage = self.stage
        self._current, self._struck = (stroke, None), False
        if stroke.fault.name != "clock":
            stage.end_lie()
        stage.crowd.resume()
        stage.run(BEFORE_S)
        self._struck = True
        self._progress.begin(f"{stroke.fault.name} for {stroke.lasts_s:.1f} s: {stroke.fault.does}")
        device = stage.strike(stroke)
        stage.run(stroke.lasts_s)
        if stroke.fault.name == "disk-full" and not stage.run(FIRST_WITHIN_S, until=stage.look_for_trouble):
            self._remarks.append("disk-full: the journal had no trouble; nothing is proved")
        stage.repair()
        stage.watch.expect(time.time(), device)
        if device is not None:
            stage.crowd.ask(device)
        if not stage.run(FIRST_WITHIN_S, until=lambda: stage.watch.first_s is not None):
            self._remarks.append(f"{stroke.fault.name}: no record at the centre within {FIRST_WITHIN_S:g} s")
        self._current = stroke, stage.watch.first_s
        stage.run(AFTER_S)
        self._close_current()

    def _close_current(self) -> None:
        """All that was presented is read and has its number: what comes now belongs to the next stroke."""
        if self._current is None:
            return
        stage, (stroke, first_s) = self.stage, self._current
        stage.crowd.pause()
        stage.run(LEAVE_S)
        if not stage.run(DRAIN_WITHIN_S, until=stage.drained):
            self._remarks.append(f"{stroke.fault.name}: a port is not read within {DRAIN_WITHIN_S:g} s")
        stage.run(QUIET_S)
        stage.wait_ready()
        newest = int(stage.status()["newest"])
        self.played.append(Played(stroke.fault.name, self._new_frames(), newest, first_s, self._struck))
        self._current = None
        self._progress.end(stroke, self.played[-1])

    def _new_frames(self) -> dict[str, list[Frame]]:
        """What was presented since the last stroke, by device."""
        fresh = {name: wire.frames[self._counted[name] :] for name, wire in self.stage.wires.items()}
        for name, frames in fresh.items():
            self._counted[name] += len(frames)
        return fresh

    def _settle(self) -> None:
        """The last windows close, the last records settle."""
        self._progress.begin("the last windows close and the last records settle")
        self.stage.run(PASS_TIMEOUT_S + QUIET_S)
        if not self.stage.run(SETTLE_WITHIN_S, until=self.stage.settled):
            self._remarks.append(f"not all is settled within {SETTLE_WITHIN_S:g} s")

    def _judge(self) -> Verdict:
        site = self.stage.site
        boards = {gate.board for gate in site.gates if gate.board}
        if not self.played:
            return Verdict(remarks=["nothing was played"])
        lines = self.stage.ledger()
        verdict = judge(self.played, lines, lambda card: site.key.token(SCHEME, card), boards)
        verdict.remarks += self._remarks
        self._judge_journal(verdict)
        return verdict

    def _judge_journal(self, verdict: Verdict) -> None:
        """The gateway's own chain must hold, too."""
        try:
            self.stage.ask("journal", "verify", "-c", str(self.stage.site.gateway_file))
        except Unavailable as error:
            verdict.remarks.append(f"journal: {error}")

    def _draw(self) -> None:
        frames = sum(len(wire.frames) for wire in self.stage.wires.values())
        self._progress.draw(frames, self.stage.watch.through, self.stage.watch.newest)
