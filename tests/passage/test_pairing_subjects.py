"""Tokens, views, and contacts that sense passes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from passage_story import ARM, KEY, LANE, QUALITY, Story, at, reader

from drivers import events
from gateway.clock import Moment
from gateway.passage import DeviceRules, Passage, Privacy
from gateway.records import Draft, Notice, PassageSensed, Punch

PRIVACY = Privacy("k1", KEY)
CLEAR = Privacy("k1", KEY, clear=True)
EXAMPLE = events.CardRead(scheme="em4100", value="0C000621A5", bits=40)


def test_the_worked_example_of_the_contract_gives_its_token() -> None:
    subject = PRIVACY.subject(EXAMPLE, ())
    assert subject.token == "k1:213a2e2c5a337b6548040af9024d0b27"
    assert (subject.kind, subject.scheme, subject.bits, subject.value) == ("credential", "em4100", 40, None)


def test_the_view_comes_before_the_token() -> None:
    subject = PRIVACY.subject(EXAMPLE, ("wiegand26",))
    assert (subject.scheme, subject.bits) == ("wiegand26", 26)
    same = events.CardRead(scheme="wiegand26", value="0621A5", bits=26)
    assert subject.token == PRIVACY.subject(same, ()).token


def test_clear_numbers_are_added_only_where_they_may_be() -> None:
    assert CLEAR.subject(EXAMPLE, ()).value == "0C000621A5"
    assert CLEAR.subject(events.CardRead(scheme="cn-id", value="11010519491231002X", bits=None), ()).value is None
    assert CLEAR.subject(events.Scan(value="text"), ()).value is None


def test_a_scan_is_a_credential_of_its_own_scheme() -> None:
    scan, card = events.Scan(value="hello"), events.CardRead(scheme="scan", value="hello", bits=None)
    subject = PRIVACY.subject(scan, ("wiegand26",))
    assert (subject.kind, subject.scheme, subject.bits) == ("credential", "scan", None)
    assert subject.token == PRIVACY.subject(card, ()).token


def test_a_key_is_not_shown_in_a_repr() -> None:
    assert "0011" not in repr(PRIVACY)
    assert repr(KEY) not in repr(PRIVACY)


def test_a_view_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="wiegand27"):
        Passage([LANE], [replace(reader("in"), view="wiegand27"), ARM], PRIVACY)


def test_a_device_nobody_configured_is_a_bug_of_the_caller() -> None:
    with pytest.raises(KeyError):
        Story().passage.handle("nobody", EXAMPLE, at(0))


def gate() -> tuple[Passage, list[DeviceRules]]:
    """A lane whose passes are contacts of an I/O module."""
    module = DeviceRules(
        "module",
        "modbus_turnstile",
        "lane",
        "both",
        "native",
        frozenset({"input", "passage"}),
        {},
        {"0": "pass_in", "1": "pass_out", "2": "fire"},
    )
    devices = [reader("in"), module]
    passage = Passage([LANE], devices, PRIVACY)
    for device in devices:
        passage.device_up(device.id, at(-10))
    return passage, devices


def test_the_rising_edge_of_a_pass_contact_is_a_passage() -> None:
    passage, _ = gate()
    passage.handle("reader-in", EXAMPLE, at(0))
    sensed, punch = passage.handle("module", events.Input(input="0", active=True), at(1))
    assert isinstance(sensed.body, PassageSensed)
    assert (sensed.body.direction, sensed.body.count) == ("in", 1)
    assert isinstance(punch.body, Punch)
    assert (punch.body.outcome, punch.body.direction) == ("completed", "in")
    assert passage.handle("module", events.Input(input="0", active=True), at(1.1)) == []
    assert passage.handle("module", events.Input(input="0", active=False), at(1.2)) == []


def test_a_pass_contact_that_is_found_closed_is_no_passage_but_its_next_edge_is() -> None:
    passage, _ = gate()
    assert passage.handle("module", events.Input(input="0", active=True, fields={"first": True}), at(1)) == []
    assert passage.handle("module", events.Input(input="0", active=False), at(2)) == []
    assert passage.handle("module", events.Input(input="0", active=True), at(3)) != []


def test_a_fire_contact_that_is_found_closed_is_a_fire() -> None:
    passage, _ = gate()
    (notice,) = passage.handle("module", events.Input(input="2", active=True, fields={"first": True}), at(1))
    assert isinstance(notice.body, Notice)
    assert notice.body.kind == "portal.fire"


def test_a_contact_nobody_mapped_says_nothing() -> None:
    passage, _ = gate()
    assert passage.handle("module", events.Input(input="7", active=True), at(1)) == []


def test_a_fire_input_covers_all_lanes_of_its_portal_until_the_last_one_clears() -> None:
    lanes = [LANE, replace(LANE, id="second"), replace(LANE, id="elsewhere", portal="yard")]
    fire = DeviceRules("fire", "modbus_turnstile", "lane", "both", "native", frozenset({"input"}), {}, {"0": "fire"})
    arms = [replace(ARM, id=f"arm-{lane.id}", lane=lane.id) for lane in lanes]
    devices = [fire, replace(fire, id="fire-2", lane="second"), *arms]
    passage = Passage(lanes, devices, PRIVACY)

    def outcomes(seconds: float) -> list[str]:
        told: list[Draft] = []
        for arm in arms:
            told += passage.handle(arm.id, events.Passage(direction="left"), at(seconds))
        told += passage.tick(at(seconds + 1))
        return [draft.body.outcome for draft in told if isinstance(draft.body, Punch)]

    for device in devices:
        passage.device_up(device.id, at(-10))
    passage.handle("fire", events.Input(input="0", active=True), at(0))
    passage.handle("fire-2", events.Input(input="0", active=True), at(1))
    assert outcomes(2) == ["anonymous", "anonymous", "forced"]
    passage.handle("fire", events.Input(input="0", active=False), at(4))
    assert outcomes(5) == ["anonymous", "anonymous", "forced"]
    passage.handle("fire-2", events.Input(input="0", active=False), at(7))
    assert outcomes(8) == ["forced", "forced", "forced"]


def test_lanes_do_not_disturb_each_other() -> None:
    lanes = [LANE, replace(LANE, id="second")]
    devices = [reader("in"), ARM, reader("in", "second", "reader-2"), replace(ARM, id="arm-2", lane="second")]
    passage = Passage(lanes, devices, PRIVACY)
    for device in devices:
        passage.device_up(device.id, at(-10))
    passage.handle("reader-in", EXAMPLE, at(0))
    drafts = passage.handle("arm-2", events.Passage(direction="left"), at(1))
    drafts += passage.handle("arm", events.Passage(direction="left"), at(2))
    outcomes = [(draft.body.outcome, draft.body.place.lane) for draft in drafts if isinstance(draft.body, Punch)]
    assert outcomes == [("completed", "lane")]


def test_pairing_never_looks_at_the_wall_clock() -> None:
    story = Story().read(0, "A")
    jumped = Moment(0, at(1).mono, 0, QUALITY)
    drafts = story.passage.handle("arm", events.Passage(direction="left"), jumped)
    assert [draft.body.outcome for draft in drafts if isinstance(draft.body, Punch)] == ["completed"]


def test_a_count_of_a_lane_without_a_sensor_stays_a_fact() -> None:
    lane = replace(LANE, sensor="none")
    passage = Passage([lane], [reader("in"), ARM], PRIVACY)
    (fact,) = passage.handle("arm", events.Passage(direction="left"), at(0))
    assert isinstance(fact.body, PassageSensed)
