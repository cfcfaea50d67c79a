"""The box: its clock, its disk, and for how long it can do without a network."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
from check_bench import Bench, clean, daemon, only

from gateway.check.machine import autonomy, clock, disk
from gateway.check.past import Past, read_past
from gateway.clock import Clock, State
from gateway.journal import Store, find_journal
from gateway.records import Draft, Notice

DAY_MS = 86_400_000
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("state", "severity"), [("synced", "ok"), ("holdover", "warning"), ("restored", "warning"), ("unset", "finding")]
)
def test_a_clock_is_as_good_as_its_source(bench: Bench, state: State, severity: str) -> None:
    bench.watch.state = state
    assert [each.severity for each in bench.examine(clock)] == [severity]


def test_the_daemon_knows_better_whether_the_clock_was_ever_set(bench: Bench) -> None:
    bench.watch.state = "restored"
    found = only(bench.examine(clock, daemon(clock={"state": "holdover", "source": "local"})), "warning")
    assert found.what == "clock: holdover (local)"


def test_a_disk_with_room_for_the_whole_journal_is_in_order(bench: Bench) -> None:
    bench.edit(("[privacy]", "[journal]\nmax_mb = 1\n[privacy]"))
    assert clean(bench.examine(disk))


def test_a_disk_too_small_for_the_journal_is_a_warning(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.edit(("[privacy]", "[journal]\nmax_mb = 1048576\n[privacy]"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * MIB))
    found = only(bench.examine(disk), "warning")
    assert found.what == "disk: 5 MiB free, the journal may take 1048576 MiB more"
    assert "lower journal.max_mb" in found.mend


def test_a_state_directory_that_is_not_there_yet_is_made_by_the_first_start(bench: Bench) -> None:
    bench.edit(('"state"', '"not/yet"'), ("[privacy]", "[journal]\nmax_mb = 1\n[privacy]"))
    assert clean(bench.examine(disk))


@pytest.mark.parametrize("target", ["state", "nowhere"])
def test_a_link_that_leads_nowhere_is_a_finding_and_the_rest_is_examined(bench: Bench, target: str) -> None:
    (bench.folder / "state").rmdir()
    (bench.folder / "state").symlink_to(target)
    assert "daemon's user" in only(bench.examine(disk), "finding").mend
    assert bench.examine(autonomy)


def test_a_state_directory_we_may_not_write_is_a_finding(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "daemon's user" in only(bench.examine(disk), "finding").mend
    assert clean(bench.examine(disk, daemon()))


def test_the_daemon_says_for_how_many_days_there_is_room(bench: Bench) -> None:
    assert clean(bench.examine(autonomy, daemon(autonomy_days=7.0)))
    assert "only 6.9 days" in only(bench.examine(autonomy, daemon(autonomy_days=6.9)), "warning").what
    assert "refused" in only(bench.examine(autonomy, daemon(autonomy_days=0.5)), "finding").why


def test_without_a_daemon_the_journals_past_traffic_says_it(bench: Bench) -> None:
    bench.edit(("[privacy]", "[journal]\nmax_mb = 50\n[privacy]"))
    busy = Past(newest=9, used_bytes=20 * MIB, span_ms=2 * DAY_MS, waiting_since_ms=None)
    (found,) = autonomy(replace(bench.case(), past=busy))
    assert found.what == "autonomy: room for only 3 days without a network"
    assert clean(bench.examine(autonomy))


def test_the_past_is_read_from_the_journals_file(bench: Bench) -> None:
    state_dir = bench.folder / "state"
    assert read_past(state_dir) is None
    store = Store(find_journal(state_dir), ("hq", "edge-01", "UTC"))
    for made_ms in (1000, 5000, 9000):
        store.append([Draft(Notice(kind="gateway.started"), Clock().now())], made_ms)
    past = read_past(state_dir)
    assert past is not None
    assert (past.newest, past.span_ms, past.waiting_since_ms) == (3, 8000, 1000)
    store.close()


def test_a_journal_that_is_none_is_no_past(bench: Bench) -> None:
    find_journal(bench.folder / "state").write_bytes(b"nonsense" * 1000)
    assert read_past(bench.folder / "state") is None
