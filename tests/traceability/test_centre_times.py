"""The ledger's answer to when: whatever came first, as a command prints it, and of a ledger of an earlier version."""

from __future__ import annotations

import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from centre_bench import make_old, only_a_file
from centre_lines import EPOCH, LATER_EPOCH, line
from click.testing import CliRunner

from gateway.commands.centre import command
from gateway.errors import NotDurable, Unavailable
from gateway.wire import timestamp
from traceability import coverage, export, times
from traceability.database import open_database
from traceability.database.base import VERSION
from traceability.ledger import Ledger

NOW_MS = 1_795_390_000_000
PREV = "0" * 64


def record(seq: int, boot_s: int, from_ms: int, state: str, boot: str = "b1", **words: Any) -> bytes:
    clock = {"state": state, "source": "x", "error_ms": 9 if state == "synced" else None}
    clock |= {"boot": boot, "boot_ns": boot_s * 1_000_000_000} | words.pop("waits", {})
    return line(seq, PREV, time=timestamp(from_ms + boot_s * 1000), live=True, clock=clock, **words)


def anchor(seq: int, boot_s: int, from_ms: int, state: str = "synced", **words: Any) -> bytes:
    return record(seq, boot_s, from_ms, state, type="clock.anchor", offset_ms=from_ms, **words)


STORY = [
    anchor(1, 10, 0, "unset"),
    record(2, 60, 0, "unset"),
    record(3, 61, 0, "unset"),
    record(4, 7000, NOW_MS, "synced"),
    anchor(5, 7200, NOW_MS),
]


def take(ledger: Ledger, *lines: bytes) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", lines)


def told(ledger: Ledger, **wanted: Any) -> list[times.Time]:
    return [time for many in times.tell(ledger.database, export.Wanted(**wanted)) for time in many]


def counted(ledger: Ledger) -> list[dict[str, int]]:
    return [stream.dated for stream in coverage.survey(ledger.database, NOW_MS).streams]


