"""For how long this thread could not run although there was work: others had the processor, the machine slept.

The kernel counts the first (schedstat of a thread: nanoseconds on the run queue); the second is what CLOCK_BOOTTIME
goes ahead of the monotonic clock. While a page of ours is fetched from a disk neither counts, but the fault does.
Where the kernel does not count (no schedstat) only the last two are seen.
"""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass

SCHEDSTAT = "/proc/thread-self/schedstat"
COUNT_BYTES = 64


@dataclass(frozen=True, slots=True)
class Lost:
    """Both only grow: seconds that were lost so far, and how often a page had to be fetched."""

    seconds: float
    faults: int


class Starvation:
    """To be made and asked on the thread that it is about."""

    def __init__(self) -> None:
        try:
            self._counts: int | None = os.open(SCHEDSTAT, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._counts = None

    def __call__(self) -> Lost:
        """What was lost so far."""
        asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        faults = resource.getrusage(resource.RUSAGE_THREAD).ru_majflt
        return Lost((self._queued_ns() + asleep_ns) / 1e9, faults)

    def _queued_ns(self) -> int:
        if self._counts is None:
            return 0
        try:
            return int(os.pread(self._counts, COUNT_BYTES, 0).split()[1])
        except (OSError, ValueError, IndexError):
            return 0
