"""The clocks of a simulated box: true time goes on, its own wall clock says something else."""

from __future__ import annotations

from gateway.clock import Clock, Moment, Quality, State

ERROR_MS, DRIFT = 12, 20e-6
HELD_MS_A_S = 0.5
"""By how much a kernel's bound of the error grows while nobody corrects the clock."""


class BoxClock(Clock):
    """Set `true_ms`, then read. `boot` is the id of the boot, which began at `booted_ms`."""

    def __init__(self, true_ms: int, boot: str) -> None:
        self.true_ms = true_ms
        self.start(boot)

    def start(self, boot: str) -> None:
        """A boot; its clock is good from the first moment on."""
        self.boot, self.booted_ms = boot, self.true_ms - 8_000
        self.set("synced", 0)

    def set(self, state: State, off_ms: int) -> None:
        """From now on it is ahead by so much, and as good as that."""
        self._state, self._off_ms, self._since_ms = state, off_ms, self.true_ms

    def now(self) -> Moment:
        return Moment(self.unix_ms(), self.mono(), self.boot_ns(), self.quality())

    def mono(self) -> float:
        return (self.true_ms - self.booted_ms) / 1000

    def unix_ms(self) -> int:
        held_ms = self.true_ms - self._since_ms if self._state == "holdover" else 0
        return self.true_ms + self._off_ms + round(held_ms * DRIFT)

    def boot_ns(self) -> int:
        return (self.true_ms - self.booted_ms) * 1_000_000

    def quality(self) -> Quality:
        if self._state == "synced":
            return Quality("synced", "ntp", ERROR_MS, self.boot)
        if self._state == "holdover":
            error_ms = ERROR_MS + round((self.true_ms - self._since_ms) / 1000 * HELD_MS_A_S)
            return Quality("holdover", "local", error_ms, self.boot)
        if self._state == "restored":
            return Quality("restored", "rtc", None, self.boot)
        return Quality("unset", "none", None, self.boot)

    def forget_quality(self) -> None:
        """It is read anew each time."""