@pytest.mark.parametrize("order", list(itertools.permutations(range(5)))[::17])
def test_times_are_the_same_whatever_came_first_and_what_came_twice(
    ledger: Ledger, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for at in (*order, order[0]):
        take(ledger, STORY[at])
    answer = told(ledger)
    assert [time.dated.basis for time in answer] == ["anchor", "anchor", "anchor", "clock", "clock"]
    assert [time.dated.time_ms for time in answer[1:3]] == [NOW_MS + 60_000, NOW_MS + 61_000]
    assert {time.dated.by for time in answer[:3]} == {f"hq/edge-01/{EPOCH}/5"}
    assert answer[1].time == "1970-01-01T00:01:00.000Z", "the original stays"
    assert counted(ledger) == [{"clock": 2, "anchor": 3, "order": 0}]


def test_a_good_anchor_that_comes_hours_later_dates_what_was_here_before(ledger: Ledger, tmp_path: Path) -> None:
    take(ledger, *STORY[:3])
    assert counted(ledger) == [{"clock": 0, "anchor": 0, "order": 3}]
    take(ledger, STORY[4])
    assert counted(ledger) == [{"clock": 1, "anchor": 3, "order": 0}]


LONG = {"waited_ms": 3650 * 86_400_000}


def test_a_wait_over_a_reboot_is_dated_by_the_boot_it_names(ledger: Ledger) -> None:
    waits = LONG | {"waited_since": {"boot": "b1", "boot_ns": 7_300_000_000_000}}
    lines = [record(6, 40, 0, "unset", "b2", waits=waits), anchor(7, 90, NOW_MS + 10**9, boot="b2")]
    take(ledger, *STORY, *lines)
    dated = told(ledger)[5].dated
    assert (dated.basis, dated.earliest_ms) == ("anchor", NOW_MS + 7_300_000 - 509 - 10)
    assert dated.latest_ms == NOW_MS + 10**9 + 40_000 + 509 + 5
    assert counted(ledger) == [{"clock": 3, "anchor": 4, "order": 0}]


@pytest.mark.parametrize(
    "since", [7, "b1", {}, {"boot": "b1"}, {"boot": 1, "boot_ns": 1}, {"boot": "b1", "boot_ns": True}]
)
def test_a_moment_that_is_none_narrows_nothing(ledger: Ledger, since: object) -> None:
    take(ledger, *STORY, record(6, 40, 0, "unset", "b2", waits=LONG | {"waited_since": since}))
    take(ledger, anchor(7, 90, NOW_MS + 10**9, boot="b2"))
    assert (told(ledger)[5].dated.earliest_ms or 0) < NOW_MS - 3600 * 86_400_000


def test_a_box_that_has_run_for_years_is_dated_like_any_other(ledger: Ledger, tmp_path: Path) -> None:
    years_s = 3 * 365 * 86_400
    since = NOW_MS - years_s * 1000
    take(ledger, record(1, years_s, 0, "unset"), record(2, years_s + 60, since, "synced"))
    take(ledger, anchor(3, years_s + 60, since))
    answer = told(ledger)
    assert [time.dated.basis for time in answer] == ["anchor", "clock", "clock"]
    assert answer[0].dated.time_ms == NOW_MS
    assert counted(ledger) == [{"clock": 2, "anchor": 1, "order": 0}]


def test_a_step_is_as_good_as_the_anchor_that_follows_it(ledger: Ledger, tmp_path: Path) -> None:
    take(ledger, STORY[1], record(6, 90, NOW_MS, "synced", type="clock.stepped", to_offset_ms=NOW_MS))
    assert told(ledger)[0].dated.time_ms == NOW_MS + 60_000


def test_an_epoch_that_follows_another_one_bounds_it(ledger: Ledger, tmp_path: Path) -> None:
    lost = dict.fromkeys(("epoch", "first", "last", "count", "from", "to", "device", "cause"))
    previous = {"epoch": EPOCH, "seq": 2, "hash": None}
    begin = {"type": "records.lost", "lost": lost, "previous": previous, "epoch": LATER_EPOCH, "boot": "b2"}
    later = [
        record(1, 5, NOW_MS, "synced", **begin),
        anchor(2, 5, NOW_MS, boot="b2", epoch=LATER_EPOCH),
    ]
    take(ledger, *later, *STORY[:2])
    unset = told(ledger, epoch=EPOCH)[1].dated
    assert (unset.basis, unset.earliest_ms, unset.between) == ("order", None, (None, f"hq/edge-01/{LATER_EPOCH}/2"))
    assert unset.latest_ms == NOW_MS + 9 + 500 + 1
    take(ledger, STORY[2])
    assert told(ledger, epoch=EPOCH)[1].dated.latest_ms == NOW_MS + 9 + 500 + 1 - 1000 + 1, "one more second passed"


def test_clocks_that_make_no_sense_are_dated_by_nothing(ledger: Ledger, tmp_path: Path) -> None:
    clocks: list[Any] = [
        None,
        7,
        {},
        {"boot": "b1", "boot_ns": 2**70, "state": "unset"},
        {"boot": "b1", "boot_ns": -1},
    ]
    take(ledger, *(line(seq, PREV, clock=clock) for seq, clock in enumerate(clocks, 1)))
    take(
        ledger,
        line(9, PREV, time="2026-13-45T99:00:00Z"),
        record(10, 5, NOW_MS, "synced", type="clock.anchor", offset_ms=2**80),
    )
    take(ledger, record(11, 6, 0, "unset"))
    assert [time.dated.basis for time in told(ledger, since_seq=1)][-3:] == ["order", "clock", "order"]
    assert counted(ledger)[0]["order"] == 7


def test_the_command_prints_when_and_how_that_is_known(ledger: Ledger, place: str, tmp_path: Path) -> None:
    take(ledger, *STORY)
    file = tmp_path / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtt://127.0.0.1:1"\ndatabase = "{place}"\n')
    arguments = ["times", "-c", str(file), "--since-seq", "2", "--basis", "anchor"]
    plain = CliRunner().invoke(command, arguments, catch_exceptions=False).output.splitlines()
    by = f"hq/edge-01/{EPOCH}/5"
    at = timestamp(NOW_MS + 60_000)
    assert plain[0] == f"hq/edge-01/{EPOCH}/2  1970-01-01T00:01:00.000Z  {at} ± 1.223 s, by anchor {by}, synced"
    assert len(plain) == 2
    first = json.loads(CliRunner().invoke(command, [*arguments, "--json"]).output.splitlines()[0])
    assert (first["id"], first["type"]) == (f"hq/edge-01/{EPOCH}/2", "punchgate.punch.v1")
    assert first["dated"] == {
        "time": at,
        "error_ms": 1223,
        "earliest": timestamp(NOW_MS + 60_000 - 1223),
        "latest": timestamp(NOW_MS + 60_000 + 1223),
        "basis": "anchor",
        "quality": "synced",
        "by": by,
        "between": None,
    }


# --- a ledger of an earlier version


def doubts(path: Path) -> list[tuple[int, int | None, int]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT seq, waited_ms, device_error_ms FROM doubts ORDER BY seq").fetchall()


@only_a_file
def test_a_ledger_of_version_1_is_brought_forward_after_a_copy_was_made(ledger: Ledger, tmp_path: Path) -> None:
    take(ledger, *STORY)
    before, path = told(ledger), tmp_path / "ledger.sqlite"
    ledger.close()
    make_old(path, 1)
    with pytest.raises(Unavailable, match="start `punchgate centre run`"):
        told(ledger)
    ledger.open()
    assert ledger.database.copied == tmp_path / "ledger.sqlite.schema-1"
    assert told(ledger) == before
    with sqlite3.connect(ledger.database.copied) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT count(*) FROM records").fetchone() == (5,)
    ledger.close()
    again = Ledger(open_database(str(path)), "centre-1", lambda: NOW_MS)
    again.open()
    assert again.database.copied is None
    again.close()


@pytest.mark.parametrize("version", [1, 4])
@only_a_file
def test_a_wait_is_kept_also_by_a_ledger_that_was_brought_forward_after_it_came(
    ledger: Ledger, tmp_path: Path, version: int
) -> None:
    waited = record(3, 61, 0, "unset", waits={"waited_ms": 9000}, device_clock={"error_ms": 700})
    take(ledger, *STORY[:2], waited, *STORY[3:])
    path = tmp_path / "ledger.sqlite"
    before = doubts(path)
    assert before == [(1, None, 0), (2, None, 0), (3, 9000, 700)]
    (dated,) = (time.dated for time in told(ledger, since_seq=3)[:1])
    assert dated.time_ms is not None
    assert dated.earliest_ms == dated.time_ms - 9000 - 700 - 1223
    assert dated.latest_ms == dated.time_ms + 700 + 1223
    ledger.close()
    make_old(path, version)
    ledger.open()
    assert ledger.database.copied == tmp_path / f"ledger.sqlite.schema-{version}"
    assert doubts(path) == before


@only_a_file
def test_a_ledger_that_cannot_be_copied_is_not_changed(ledger: Ledger, tmp_path: Path) -> None:
    take(ledger, *STORY)
    ledger.close()
    make_old(tmp_path / "ledger.sqlite", 1)
    (tmp_path / "ledger.sqlite.schema-1").mkdir()
    with pytest.raises(NotDurable):
        ledger.open()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as untouched:
        assert untouched.execute("PRAGMA user_version").fetchone() == (1,)


@only_a_file
def test_a_ledger_of_a_later_version_is_refused_untouched(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    for ask in (ledger.open, lambda: told(ledger)):
        with pytest.raises(NotDurable, match="written by a newer punchgate"):
            ask()
