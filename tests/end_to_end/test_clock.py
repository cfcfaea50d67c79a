"""The wall clock is wrong, or set while the daemon runs: records say so, and can be dated all the same.

libfaketime lies about the wall clock and leaves CLOCK_MONOTONIC and CLOCK_BOOTTIME alone. The kernel knows nothing of
that, so these steps are seen as they are on a kernel that does not tell: when the next record is made. What the
kernel says of the clock is not faked either: on a machine with NTP these clocks are `synced`, elsewhere `restored`.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from .ear import Ear
from .lying import Wall
from .site import Reader, Site, cards

pytestmark = pytest.mark.needs("mosquitto", "faketime")

HOUR_S = 3600
IN_1970_S = 600
READ = "punchgate.credential.read.v1"


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path)


def of(site: Site, kind: str) -> list[dict[str, Any]]:
    """The records of one type at the centre, in order."""
    return [event for event in site.events() if event["type"] == f"punchgate.{kind}.v1"]


def begin(site: Site, wall: Wall) -> Reader:
    reader = site.reader("reader-1")
    site.centre()
    site.start(wrapper=wall.wrapper())
    site.wait_up()
    site.wait_connected()
    return reader


def swipe(site: Site, reader: Reader, *numbers: str) -> None:
    for card in numbers:
        site.wait_captured(reader, card)


@pytest.mark.alone
def test_what_was_read_in_1970_can_be_dated_when_the_clock_is_right(site: Site, wall: Wall, ear: Ear) -> None:
    ahead_s = IN_1970_S - int(time.time())
    wall.set(ahead_s)
    reader = begin(site, wall)
    assert site.daemon is not None
    swipe(site, reader, *cards(5))
    ear.wait(lambda: ear.on("state")[-1].json()["clock"]["state"] == "unset")
    wall.set(0)
    swipe(site, reader, *cards(1, start=5))
    assert site.daemon.wait_for("clock.stepped")["by_ms"] == pytest.approx(-ahead_s * 1000, abs=500)
    assert site.daemon.wait_for("clock.state")["before"] == "unset"
    ear.wait(lambda: ear.on("state")[-1].json()["clock"]["state"] != "unset")
    site.wait_settled(newest=3 + 12 + 2)
    reads, anchors = of(site, "credential.read"), [event["data"] for event in of(site, "clock.anchor")]
    assert [read["data"]["clock"]["state"] == "unset" for read in reads] == [True] * 5 + [False]
    assert all(read["time"].startswith("1970-01-01T00:1") for read in reads[:5])
    assert [anchor["why"] for anchor in anchors[:2]] == ["start", "step"]
    for read, (_, presented_s) in zip(reads, reader.presented, strict=True):
        clock = read["data"]["clock"]
        assert clock["boot"] == anchors[-1]["boot"]
        assert (anchors[-1]["offset_ms"] + clock["boot_ns"] / 1e6) / 1e3 == pytest.approx(presented_s, abs=1.0)


@pytest.mark.alone
def test_fifty_swipes_of_1970_are_at_the_centre_at_the_right_time_and_it_says_how_it_knows(
    site: Site, wall: Wall
) -> None:
    wall.set(IN_1970_S - int(time.time()))
    reader = begin(site, wall)
    swipe(site, reader, *cards(50))
    site.wait_settled(newest=2 + 100)
    reads = [told for told in site.times() if told["type"] == READ]
    assert {(told["dated"]["basis"], told["dated"]["time"]) for told in reads} == {("order", None)}, "not known yet"
    wall.set(0)
    swipe(site, reader, *cards(1, start=50))
    site.wait_settled(newest=2 + 102 + 2)
    reads = [told for told in site.times() if told["type"] == READ]
    step = of(site, "clock.anchor")[-1]
    for told, (_, presented_s) in zip(reads[:50], reader.presented, strict=False):
        dated = told["dated"]
        assert told["time"].startswith("1970-01-01")
        assert _unix_ms(dated["time"]) / 1e3 == pytest.approx(presented_s, abs=1.0)
        assert dated["basis"] == "anchor"
        assert dated["by"] in {step["id"], of(site, "clock.stepped")[-1]["id"]}
        assert (dated["error_ms"] is not None) == (dated["quality"] == "synced") == _is_synced(step)
    assert (reads[50]["dated"]["basis"], len(reads)) == ("clock", 51)
    counts = site.coverage()["streams"][0]["dated"]
    assert (counts["anchor"] >= 100, counts["order"]) == (True, 0)


@pytest.mark.alone
def test_a_clock_set_by_hours_both_ways_is_recorded_and_disturbs_no_punch(site: Site, wall: Wall) -> None:
    reader = begin(site, wall)
    for turn, ahead_s in enumerate((0, 2 * HOUR_S, -3 * HOUR_S, 0)):
        wall.set(ahead_s)
        swipe(site, reader, *cards(2, start=2 * turn))
    site.wait_settled(newest=3 + 16 + 6)
    steps = [event["data"]["by_ms"] for event in of(site, "clock.stepped")]
    assert steps == [pytest.approx(hours * HOUR_S * 1000, abs=500) for hours in (2, -5, 3)]
    assert [punch["data"]["outcome"] for punch in of(site, "punch")] == ["assumed"] * 8
    _every_record_fits_the_anchor_before_it(site.events())
    _every_read_is_dated_by_the_clock_that_was_set_last(site, reader)
    site.verify()


def test_while_nobody_sets_the_clock_there_is_an_anchor_and_no_step(site: Site) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    swipe(site, reader, *cards(3))
    site.wait_settled(newest=3 + 6)
    assert [event["data"]["why"] for event in of(site, "clock.anchor")][:1] == ["start"]
    assert of(site, "clock.stepped") == []


def _every_record_fits_the_anchor_before_it(events: list[dict[str, Any]]) -> None:
    offset_ms = None
    for event in events:
        data = event["data"]
        if event["type"] == "punchgate.clock.anchor.v1":
            offset_ms = data["offset_ms"]
        elif event["type"] in {"punchgate.credential.read.v1", "punchgate.punch.v1"}:
            assert _unix_ms(event["time"]) - data["clock"]["boot_ns"] // 1_000_000 == pytest.approx(offset_ms, abs=50)


def _every_read_is_dated_by_the_clock_that_was_set_last(site: Site, reader: Reader) -> None:
    """Where the kernel called the wrong clocks `synced`, the interval tells that they contradict each other."""
    reads = [told["dated"] for told in site.times() if told["type"] == READ]
    for dated, (_, presented_s) in zip(reads, reader.presented, strict=True):
        if dated["quality"] == "restored":
            assert _unix_ms(dated["time"]) / 1e3 == pytest.approx(presented_s, abs=1.0)
        else:
            assert _unix_ms(dated["earliest"]) / 1e3 - 1 <= presented_s <= _unix_ms(dated["latest"]) / 1e3 + 1


def _is_synced(anchor: dict[str, Any]) -> bool:
    return bool(anchor["data"]["quality"]["state"] == "synced")


def _unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
