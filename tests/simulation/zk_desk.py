"""A ZKTeco terminal on the desk and its driver, who is told our own clocks; the box may be booted anew."""

from __future__ import annotations

from drivers.contract import START, Command
from drivers.events import CardRead, DeviceChange
from drivers.zk_terminal import DRIVER, Options
from gateway.simulation.peers.zk import Zk
from tests.simulation.exchange import Exchange

WALL_MS = 1_780_000_000_000


class Desk(Exchange):
    """A terminal and its driver, who is told our own clocks; the box may be booted anew."""

    def __init__(self, peer: Zk, **options: object) -> None:
        super().__init__(DRIVER.new(Options(**({"history": "all"} | options))), peer)  # type: ignore[arg-type]
        self.terminal = peer
        self.boot = "boot-1"
        self.plug()

    def plug(self, mark: str | None = None) -> None:
        """The line is open."""
        wall_ms = WALL_MS + round(self.now * 1000)
        self.driver.send(Command(START, {"mark": mark, "boot": self.boot, "wall_ms": wall_ms}), self.now)

    def away(self) -> None:
        """The connection breaks."""
        self.unplug()

    def back(self) -> None:
        """It is made again."""
        self.plug(self.mark)

    def reasons(self, kind: str) -> list[str | None]:
        """What was said of the terminal with a kind."""
        return [one.reason for _, one in self.events if isinstance(one, DeviceChange) and one.kind == kind]

    def check_dates(self, done: dict[str, float]) -> None:
        """Each entry happened within its error of the time that was told."""
        for at, event in self.events:
            if isinstance(event, CardRead):
                assert event.origin is not None
                off = at - event.origin.age_s - done[event.value]
                assert abs(off) <= event.origin.error_s + 0.002, (event.value, off, event.origin)
