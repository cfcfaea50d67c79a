"""For how long nobody had listened, over restarts and reboots, with clocks that are right, wrong and restored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from gateway.clock import Moment, Quality, State
from gateway.directory import Lost, Registry
from gateway.journal import Entry
from gateway.unwatched import NOBODY_KNOWS_MS, SLACK_MS, Unwatched, sign

OFF_MS = 1_800_000_000_000
DAY_MS = 86_400_000
ENDED_NS, BOOTED_NS = 5 * 10**12, 40 * 10**9
STATES: tuple[State, ...] = ("synced", "holdover", "restored", "unset")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry(tmp_path)
    for device in ("a", "b"):
        registry.seen(device, "modbus_turnstile", "/dev/x", "2027-01-01T00:00:00Z")
    yield registry
    registry.close()


def at(boot: str, boot_ns: int, time_ms: int, state: State) -> Moment:
    return Moment(time_ms, boot_ns / 1e9, boot_ns, Quality(state, "x", 5 if state == "synced" else None, boot))


def last(state: State, time_ms: int = OFF_MS) -> Entry:
    clock = {"boot": "old", "boot_ns": ENDED_NS, "state": state, "error_ms": None}
    return Entry(9, json.dumps({"data": {"clock": clock}}).encode(), time_ms)


@pytest.mark.parametrize(("before", "now"), list(product(STATES, STATES)))
def test_over_a_reboot_the_wall_clock_tells_only_where_it_was_right_at_both_ends(
    registry: Registry, before: State, now: State
) -> None:
    unwatched = Unwatched(registry)
    unwatched.begin(last(before), ["a"])
    wall_ms = {"restored": OFF_MS + 40_000, "unset": 40_000}.get(now, OFF_MS + 3 * DAY_MS)
    wait = unwatched.wait(["a"], at("new", BOOTED_NS, wall_ms, now))
    is_known = (before, now) == ("synced", "synced")
    assert wait.ms == (3 * DAY_MS if is_known else NOBODY_KNOWS_MS) + SLACK_MS
    assert wait.since == ("old", ENDED_NS - SLACK_MS * 10**6), "whoever can date that moment knows"


@pytest.mark.parametrize("state", STATES)
def test_within_a_boot_no_wall_clock_is_asked(registry: Registry, state: State) -> None:
    unwatched = Unwatched(registry)
    unwatched.begin(last(state), ["a"])
    wait = unwatched.wait(["a"], at("old", ENDED_NS + 7 * 10**9, 0, "unset"))
    assert (wait.ms, wait.since) == (7000 + SLACK_MS, None)


def test_a_device_that_nobody_ever_heard_may_have_waited_for_ever(registry: Registry) -> None:
    wait = Unwatched(registry).wait(["stranger"], at("new", BOOTED_NS, OFF_MS, "synced"))
    assert (wait.ms, wait.since) == (NOBODY_KNOWS_MS + SLACK_MS, None)


def test_of_several_devices_the_one_that_was_lost_first_counts(registry: Registry) -> None:
    early, late = Lost("old", ENDED_NS, OFF_MS, "synced"), Lost("old", 2 * ENDED_NS, OFF_MS + 5 * 10**6, "synced")
    registry.lost(["a"], late)
    registry.lost(["b"], early)
    wait = Unwatched(registry).wait(["a", "b"], at("new", BOOTED_NS, OFF_MS + DAY_MS, "synced"))
    assert wait.ms == DAY_MS + SLACK_MS
    assert wait.since == ("old", ENDED_NS - SLACK_MS * 10**6)


def test_of_two_earlier_boots_nobody_here_knows_which_came_first(registry: Registry) -> None:
    for device, boot in (("a", "old"), ("b", "older")):
        registry.lost([device], Lost(boot, ENDED_NS, OFF_MS, "restored"))
    assert Unwatched(registry).wait(["a", "b"], at("new", BOOTED_NS, OFF_MS, "synced")).since is None


def test_what_an_earlier_version_wrote_down_says_nothing_of_its_clock(registry: Registry) -> None:
    registry.lost(["a"], replace(sign(at("old", ENDED_NS, OFF_MS, "synced")), state=""))
    assert Unwatched(registry).wait(["a"], at("new", BOOTED_NS, OFF_MS + DAY_MS, "synced")).ms > NOBODY_KNOWS_MS
