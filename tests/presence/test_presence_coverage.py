"""What was watched, lane by lane."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from presence_world import at

from traceability.presence.coverage import WORST, Beat, Covered, Lost, Sign, State, paint
from traceability.presence.moments import Span
from traceability.presence.watch import Watches

WINDOW = Span(at(0), at(100))


def sign(seq: int, minute: float, kind: str = "punch", *, epoch: str = "e1", **more: object) -> Sign:
    more = {"lane": "gate", "device": "reader"} | more if kind == "punch" or kind.startswith("device.") else more
    name = f"hq/edge/{epoch}/{seq}"
    return Sign(name, at(minute), at(minute), "hq", "edge", epoch, seq, kind, **more)  # type: ignore[arg-type]


def beat(minute: float, newest: int, epoch: str = "e1", *, online: bool = True) -> Beat:
    return Beat("hq", "edge", at(minute), at(minute), online, epoch, newest)


def started(seq: int, minute: float, epoch: str = "e1") -> list[Sign]:
    return [sign(seq, minute, "gateway.started", epoch=epoch), sign(seq + 1, minute, "device.up", epoch=epoch)]


def told(*evidence: Sign | Beat) -> list[tuple[State, float, float]]:
    watches = Watches()
    for each in evidence:
        watches.add(each)
    return [
        (each.state, (each.span.begin_ms - at(0)) / 60_000, (each.span.end_ms - at(0)) / 60_000)
        for each in watches.coverage("hq", WINDOW)
    ]


def test_records_in_a_row_were_watched_and_what_is_behind_the_last_sign_is_still_to_come() -> None:
    assert told(*started(1, 10), sign(3, 40), sign(4, 60)) == [
        ("unknown", 0, 10),
        ("observed", 10, 60),
        ("pending", 60, 100),
    ]


def test_a_heartbeat_that_names_the_newest_record_vouches_for_the_silence() -> None:
    assert told(*started(1, 0), sign(3, 40), beat(90, 3)) == [("observed", 0, 90), ("pending", 90, 100)]


def test_a_heartbeat_that_knows_of_more_records_does_not() -> None:
    assert told(*started(1, 0), sign(3, 40), beat(90, 5)) == [("observed", 0, 40), ("pending", 40, 100)]


def test_a_missing_number_makes_its_time_pending_until_it_comes() -> None:
    first = [*started(1, 0), sign(3, 20), sign(5, 60), beat(100, 5)]
    assert told(*first) == [("observed", 0, 20), ("pending", 20, 60), ("observed", 60, 100)]
    assert told(*first, sign(4, 30)) == [("observed", 0, 100)]


def test_what_is_declared_lost_is_lost_and_no_longer_pending() -> None:
    loss = sign(6, 70, "records.lost", lost=Lost("e1", 4, 4, None, None, None, "pruned"))
    assert told(*started(1, 0), sign(3, 20), sign(5, 60), loss, beat(100, 6)) == [
        ("observed", 0, 20),
        ("lost", 20, 60),
        ("observed", 60, 100),
    ]


def test_what_was_declared_lost_and_came_after_all_is_not_lost() -> None:
    loss = sign(5, 70, "records.lost", lost=Lost("e1", 4, 4, None, None, None, "pruned"))
    assert told(*started(1, 0), sign(3, 20), sign(4, 30), loss, beat(100, 5)) == [("observed", 0, 100)]


def test_a_loss_of_one_device_is_that_of_its_lane_only() -> None:
    loss = sign(5, 70, "records.lost", lost=Lost(None, None, None, at(30), at(50), "reader", "quota"))
    other = sign(4, 20, lane="side", device="other")
    watches = Watches()
    for each in (*started(1, 0), sign(3, 20), other, loss, beat(100, 5)):
        watches.add(each)
    lost = {each.lane: each.span for each in watches.coverage("hq", WINDOW) if each.state == "lost"}
    assert lost == {"gate": Span(at(30), at(50))}


def test_a_gateway_that_was_stopped_saw_nothing_until_it_started() -> None:
    assert told(*started(1, 0), sign(3, 20, "gateway.stopped"), *started(4, 50), beat(100, 5)) == [
        ("observed", 0, 20),
        ("blind", 20, 50),
        ("observed", 50, 100),
    ]


def test_a_gateway_that_died_is_blind_since_it_was_last_heard() -> None:
    assert told(*started(1, 0), sign(3, 20), beat(30, 3), *started(4, 50), beat(100, 5)) == [
        ("observed", 0, 30),
        ("blind", 30, 50),
        ("observed", 50, 100),
    ]


def test_a_device_that_is_down_blinds_its_lane_until_it_is_up() -> None:
    down, up = sign(3, 20, "device.down"), sign(4, 60, "device.up")
    assert told(*started(1, 0), down, up, beat(100, 4)) == [
        ("observed", 0, 20),
        ("blind", 20, 60),
        ("observed", 60, 100),
    ]


def test_a_device_that_is_not_heard_after_a_start_blinds_its_lane() -> None:
    again = sign(4, 50, "gateway.started")
    assert told(*started(1, 0), sign(3, 50, "gateway.stopped"), again, sign(5, 70, "device.up"), beat(100, 5)) == [
        ("observed", 0, 50),
        ("blind", 50, 70),
        ("observed", 70, 100),
    ]


def test_what_came_out_of_a_devices_memory_does_not_vouch_for_its_time() -> None:
    late = replace(sign(4, 10), live=False)
    assert told(*started(1, 50), sign(3, 60), late, beat(100, 4)) == [
        ("unknown", 0, 50),
        ("observed", 50, 100),
    ]


def test_another_journal_begins_blind_behind_the_one_before() -> None:
    assert told(*started(1, 0), *started(1, 40, "e2"), beat(20, 2), beat(100, 2, "e2")) == [
        ("observed", 0, 20),
        ("blind", 20, 40),
        ("observed", 40, 100),
    ]


def test_an_alarm_takes_the_names_from_all_lanes_of_its_portal_until_it_ends() -> None:
    on = sign(3, 20, "portal.fire", lane="other", portal="p", active=True)
    off = sign(4, 60, "portal.fire", lane="other", portal="p", active=False)
    up = replace(started(1, 0)[1], portal="p")
    told_gate = [each for each in _watched(started(1, 0)[0], up, on, off, beat(100, 4)) if each.lane == "gate"]
    assert [(each.state, each.span) for each in told_gate] == [
        ("observed", Span(at(0), at(20))),
        ("blind", Span(at(20), at(60))),
        ("observed", Span(at(60), at(100))),
    ]


def test_a_sensor_that_is_found_to_be_silent_was_blind_since_the_last_pass_it_told_of() -> None:
    passed, fault = sign(3, 20, "passage.sensed", lane="gate"), "no pass sensed over 20 reads"
    found = sign(5, 60, "device.fault", device=None, reason=fault)
    assert told(*started(1, 0), passed, sign(4, 40), found, beat(100, 5)) == [
        ("observed", 0, 20),
        ("blind", 20, 60),
        ("observed", 60, 100),
    ]


def test_a_lane_that_was_moved_to_another_gateway_is_not_waited_for_at_the_old_one() -> None:
    new = [replace(each, gateway="new", epoch="e9") for each in (*started(1, 50), sign(3, 60))]
    old = [*started(1, 0), sign(3, 40), sign(4, 50, "gateway.stopped")]
    covered = _watched(*old, *new, replace(beat(100, 3, "e9"), gateway="new"))
    assert [(each.state, each.span) for each in covered] == [("observed", WINDOW)]


def _watched(*evidence: Sign | Beat) -> list[Covered]:
    watches = Watches()
    for each in evidence:
        watches.add(each)
    return watches.coverage("hq", WINDOW)


def test_what_was_not_known_then_is_not_in_the_coverage_of_then() -> None:
    watches = Watches()
    for each in (*started(1, 0), sign(3, 20), replace(sign(4, 40), known_ms=at(500))):
        watches.add(each)
    states = [each.state for each in watches.as_known_at(at(499)).coverage("hq", Span(at(0), at(40)))]
    assert states == ["observed", "pending"]


LAYERS = st.lists(
    st.tuples(st.integers(-5, 25), st.integers(0, 15), st.sampled_from(WORST[:4])).map(
        lambda each: (Span(each[0], each[0] + each[1]), each[2], "")
    ),
    max_size=8,
)


@given(LAYERS)
def test_spans_cover_the_window_without_a_gap_and_the_worst_one_counts(layers: list[tuple[Span, State, str]]) -> None:
    covered = list(paint("hq", "gate", Span(0, 20), layers))
    assert [each.span.begin_ms for each in covered] == [0, *(each.span.end_ms for each in covered)][:-1]
    assert covered[-1].span.end_ms == 20
    assert all(first.state != second.state for first, second in pairwise(covered))
    for at_ms in range(20):
        states = {state for span, state, _ in layers if span.holds(at_ms)} | {"unknown"}
        assert _state(covered, at_ms) == min(states, key=WORST.index)


def _state(covered: list[Covered], at_ms: int) -> State:
    return next(each.state for each in covered if each.span.holds(at_ms))
