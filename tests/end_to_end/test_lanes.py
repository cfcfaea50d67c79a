"""A lane with two readers and a turnstile: what a card and a passage together mean, over real lines."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.simulation import frames
from gateway.simulation.pty import Pty

from .ear import Ear, token
from .site import Reader, Site

pytestmark = pytest.mark.needs("mosquitto")

ENTRY, EXIT = frames.eb(0xC1), frames.eb(0xC6)
TIMEOUT_S = 0.8


class Gate:
    """A controlled lane: readers on both sides and an EB board that tells the direction."""

    def __init__(self, site: Site, ear: Ear) -> None:
        site.lane(
            "gate", mode="controlled", sensor="per_direction", pass_timeout_s=TIMEOUT_S, repeat_window_s=0.5,
            reorder_s=0.2,
        )  # fmt: skip
        self.site, self.ear = site, ear
        self.inside: Reader = site.reader("gate-in", "gate", side="in")
        self.outside: Reader = site.reader("gate-out", "gate", side="out")
        arm = site.device("arm", "gate", driver="eb_turnstile", directions={"left": "in", "right": "out"})
        assert arm is not None
        self.arm: Pty = arm

    def open(self) -> Gate:
        self.site.start()
        self.site.wait_up()
        time.sleep(TIMEOUT_S + 0.1)  # a pass right after the start may belong to a read nobody heard
        return self

    def passes(self, frame: bytes) -> None:
        assert self.arm.write(frame)

    def punches(self, count: int) -> list[dict[str, Any]]:
        return [it["data"] for it in self.ear.wait_records("punch", count)]


@pytest.fixture
def gate(site: Site, ear: Ear) -> Gate:
    return Gate(site, ear)


def test_a_card_and_a_pass_are_one_completed_punch_in_either_direction(gate: Gate) -> None:
    gate.open()
    gate.inside.swipe("0C00000001")
    time.sleep(0.1)
    gate.passes(ENTRY)
    went_in = gate.punches(1)[0]
    assert (went_in["outcome"], went_in["confidence"]) == ("completed", "confirmed")
    assert (went_in["direction"], went_in["direction_basis"]) == ("in", "pass_sensor")
    assert (went_in["from_zone"], went_in["to_zone"]) == ("outside", "lobby")
    gate.outside.swipe("0C00000001")
    time.sleep(0.1)
    gate.passes(EXIT)
    gate.passes(EXIT)
    went_out = gate.punches(2)[1]
    assert (went_out["outcome"], went_out["direction"]) == ("completed", "out")
    assert (went_out["from_zone"], went_out["to_zone"]) == ("lobby", "outside")
    time.sleep(TIMEOUT_S + 0.2)
    assert len(gate.punches(2)) == 2, "the doubled exit frame is one pass"
    facts = {it["data"]["seq"]: it["type"] for it in gate.ear.records()}
    refs = went_out["refs"]
    assert facts[refs["read"]] == "punchgate.credential.read.v1"
    assert [facts[seq] for seq in refs["passes"]] == ["punchgate.passage.sensed.v1"]
    assert went_in["subject"]["token"] == went_out["subject"]["token"] == token("0C00000001")


def test_who_walks_away_goes_the_wrong_way_follows_closely_or_breaks_through_is_told_apart(gate: Gate) -> None:
    gate.open()
    gate.inside.swipe("0C00000001")
    assert gate.punches(1)[0]["outcome"] == "not_taken"
    gate.inside.swipe("0C00000002")
    time.sleep(0.1)
    gate.passes(EXIT)
    assert gate.punches(2)[1]["outcome"] == "wrong_way"
    time.sleep(0.1)
    gate.passes(ENTRY)
    completed = gate.punches(3)[2]
    assert (completed["outcome"], completed["subject"]["token"]) == ("completed", token("0C00000002"))
    time.sleep(0.6)
    gate.passes(ENTRY)
    tailgate = gate.punches(4)[3]
    assert (tailgate["outcome"], tailgate["refs"]["read"]) == ("tailgate", completed["refs"]["read"])
    assert tailgate["subject"]["kind"] == "anonymous"
    time.sleep(TIMEOUT_S + 0.2)
    gate.passes(ENTRY)
    forced = gate.punches(5)[4]
    assert (forced["outcome"], forced["refs"]["read"]) == ("forced", None)


def test_a_pass_that_overtakes_its_read_belongs_to_it(gate: Gate) -> None:
    gate.open()
    gate.passes(ENTRY)
    gate.inside.swipe("0C00000001")
    punch = gate.punches(1)[0]
    assert (punch["outcome"], punch["subject"]["token"]) == ("completed", token("0C00000001"))


def test_reads_open_at_a_kill_are_ambiguous_after_the_restart(gate: Gate) -> None:
    gate.open()
    gate.inside.swipe("0C00000001")
    gate.outside.swipe("0C00000002")
    gate.ear.wait_records("credential.read", 2)
    assert gate.site.daemon is not None
    gate.site.daemon.kill()
    gate.site.start()
    punches = gate.punches(2)
    assert [it["outcome"] for it in punches] == ["ambiguous", "ambiguous"]
    reads = sorted(it["data"]["seq"] for it in gate.ear.records("credential.read"))
    assert sorted(it["refs"]["read"] for it in punches) == reads
    assert [it["refs"]["candidates"] for it in punches] == [reads, reads]
    gate.site.wait_up()
    assert gate.site.daemon.stop() == 0
    gate.site.start()
    gate.site.wait_connected()
    gate.ear.wait(lambda: len(gate.ear.records("gateway.started")) == 3)
    assert len(gate.punches(2)) == 2, "closed once and for all"


def test_a_sensor_pulled_out_while_a_read_is_open_leaves_it_ambiguous(gate: Gate) -> None:
    gate.open()
    gate.inside.swipe("0C00000001")
    gate.ear.wait_records("credential.read", 1)
    gate.arm.unplug()
    assert gate.punches(1)[0]["outcome"] == "ambiguous"


def test_sigterm_leaves_no_read_open(gate: Gate) -> None:
    gate.open()
    gate.inside.swipe("0C00000001")
    gate.ear.wait_records("credential.read", 1)
    assert gate.site.daemon is not None
    assert gate.site.daemon.stop() == 0
    assert gate.punches(1)[0]["outcome"] == "ambiguous"
    assert gate.ear.records()[-1]["type"] == "punchgate.gateway.stopped.v1"
