"""The drill's faults: what each one is, and in which order they strike.

All is drawn from a seed before anything happens: the same seed is the same order, the same ports, the same lengths.
When a frame meets a fault is what the machine makes of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

PROBE_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail, and between which bounds it lasts, in seconds."""

    name: str
    does: str
    lasts_s: tuple[float, float]
    needs: str = ""


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("unplug", "pulls the cable of one device and plugs it in again", (0.5, 1.5)),
        Fault("stuck", "one reader stops in the middle of a frame, says nothing, and speaks again", (0.8, 1.5)),
        Fault("babble", "one reader's line carries noise between its frames", (0.5, 1.2)),
        Fault("broker", "kills the broker and starts it again, with nothing in its memory", (1.0, 2.0)),
        Fault("freeze", "stops the broker (SIGSTOP): connected, and silent", (1.0, 2.0)),
        Fault("link", "swallows what gateway and broker say to each other; neither is told (half-open)", (1.0, 2.0)),
        Fault("kill", "kill -9 of the gateway, and a new start", (0.3, 1.0)),
        Fault("restart", "an orderly stop of the gateway (SIGTERM), and a new start", (0.3, 0.8)),
        Fault("kill-centre", "kill -9 of the centre, and a new start", (0.5, 1.5)),
        Fault(
            "disk-full",
            "no file of the running gateway may grow beyond 64 KiB and its log (RLIMIT_FSIZE: EFBIG, not ENOSPC)",
            (1.5, 2.5),
        ),
        Fault("clock", "the gateway's wall clock jumps by hours, and back (libfaketime)", (1.0, 1.5), "faketime"),
    )
}


@dataclass(frozen=True, slots=True)
class Stroke:
    """One fault at its time; `value` is its own number in 0..1."""

    fault: Fault
    lasts_s: float
    value: float


def draw(seed: int, faults: Sequence[Fault]) -> Iterator[list[Stroke]]:
    """Rounds without end; each is every fault once, in an order of its own."""
    rng = Random(seed)
    while True:
        order = rng.sample(faults, len(faults))
        yield [Stroke(fault, rng.uniform(*fault.lasts_s), rng.random()) for fault in order]


def missing(fault: Fault) -> str:
    """What must be installed before this fault can be struck; empty: nothing."""
    return "" if fault.needs != "faketime" or shutil.which("faketime") else "apt install faketime"


class Wall:
    """What the gateway takes for the wall clock: the true time and some hours."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """At once; the file is never empty."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+d}\n")
        fresh.replace(self._file)

    def variables(self) -> dict[str, str]:
        """What a gateway must find in its environment to believe us. The monotonic clocks are left alone."""
        command = ["faketime", "-m", "-f", "+0", "sh", "-c", 'echo "$LD_PRELOAD"']
        said = subprocess.run(
            command, env=os.environ, capture_output=True, text=True, timeout=PROBE_WITHIN_S, check=True
        )
        return {
            "LD_PRELOAD": said.stdout.strip(),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
        }
