"""Each disturbance of a city shows in its records, and in the truth, where it was put and nowhere else."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from gateway.simulation.city.blame import Unseen
from gateway.simulation.city.build import City, Plan, build
from gateway.simulation.city.deliveries import Delivery
from gateway.simulation.city.layout import NOWHERE, lay_out
from gateway.simulation.city.people import id_of
from gateway.simulation.city.settings import HOUR, MINUTE, SECOND, Settings
from gateway.simulation.city.troubles import NONE, Death, Silence, Span, Troubles, draw
from gateway.simulation.city.walk import Habit, crossings
from gateway.wire import Line, read_line

SETTINGS = Settings(1, 120, 1, calm=True)
BUSY = Settings(1, 700, 2, seed=4)
GATE = ("s01", "edge-01")
DOORS = ("s01", "edge-02")
MORNING = Span(SETTINGS.begin_ms + 8 * HOUR, SETTINGS.begin_ms + 9 * HOUR)


@cache
def planned(settings: Settings = SETTINGS) -> Plan:
    return Plan(settings)


def played(troubles: Troubles = NONE, name: tuple[str, str] = GATE) -> City:
    """What a single gateway makes of the day, with just these troubles."""
    sent: list[Delivery] = []
    one = planned().play(name, sent.append, troubles)
    return City(planned(), {name: sent}, planned().truth([one]))


@cache
def busy() -> City:
    return build(BUSY)


def lines(it: City, kind: str = "", name: tuple[str, str] = GATE) -> list[Line]:
    found = [read_line(line) for each in it.by_gateway[name] if each.leaf != "state" for line in each.lines]
    return [line for line in found if line.type.startswith(f"punchgate.{kind}")]


def time_ms(line: Line) -> int:
    return round(datetime.fromisoformat(line.time).timestamp() * 1000)


def whys(it: City) -> set[str]:
    return {unseen.why for unseen in it.truth.unseen}


def the_blind(it: City) -> Any:
    (blind,) = it.truth.blind
    return blind


def within(unseen: tuple[Unseen, ...], span: Span, after_ms: int = 0) -> bool:
    return all(span.from_ms <= each.at_ms < span.to_ms + after_ms for each in unseen)


def test_while_the_network_is_away_nothing_arrives_and_afterwards_all_of_it_by_replay() -> None:
    it, calm = played(Troubles(outages=(MORNING,))), played()
    late = [each for each in it.by_gateway[GATE] if MORNING.from_ms + SECOND < each.arrive_ms < MORNING.to_ms]
    assert [each.leaf for each in late] == ["state"]
    assert b'"offline"' in late[0].lines[0]
    replayed = [line for each in it.by_gateway[GATE] if each.leaf == "replay" for line in each.lines]
    assert len(replayed) > 50
    assert {line.raw for line in lines(it)} == {line.raw for line in lines(calm)}
    assert not it.truth.unseen


def test_a_killed_gateway_sees_nobody_until_it_is_started_again() -> None:
    it = played(Troubles(deaths=(Death(MORNING, is_power_cut=False),)))
    assert not [line for line in lines(it) if MORNING.from_ms <= time_ms(line) < MORNING.to_ms]
    assert len(lines(it, "gateway.started")) == 2
    assert len({line.epoch for line in lines(it)}) == 1
    assert len({line.data["clock"]["boot"] for line in lines(it)}) == 1
    assert {unseen.site for unseen in it.truth.unseen} == {"s01"}
    assert "gateway_dead" in whys(it)
    assert within(it.truth.unseen, MORNING, 20 * SECOND)
    assert (the_blind(it).lane, the_blind(it).from_ms, the_blind(it).to_ms) == (None, MORNING.from_ms, MORNING.to_ms)


def test_a_read_that_was_open_at_the_kill_ends_ambiguous() -> None:
    calm = played()
    read = next(line for line in lines(calm, "credential.read") if line.data["lane"].startswith("gate"))
    span = Span(time_ms(read) + 100, time_ms(read) + 60 * SECOND)
    it = played(Troubles(deaths=(Death(span, is_power_cut=True),)))
    punch = next(line for line in lines(it, "punch") if line.data["outcome"] == "ambiguous")
    assert punch.data["refs"]["read"] == read.seq
    assert len({line.data["clock"]["boot"] for line in lines(it)}) == 2


def test_a_clock_that_starts_in_1970_is_put_right_by_the_anchor_of_its_boot() -> None:
    death = Death(MORNING, is_power_cut=True, clock="unset", wrong_ms=30 * MINUTE)
    it = played(Troubles(deaths=(death,)))
    unset = [line for line in lines(it) if line.data["clock"]["state"] == "unset"]
    assert len(unset) > 10
    assert all(line.time.startswith("1970-01-01") for line in unset)
    boot = unset[0].data["clock"]["boot"]
    anchors = [line.data for line in lines(it, "clock.anchor") if line.data["boot"] == boot]
    good = next(anchor for anchor in anchors if anchor["quality"]["state"] == "synced")
    assert {anchor["why"] for anchor in anchors} >= {"start", "first_sync", "step"}
    for line in unset:
        dated_ms = good["offset_ms"] + line.data["clock"]["boot_ns"] // 1_000_000
        assert MORNING.to_ms <= dated_ms <= MORNING.to_ms + 30 * MINUTE
    assert {blind.why for blind in it.truth.blind} == {"gateway_dead", "clock_unset"}


def test_a_restored_clock_is_off_by_its_skew_and_then_stepped() -> None:
    death = Death(MORNING, is_power_cut=True, clock="restored", wrong_ms=10 * MINUTE, skew_ms=-7 * MINUTE)
    it = played(Troubles(deaths=(death,)))
    started = lines(it, "gateway.started")[1]
    assert started.data["clock"]["state"] == "restored"
    assert started.data["clock"]["error_ms"] is None
    assert time_ms(started) == MORNING.to_ms - 7 * MINUTE
    assert [line.data["by_ms"] for line in lines(it, "clock.stepped")] == [7 * MINUTE]


def test_a_clock_in_holdover_stays_within_the_error_it_states() -> None:
    it, calm = played(Troubles(holdovers=(MORNING,))), played()
    held = 0
    for line, true in zip(lines(it), lines(calm), strict=True):
        off_ms = abs(time_ms(line) - time_ms(true))
        assert off_ms <= line.data["clock"]["error_ms"]
        held += line.data["clock"]["state"] == "holdover" and off_ms > 0
    assert held > 20


def silence(device: str, *, said: bool, name: tuple[str, str] = GATE) -> Troubles:
    lanes = planned().layout.lanes
    number = next(
        n for n, lane in enumerate(lanes) if device.startswith(lane.rules.id) and (lane.site, lane.gateway) == name
    )
    return Troubles(silences=(Silence(MORNING, number, device, said),))


def test_a_sensor_that_dies_and_says_so_leaves_reads_ambiguous() -> None:
    it = played(silence("gate-1-arm", said=True))
    assert [time_ms(line) for line in lines(it, "device.down")] == [MORNING.from_ms]
    assert time_ms(lines(it, "device.up")[-1]) == MORNING.to_ms
    doubtful = [line for line in lines(it, "punch") if line.data["outcome"] == "ambiguous"]
    assert doubtful
    assert all(MORNING.from_ms - 5 * SECOND <= time_ms(line) <= MORNING.to_ms for line in doubtful)
    assert whys(it) == {"device_down"}
    assert within(it.truth.unseen, MORNING, 10 * SECOND)
    assert (the_blind(it).lane, the_blind(it).device) == ("gate-1", "gate-1-arm")


def test_a_sensor_that_dies_and_says_nothing_is_found_out_and_reads_are_assumed_from_then() -> None:
    it = played(silence("gate-1-arm", said=False))
    (fault,) = lines(it, "device.fault")
    before = [line for line in lines(it, "punch") if line.data["lane"] == "gate-1" and line.seq < fault.seq]
    assert all(line.data["outcome"] in ("not_taken", "ambiguous") for line in before[-20:])
    assert all(time_ms(line) > MORNING.from_ms - HOUR for line in before[-20:])
    assumed = [
        line for line in lines(it, "punch") if line.data["lane"] == "gate-1" and line.data["outcome"] == "assumed"
    ]
    assert assumed
    assert all(time_ms(line) >= time_ms(fault) for line in assumed)
    assert whys(it) == {"silent_sensor"}


def test_who_follows_close_when_a_sensor_comes_back_is_in_doubt_for_an_older_read_may_take_his_pass() -> None:
    plan = planned(Settings(1, 700, 1, seed=4, calm=True))
    lane = next(n for n, each in enumerate(plan.layout.lanes) if each.rules.id == "gate-1")
    there = [
        it for it in crossings(plan.walk.kept(GATE)) if (it.lane, it.is_in, it.habit) == (lane, True, Habit.PLAIN)
    ]
    ahead, behind = next(pair for pair in pairwise(there) if pair[1].read_ms - pair[0].pass_ms < 2 * SECOND)
    away = Span(ahead.read_ms - MINUTE, ahead.pass_ms + 1)
    sent: list[Delivery] = []
    one = plan.play(GATE, sent.append, Troubles(silences=(Silence(away, lane, "gate-1-arm", said=True),)))
    taken = next(
        line
        for line in lines(City(plan, {GATE: sent}, plan.truth([one])), "punch")
        if time_ms(line) == behind.pass_ms
    )
    assert taken.data["subject"]["token"] == plan.crowd.token(ahead.card)
    assert (id_of(behind.person), behind.pass_ms) in {(each.person, each.at_ms) for each in one.unseen}


def test_a_reader_that_dies_leaves_passes_without_a_name() -> None:
    it = played(silence("gate-1-in", said=True))
    forced = [line for line in lines(it, "punch") if line.data["outcome"] == "forced"]
    assert len(forced) == len([each for each in it.truth.unseen if each.lane == "gate-1"])
    assert all(line.data["confidence"] == "ambiguous" for line in forced if time_ms(line) < MORNING.to_ms)
    assert whys(it) == {"device_down"}


def test_a_full_journal_says_which_devices_it_did_not_hear_and_how_often() -> None:
    it = played(Troubles(full=(MORNING,)))
    assert not [line for line in lines(it, "credential") if MORNING.from_ms <= time_ms(line) < MORNING.to_ms]
    lost = [line.data["lost"] for line in lines(it, "records.lost")]
    assert {each["cause"] for each in lost} == {"quota"}
    assert {each["device"] for each in lost} >= {"gate-1-in", "gate-1-arm"}
    assert sum(each["count"] for each in lost) >= len(it.truth.unseen) > 5
    assert whys(it) <= {"lost", "device_down"}


def test_a_journal_that_breaks_takes_with_it_what_was_not_sent() -> None:
    cut = Span(MORNING.from_ms - HOUR, MORNING.from_ms + MINUTE)
    it = played(Troubles(outages=(cut,), deaths=(Death(MORNING, is_power_cut=True, loses="damage"),)))
    first = next(line for line in lines(it) if line.epoch != lines(it)[0].epoch)
    lost = first.data["lost"]
    assert (first.seq, lost["cause"], lost["epoch"]) == (1, "damage", lines(it)[0].epoch)
    held = [line.seq for line in lines(it) if line.epoch == lost["epoch"]]
    assert held == list(range(1, lost["first"]))
    assert lost["count"] == lost["last"] - lost["first"] + 1
    assert first.data["previous"]["seq"] == lost["last"]
    assert {each.why for each in it.truth.unseen if each.at_ms < MORNING.from_ms} == {"lost"}
    assert within(it.truth.unseen, Span(cut.from_ms, MORNING.to_ms), 20 * SECOND)


def test_of_a_long_outage_the_older_half_can_be_gone_and_is_declared() -> None:
    it = played(Troubles(pruned=(MORNING,)))
    (lost,) = (line.data["lost"] for line in lines(it, "records.lost"))
    seqs = {line.seq for line in lines(it)}
    assert lost["cause"] == "pruned"
    assert set(range(1, max(seqs) + 1)) - seqs == set(range(lost["first"], lost["last"] + 1))
    assert whys(it) == {"lost"}
    assert within(it.truth.unseen, MORNING)


def test_what_people_do_to_a_lane_shows_in_its_punches_and_in_the_truth() -> None:
    it = busy()
    why = Counter(each.why for each in it.truth.unseen)
    assert {"tailgate", "fire_door", "walked_away", "shared_card", "unbound"} <= set(why)
    outcomes = Counter(line.data["outcome"] for line in [*lines(it, "punch"), *lines(it, "punch", DOORS)])
    assert {"tailgate", "not_taken", "denied"} <= set(outcomes)
    assumed = {
        f"{line.site}/{line.gateway}/{line.epoch}/{line.seq}"
        for name in it.by_gateway
        for line in lines(it, "punch", name)
        if line.data["outcome"] == "assumed"
    }
    assert {each.record for each in it.truth.unseen if each.why == "walked_away"} <= assumed
    assert all(
        each.target == NOWHERE or each.target[1] == "yard" for each in it.truth.unseen if each.why == "fire_door"
    )


def test_an_operator_finds_out_some_of_it_later() -> None:
    it = busy()
    told = {each.kind for each in it.truth.corrections}
    assert told == {"move", "did_not_occur"}
    assert all(each.known_ms > each.at_ms for each in it.truth.corrections)
    records = {each.record for each in it.truth.unseen}
    assert all(each.target in records for each in it.truth.corrections if each.kind == "did_not_occur")


def test_who_leaves_by_a_lane_with_one_reader_is_counted_and_not_named() -> None:
    seed = next(n for n in range(50) if len(lay_out(Settings(seed=n, sites=1)).zones["s01"]) == 4)
    it = build(Settings(1, 150, 2, seed=seed))
    exits = [
        line
        for line in lines(it, "punch", DOORS)
        if line.data["lane"].startswith("b3") and line.data["direction"] == "out"
    ]
    assert exits
    assert {line.data["outcome"] for line in exits} == {"anonymous"}
    assert "one_sided" in whys(it)
    assert "one_sided" in {blind.why for blind in it.truth.blind}


def test_cards_are_bound_never_later_or_later_and_dated_back() -> None:
    it = busy()
    begin_ms = it.plan.settings.begin_ms
    bound = {each.token for each in it.truth.bindings}
    later = [each for each in it.truth.bindings if each.known_ms > begin_ms and each.to_ms is None]
    assert any(each.from_ms < begin_ms for each in later)
    assert any(each.from_ms == each.known_ms for each in later)
    assert any(not set(person.cards) & bound for person in it.truth.persons.values() if person.cards)


@pytest.mark.parametrize("seed", range(8))
def test_drawn_troubles_leave_room_between_each_other(seed: int) -> None:
    settings = Settings(1, 50, 30, seed=seed)
    layout = lay_out(settings)
    lanes = {number: layout.lanes[number] for number in layout.gateways[DOORS]}
    drawn = draw(settings, *DOORS, lanes)
    spans = [*(death.span for death in drawn.deaths), *(each.span for each in drawn.silences), *drawn.full]
    spans += [*drawn.pruned, *drawn.holdovers]
    ordered = sorted(spans, key=lambda span: span.from_ms)
    assert all(before.to_ms < after.from_ms for before, after in pairwise(ordered))
    assert all(settings.begin_ms < span.from_ms < span.to_ms < settings.end_ms for span in spans)
