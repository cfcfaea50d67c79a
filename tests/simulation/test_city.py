"""The city as a whole: the same seed, whole chains, and a truth that the records agree with wherever they can."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.simulation.city import compare, deliveries, files
from gateway.simulation.city.build import City, build
from gateway.simulation.city.compare import Claim
from gateway.simulation.city.deliveries import Writer, shuffled
from gateway.simulation.city.settings import DAY, HOUR, MINUTE, Settings
from gateway.wire import GENESIS, Line, line_hash, read_line

SMALL = Settings(2, 60, 2)
CALM = Settings(2, 60, 2, calm=True)
ROUGH = Settings(4, 120, 4, seed=5)


@cache
def city(settings: Settings) -> City:
    return build(settings)


def records(it: City) -> list[Line]:
    return [read_line(line) for each in it.deliveries() if each.leaf != "state" for line in each.lines]


def hourly(it: City) -> list[tuple[str, int]]:
    settings = it.plan.settings
    return list(compare.samples(it.truth, settings.begin_ms, settings.end_ms, HOUR))


def folded(it: City) -> compare.Verdict:
    stays = compare.fold(it.truth, compare.steps(it.plan.layout, it.deliveries()))
    return compare.compare(it.truth, compare.claims_of(stays), hourly(it))


def test_the_same_seed_makes_the_same_bytes_and_another_one_others() -> None:
    again = build(SMALL)
    assert list(again.deliveries()) == list(city(SMALL).deliveries())
    assert again.truth == city(SMALL).truth
    assert list(build(Settings(2, 60, 2, seed=2)).deliveries()) != list(again.deliveries())


def test_in_a_calm_city_the_plainest_fold_of_punches_is_the_truth_to_the_millisecond() -> None:
    it = city(CALM)
    stays = compare.fold(it.truth, compare.steps(it.plan.layout, it.deliveries()))
    assert len(stays) > 300
    assert stays == list(it.truth.stays)
    assert not it.truth.unseen
    assert not it.truth.blind


@pytest.mark.parametrize("settings", [CALM, ROUGH])
def test_every_line_is_a_record_and_each_epoch_one_chain(settings: Settings) -> None:
    by_epoch: dict[tuple[str, str, str], dict[int, Line]] = {}
    for line in records(city(settings)):
        seqs = by_epoch.setdefault((line.site, line.gateway, line.epoch), {})
        assert line.seq not in seqs
        seqs[line.seq] = line
    for seqs in by_epoch.values():
        for seq, line in seqs.items():
            if seq == 1:
                assert line.prev == GENESIS
            elif seq - 1 in seqs:
                assert line.prev == line_hash(seqs[seq - 1].raw)


def test_what_is_missing_of_an_epoch_was_declared_lost_or_is_still_on_its_way() -> None:
    lines = records(city(ROUGH))
    held = {(line.site, line.gateway, line.epoch, line.seq) for line in lines}
    newest: dict[tuple[str, str, str], int] = {}
    for line in lines:
        key = (line.site, line.gateway, line.epoch)
        newest[key] = max(line.seq, newest.get(key, 0))
    missing = {(*key, seq) for key, last in newest.items() for seq in range(1, last + 1)} - held
    declared = set()
    for line in lines:
        lost = line.data["lost"] if line.type == "punchgate.records.lost.v1" else {"first": None}
        if lost["first"] is not None:
            seqs = range(lost["first"], lost["last"] + 1)
            declared |= {(line.site, line.gateway, lost["epoch"], seq) for seq in seqs}
    assert missing <= declared
    assert not declared & held


def test_messages_of_all_gateways_come_in_the_order_of_their_arrival() -> None:
    arrived = [each.arrive_ms for each in city(ROUGH).deliveries()]
    assert arrived == sorted(arrived)


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_where_records_can_tell_they_are_right_however_much_breaks(seed: int) -> None:
    verdict = folded(city(Settings(4, 120, 4, seed=seed)))
    assert verdict.wrong == 0, verdict.examples
    assert verdict.agreed > 0.8 * verdict.total
    assert verdict.unflagged > 0


def test_a_centre_that_flags_what_is_doubtful_passes_and_one_that_guesses_does_not() -> None:
    it = city(ROUGH)
    honest = compare.compare(
        it.truth,
        lambda who, at_ms: Claim(it.truth.place_of(who, at_ms), it.truth.doubt(who, at_ms) is not None),
        hourly(it),
    )
    assert (honest.wrong, honest.unflagged, honest.overcautious) == (0, 0, 0)
    assert honest.flagged > 0
    guess = compare.compare(it.truth, lambda who, at_ms: Claim(("s01", "b1")), hourly(it), examples=3)
    assert guess.wrong > 0
    assert len(guess.examples) == 3
    assert next(guess.lines()).split("%", maxsplit=1)[0].strip() == f"{100 * guess.agreed / guess.total:.3f}"


def test_all_kinds_of_people_are_there_and_do_what_they_do() -> None:
    it = city(ROUGH)
    kinds = Counter(person.kind for person in it.truth.persons.values())
    assert set(kinds) == {"staff", "shift", "guard", "courier", "visitor", "cleaner", "crew"}
    stays = [(it.truth.persons[stay.person], stay) for stay in it.truth.stays]
    midnights = [it.plan.settings.midnight_ms(day) for day in range(1, 4)]
    assert any(
        person.kind == "shift" and stay.to_ms and any(stay.from_ms < night < stay.to_ms for night in midnights)
        for person, stay in stays
    )
    sites = {kind: {stay.site for person, stay in stays if person.kind == kind} for kind in kinds}
    assert len(sites["courier"]) == 4
    assert {stay.zone for person, stay in stays if person.kind == "crew"} == {"trench"}
    assert any(len(person.cards) > 1 for person in it.truth.persons.values())
    assert any(stay.to_ms and stay.to_ms - stay.from_ms < 15 * MINUTE for person, stay in stays)


def test_nobody_is_at_two_places_and_no_card_is_two_peoples_at_a_time() -> None:
    it = city(ROUGH)
    for person in it.truth.persons:
        stays = it.truth.trajectory(person, 0, 2**62)
        for before, after in pairwise(stays):
            assert before.to_ms is not None
            assert before.to_ms <= after.from_ms
    by_token: dict[str, list[tuple[int, int]]] = {}
    for bound in it.truth.bindings:
        by_token.setdefault(bound.token, []).append((bound.from_ms, bound.to_ms or 2**62))
    for spans in by_token.values():
        ordered = sorted(spans)
        assert all(before[1] <= after[0] for before, after in pairwise(ordered))


def test_a_roster_a_headcount_and_the_contacts_agree_with_counting_minute_by_minute() -> None:
    truth, begin_ms = city(CALM).truth, CALM.begin_ms + 8 * HOUR
    noon_ms = CALM.begin_ms + 11 * HOUR
    everybody = {who: truth.place_of(who, noon_ms) for who in truth.persons}
    for site in ("s01", "s02"):
        roster = truth.roster(site, noon_ms)
        assert {who: zone for zone, people in roster.items() for who in people} == {
            who: place[1] for who, place in everybody.items() if place and place[0] == site
        }
        assert truth.headcount(site, noon_ms) == sum(truth.headcount(site, noon_ms, zone) for zone in roster)
    who = max(truth.persons, key=lambda each: len(truth.contacts(each, begin_ms, noon_ms)))
    contacts = truth.contacts(who, begin_ms, noon_ms)
    minutes: Counter[str] = Counter()
    for at_ms in range(begin_ms, noon_ms, MINUTE):
        here = truth.place_of(who, at_ms)
        minutes.update(
            other for other in truth.persons if here and other != who and truth.place_of(other, at_ms) == here
        )
    assert contacts
    assert set(minutes) <= set(contacts)
    stays = len(truth.trajectory(who, begin_ms, noon_ms)) + 4
    assert all(abs(ms - minutes[other] * MINUTE) <= 2 * stays * MINUTE for other, ms in contacts.items())
    assert all(truth.contacts(other, begin_ms, noon_ms)[who] == ms for other, ms in contacts.items())


def test_whom_a_contact_met_before_the_contact_is_no_second_degree() -> None:
    truth, begin_ms, end_ms = city(CALM).truth, CALM.begin_ms, CALM.begin_ms + DAY
    who = next(each for each in truth.persons if truth.second_degree(each, begin_ms, end_ms, 5 * MINUTE))
    first = truth.contacts(who, begin_ms, end_ms, 5 * MINUTE)
    second = truth.second_degree(who, begin_ms, end_ms, 5 * MINUTE)
    assert not set(second) & {who, *first}
    without_order = {third for other in first for third in truth.contacts(other, begin_ms, end_ms, 5 * MINUTE)}
    assert set(second) <= without_order


def test_shuffled_deliveries_are_the_same_records_in_another_order_some_twice_some_a_week_late() -> None:
    plain = list(city(CALM).deliveries())
    other = shuffled(plain, 3)
    assert other == shuffled(plain, 3)
    assert other != shuffled(plain, 4)
    lines = {line for each in plain for line in each.lines}
    assert {line for each in other for line in each.lines} == lines
    doubled = Counter(line for each in other if each.leaf != "state" for line in each.lines)
    assert max(doubled.values()) == 2
    assert [each.arrive_ms for each in other] == sorted(each.arrive_ms for each in other)
    assert other[-1].arrive_ms > CALM.end_ms + 5 * DAY


def test_a_city_on_disk_is_read_as_it_was_written(tmp_path: Path) -> None:
    it = city(ROUGH)
    folder = tmp_path / "deliveries"
    folder.mkdir()
    for name, sent in it.by_gateway.items():
        writer = Writer(folder / f"{'+'.join(name)}{deliveries.SUFFIX}")
        for each in sent:
            writer(each)
        writer.close()
    assert list(deliveries.read_all(tmp_path)) == list(it.deliveries())
    files.save(it.truth, tmp_path / "truth")
    assert files.load(tmp_path / "truth") == it.truth
    files.save(it.truth, tmp_path / "other", it.plan.walk.stays())
    assert files.load(tmp_path / "other") == it.truth


def test_no_record_names_a_person_or_a_card_number() -> None:
    it = city(ROUGH)
    words = set(it.plan.crowd.cards) | set(it.truth.persons)
    for line in records(it):
        assert not words & set(json.dumps(line.data).split('"'))


@pytest.mark.parametrize("wrong", [{"sites": 0}, {"people": 0}, {"days": 367}, {"heartbeat_s": 0}])
def test_a_city_of_impossible_size_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"1 (to|or)"):
        Settings(**wrong)  # type: ignore[arg-type]
