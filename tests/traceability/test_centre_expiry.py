"""The personal-data limit of the ledger: the body goes, the number and the hash stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from centre_bench import Bench, Wall, eventually, only_a_file
from centre_lines import EPOCH, chain, extend, line

from traceability import coverage, expiry, export, times
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.streams import Key
from traceability.verify import verify

DAY_S = 86_400
DAY_MS = DAY_S * 1000
LINES = extend(chain(6), 6, lane="person-42")


def take(ledger: Ledger, *seqs: int) -> dict[str, int]:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [LINES[seq - 1] for seq in seqs])
    return dict(group.counts)


def exported(ledger: Ledger) -> list[bytes]:
    return [line for lines in export.slices(ledger.database, export.Wanted()) for line in lines]


@pytest.fixture
def old(ledger: Ledger, wall: Wall) -> Ledger:
    """Records 7..9 are forty days old, 1..3 a day."""
    take(ledger, 7, 8, 9)
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(8, "0" * 64, lane="person-43"), line(12, "0" * 64, gateway="edge-02")])
    wall.forward(39 * DAY_S)
    take(ledger, 1, 2, 3)
    wall.forward(DAY_S)
    assert ledger.expire(30 * DAY_MS) == 3
    return ledger


def test_nothing_is_printed_of_what_has_expired_and_it_still_counts(old: Ledger) -> None:
    assert exported(old) == LINES[:3]
    assert [time.id for many in times.tell(old.database, export.Wanted()) for time in many] == [
        f"hq/edge-01/{EPOCH}/{seq}" for seq in (1, 2, 3)
    ]
    (stream,) = coverage.survey(old.database, 0).streams
    assert (stream.held, stream.expired, stream.through) == (6, 3, 3)
    assert "  expired 3: number and hash are here, the body is gone" in list(coverage.survey(old.database, 0).lines())


@only_a_file
def test_the_bytes_are_nowhere_in_the_file(old: Ledger, place: str) -> None:
    old.close()
    assert b"person-4" not in Path(place).read_bytes()
    assert b"lobby-1" in Path(place).read_bytes()


def test_a_repeat_is_known_and_other_bytes_still_contradict(old: Ledger) -> None:
    assert take(old, 8) == {"repeated": 1}
    with old.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(9, "0" * 64)])
    assert group.counts["conflicts"] == 1


def test_the_chain_is_checked_over_what_has_expired(old: Ledger) -> None:
    assert take(old, 4, 5, 6, 10, 11) == {"new": 5}
    (checked,) = verify(old.database, export.Wanted())
    assert (checked.lines, checked.expired, checked.flaws) == (8, 3, [])
    with old.group([("hq", "edge-01")]) as group:
        assert group.receipt(Key("hq", "edge-01", EPOCH)).message["through"] == 12, "12 was refused"


def test_a_line_behind_an_expired_one_that_does_not_fit_is_a_broken_chain(old: Ledger) -> None:
    with old.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [line(10, "e" * 64)])
    assert [alarm.event for alarm in group.alarms] == ["chain.broken"]


def test_each_record_is_looked_at_once_a_slice_at_a_time(
    old: Ledger, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "SLICE_ROWS", 2)
    assert old.expire(30 * DAY_MS) == 0
    wall.forward(30 * DAY_S)
    assert [old.expire(30 * DAY_MS) for _ in range(3)] == [2, 1, 0]
    assert exported(old) == []


def test_a_running_centre_lets_go_of_what_is_too_old(bench: Bench) -> None:
    ledger = Ledger(open_database(bench.database), "before", lambda: 1_000_000_000_000)
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", LINES[:3])
    ledger.close()
    centre = bench.centre(keep_days=30)  # type: ignore[arg-type]
    bench.gateway().send(LINES[3:5])
    assert eventually(lambda: centre.events("records.expired"))[0]["count"] == 3
    eventually(lambda: bench.stored() == LINES[3:5])
