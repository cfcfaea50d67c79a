"""Delivery: what the daemon says of itself, and whether records are settled."""

from __future__ import annotations

from dataclasses import replace

from check_bench import Bench, clean, only
from check_bench import daemon as told

from gateway.check.delivery import daemon, proof, settling
from gateway.check.past import Past

MINUTE_MS = 60_000


def test_no_running_daemon_is_a_note(bench: Bench) -> None:
    assert "none answers" in only(bench.examine(daemon), "note").what
    assert bench.examine(settling) == []


def test_a_running_daemon_is_named_with_its_trouble(bench: Bench) -> None:
    assert clean(bench.examine(daemon, told()))
    full = {"trouble": {"kind": "quota", "reason": "journal is full: 9 bytes in use"}}
    assert "journal is full" in only(bench.examine(daemon, told(journal=full)), "finding").what


def test_the_reason_of_the_uplink_is_a_finding_with_its_remedy(bench: Bench) -> None:
    down = {"connected": False, "reason": "broker says: not authorised (reason 135); give this client the right"}
    found = only(bench.examine(settling, told(uplink=down)), "finding")
    assert found.what == "uplink: not connected: broker says: not authorised (reason 135)"
    assert found.mend == "give this client the right"


def test_records_that_are_settled_or_just_made_are_in_order(bench: Bench) -> None:
    assert bench.examine(settling, told())[0].what == "records: 9 of 9 settled"
    fresh = replace(bench.case(told(settled=3)), past=past(bench, waiting_for_ms=MINUTE_MS - 1))
    assert clean(list(settling(fresh)))


def test_records_that_wait_for_minutes_are_a_finding_about_whoever_should_answer(bench: Bench) -> None:
    stuck = replace(bench.case(told(settled=3)), past=past(bench, waiting_for_ms=5 * MINUTE_MS))
    found = only(list(settling(stuck)), "finding")
    assert found.what == "records: 6 not settled, the oldest for 5 minutes"
    assert "centre" in found.mend
    bench.uplink("mqtt://127.0.0.1:1", 'settle = "puback"')
    stuck = replace(stuck, settings=bench.settings())
    assert "consumer" in only(list(settling(stuck)), "finding").mend


def test_puback_on_the_old_protocol_is_a_warning_that_nothing_is_proved(bench: Bench) -> None:
    assert bench.examine(proof) == []
    bench.uplink("mqtt://127.0.0.1:1", 'settle = "puback"', 'protocol = "3.1.1"')
    assert "cannot be proved" in only(bench.examine(proof), "warning").why


def past(bench: Bench, waiting_for_ms: int) -> Past:
    return Past(9, 4096, 0, bench.watch.unix_ms() - waiting_for_ms)
