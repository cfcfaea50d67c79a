"""What is given up as the journal fills: said aloud, diagnostics only, and devices that remember wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.clock import Clock
from gateway.journal import Level, Room, Trouble
from gateway.pausing import Pausing
from gateway.records import CredentialRepeated, Draft, Lost, Notice
from gateway.sparing import Sparing

CLOCK = Clock()
DIAGNOSTICS = (
    CredentialRepeated(device="a", read=1, count=2, until="then"),
    Notice(kind="clock.anchor", details={"why": "hourly"}),
    Notice(kind="device.battery", device="a", details={"volts": 3}),
)
ALWAYS_KEPT = (
    Notice(kind="clock.anchor", details={"why": "start"}),
    Notice(kind="clock.stepped"),
    Notice(kind="device.up", device="a"),
    Notice(kind="device.down", device="a"),
    Notice(kind="device.fault", device="a"),
    Notice(kind="device.log", device="a"),
    Notice(kind="device.tamper", device="a"),
    Notice(kind="portal.fire"),
    Notice(kind="gateway.stopped"),
    Lost(cause="quota"),
)


class Bench:
    """A journal that takes everything."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.levels: list[Level] = []
        self.sparing = Sparing(CLOCK, lambda drafts: self.kept.extend(each.body for each in drafts), self._changed)

    def _changed(self, level: Level) -> None:
        self.levels.append(level)

    def reach(self, level: Level, percent: int) -> dict[str, object]:
        self.sparing.on_level(level, Room(percent, 1000, 100))
        assert self.kept[-1].kind == "journal.level"
        return dict(self.kept.pop().details)

    def write(self, *bodies: Any) -> list[Any]:
        self.kept.clear()
        self.sparing.append([Draft(body, CLOCK.now()) for body in bodies])
        return self.kept


@pytest.mark.parametrize(("level", "percent"), [("ok", 10), ("filling", 72)])
def test_below_the_second_step_everything_is_kept(level: Level, percent: int) -> None:
    bench = Bench()
    bench.reach(level, percent)
    assert bench.write(*DIAGNOSTICS, *ALWAYS_KEPT) == [*DIAGNOSTICS, *ALWAYS_KEPT]


@pytest.mark.parametrize(("level", "percent"), [("sparing", 86), ("critical", 97)])
def test_from_the_second_step_on_diagnostics_are_left_out_and_counted(level: Level, percent: int) -> None:
    bench = Bench()
    assert "left_out" not in bench.reach(level, percent)
    assert bench.write(*DIAGNOSTICS, *ALWAYS_KEPT) == list(ALWAYS_KEPT)
    assert bench.reach("filling", 79)["left_out"] == 3
    assert "left_out" not in bench.reach("ok", 60)


def test_each_step_is_a_record_a_warning_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    assert bench.reach("filling", 71) == {"level": "filling", "before": "ok", "percent": 71, "limit": "max_mb"}
    assert bench.sparing.warnings() == ["the journal is 71 % full"]
    bench.reach("critical", 95)
    assert "devices with a memory are not read" in bench.sparing.warnings()[0]
    bench.reach("ok", 10)
    assert bench.sparing.warnings() == []
    assert bench.levels == ["filling", "critical", "ok"]


class OfLine:
    """A port that only knows whether it is paused."""

    def __init__(self, *, has_memory: bool) -> None:
        self.rules = SimpleNamespace(spec=SimpleNamespace(has_memory=has_memory))
        self.paused: str | None = None

    def pause(self, reason: str, since: object = None) -> None:
        self.paused = self.paused or reason

    def resume(self) -> None:
        self.paused = None


def test_only_devices_that_remember_wait_for_a_nearly_full_journal() -> None:
    plain, remembers = OfLine(has_memory=False), OfLine(has_memory=True)
    pausing = Pausing([plain, remembers], CLOCK)  # type: ignore[list-item]
    pausing.on_level("sparing")
    assert (plain.paused, remembers.paused) == (None, None)
    pausing.on_level("critical")
    assert (plain.paused, remembers.paused) == (None, "the journal is nearly full")
    pausing.on_trouble(Trouble("quota", "full"))
    assert (plain.paused, bool(remembers.paused)) == (None, True)
    pausing.on_trouble(Trouble("disk", "I/O error"))
    assert plain.paused
    pausing.on_trouble(None)
    assert (plain.paused, bool(remembers.paused)) == (None, True)
    pausing.on_level("sparing")
    assert (plain.paused, remembers.paused) == (None, None)
