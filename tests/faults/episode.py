"""One episode: people come and go, faults strike and are mended, all is repaired, and then it must be right."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

from end_to_end.site import eventually

from gateway.journal import Reader, find_journal

from .crowd import Crowd
from .plan import Fault, Plan
from .stage import EXIT_BUG, PASS_TIMEOUT_S, Stage
from .strikes import Mend, strike
from .verdict import Verdict, judge

TICK_S = 0.01
QUIET_S = 1.0
SETTLE_S = 75.0
HAND_PER_KILL = 6
"""Some 26 frames a second times IN_HAND_S, and now and then a burst. What had waited is read at once and not counted:
how much that is depends on how long nobody could read, not on how long it is in the hand."""


class Episode:
    """Plays a plan; `story` is what happened when."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.stage = Stage(folder, plan)
        self.story: list[str] = []
        self._crowd = Crowd(plan.seed, self.stage.readers, self.stage.gate, self.stage.arm)
        self._standing: dict[str, tuple[float, Fault, Mend]] = {}
        self._begun = time.time()

    def play(self) -> Verdict:
        """From the first card to the verdict."""
        try:
            self.stage.open()
            self._crowd.start()
            self._pause(0.5)
            for fault in self.plan.faults:
                self._pause(fault.after_s)
                self._strike(fault)
            self._repair()
            self._settle()
            return self._judge()
        finally:
            self.stage.close()

    def _strike(self, fault: Fault) -> None:
        target = fault.kind.target
        if target in self._standing:
            self._mend(target)
        self._tell(f"strike {fault}")
        mend = strike(self.stage, fault)
        self._standing[target] = (time.monotonic() + fault.lasts_s, fault, mend)

    def _mend(self, target: str) -> None:
        _, fault, mend = self._standing.pop(target)
        mend()
        self._tell(f"mended {fault.kind.target}.{fault.kind.name}")

    def _pause(self, seconds: float) -> None:
        """Time passes: what is due is mended, what has died is started again."""
        until = time.monotonic() + seconds
        while True:
            for target in [target for target, (due, _, _) in self._standing.items() if due <= time.monotonic()]:
                self._mend(target)
            if "gateway" not in self._standing or self._standing["gateway"][1].kind.deadly:
                self._mind()
            if time.monotonic() >= until:
                return
            time.sleep(TICK_S)

    def _mind(self) -> None:
        for name, code in self.stage.mind():
            self._tell(f"{name} ended by itself with {code}, started again")

    def _repair(self) -> None:
        """All is mended in its time; people come for another second, and go home."""
        self._pause(max((due - time.monotonic() for due, _, _ in self._standing.values()), default=0.0))
        for target in list(self._standing):
            self._mend(target)
        self._tell("all mended")
        self._pause(1.0)
        self._crowd.go_home()

    def _settle(self) -> None:
        begun = time.monotonic()

        def read() -> bool:
            self._mind()
            return all(wire.drained() for wire in self.stage.wires)

        eventually(read, "reading what waits", SETTLE_S)
        self._pause(PASS_TIMEOUT_S + QUIET_S)
        self.stage.site.wait_settled(SETTLE_S)
        self._tell(f"settled after {time.monotonic() - begun:.1f} s")

    def _is_kept(self, held: list[bytes], lines: list[bytes]) -> bool:
        """All that the centre has; after a full disk without the oldest, but for reads that were open then."""
        if not self._disk_was_full():
            return held == lines
        kept = set(held)
        return held == [line for line in lines if line in kept] and held[-1:] == lines[-1:]

    def _judge(self) -> Verdict:
        site = self.stage.site
        lines = site.export()
        may_prune = self._disk_was_full() and self._centre_was_restored()
        verdict = judge({wire.name: wire.frames for wire in self.stage.wires}, lines, may_prune=may_prune)
        verdict.faults = len(self.plan.faults)
        verified = site.verify()
        reader = Reader(find_journal(site.state_dir))
        count = len(lines) + verdict.declared
        held = [entry.line for entry in reader.lines(1, count, count, 2**40)]
        reader.close()
        if not self._is_kept(held, lines):
            verdict.remarks.append(f"journal: {len(held)} lines to {verified['last']}, not the {len(lines)} exported")
        contradicting = [it for it in site.coverage()["streams"] if it["conflicts"] or it["breaks"]]
        if contradicting:
            verdict.duplicated += 1
            verdict.remarks.append(f"contradicting: {json.dumps(contradicting)}")
        in_hand = verdict.in_hand - verdict.in_hand_late
        if in_hand > HAND_PER_KILL * self.stage.kills:
            verdict.remarks.append(f"in the hand of {self.stage.kills} killed: {in_hand} frames are too many")
        self._tell(f"{self.stage.kills} kills of the gateway")
        self._judge_ends(verdict)
        self._tell(str(verdict))
        return verdict

    def _disk_was_full(self) -> bool:
        """Then settled records may have had to make room for others; all that is held is still the end of it all."""
        return any(fault.kind.name in ("disk_full", "write_fails") for fault in self.plan.faults)

    def _centre_was_restored(self) -> bool:
        return any((fault.kind.target, fault.kind.name) == ("centre", "restore") for fault in self.plan.faults)

    def _judge_ends(self, verdict: Verdict) -> None:
        """Nobody may have died of a bug, nor shown a traceback; a SIGTERM ends with 0."""
        for name, code in self.stage.exits:
            if code == EXIT_BUG or (name == "terminated" and code != 0):
                verdict.remarks.append(f"exit: {name} with {code}")
        for line in self.stage.logs().splitlines():
            with contextlib.suppress(ValueError):
                if json.loads(line)["event"] in ("gateway.bug", "centre.bug"):
                    verdict.remarks.append(f"bug: {line}")
            if line.startswith("Traceback"):
                verdict.remarks.append("bug: a traceback in the log")

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.time() - self._begun:7.2f} s  {what}")
