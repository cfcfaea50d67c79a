"""The TPW on the desk counts and is asked: each passage once, over noise, lost answers, silence and restarts."""

from __future__ import annotations

import random

import pytest

from drivers.events import DeviceChange, Passage
from drivers.tpw_turnstile import DRIVER, Options
from gateway.simulation.peers import new_peer
from gateway.simulation.peers.tpw import Tpw
from tests.simulation.exchange import Exchange


def plugged(peer: Tpw, **options: float) -> Exchange:
    talk = Exchange(DRIVER.new(Options(**options)), peer)  # type: ignore[arg-type]
    talk.plug()
    return talk


@pytest.mark.parametrize("needs_greeting", [False, True])
def test_every_passage_arrives_once_and_in_time(needs_greeting: bool) -> None:
    randomness = random.Random(1)
    peer = Tpw(needs_greeting=needs_greeting)
    talk = plugged(peer)
    deeds = [(20.0 + n * 2.7, peer.new_deed(randomness)) for n in range(200)]
    talk.run(600.0, deeds)
    directions = [deed for _, deed in deeds]
    assert talk.passages == {"entry": directions.count("in"), "exit": directions.count("out")}
    assert talk.changes[0] == "up"
    assert set(talk.changes[1:]) == {"counter"}
    told = [at for at, event in talk.events if isinstance(event, Passage)]
    assert all(any(0.0 <= at - deed <= 1.5 for at in told) for deed, _ in deeds)
    assert peer.refused == []


def test_noise_and_lost_answers_cost_nobody() -> None:
    randomness = random.Random(3)

    def spoil(data: bytes) -> bytes:
        if randomness.random() < 0.1:
            return b""
        noise = bytes(randomness.choices(b"\x00\xff\x55\x0d", k=3)) if randomness.random() < 0.1 else b""
        return noise + data

    talk = Exchange(DRIVER.new(Options(poll_s=0.5)), Tpw(), spoil=spoil)
    talk.plug()
    talk.run(900.0, [(60.0 + n * 3.0, "in") for n in range(200)])
    assert talk.passages == {"entry": 200}


def test_flipped_digits_invent_nobody() -> None:
    randomness = random.Random(4)

    def spoil(data: bytes) -> bytes:
        if randomness.random() > 0.1:
            return data
        at = randomness.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << randomness.randrange(8)]) + data[at + 1 :]

    talk = Exchange(DRIVER.new(Options(poll_s=0.5)), Tpw(), spoil=spoil)
    talk.plug()
    talk.run(900.0, [(60.0 + n * 3.0, "out") for n in range(200)])
    assert talk.passages == {"exit": 200}


def test_a_silent_board_goes_down_once_and_comes_up_with_what_it_counted() -> None:
    talk = plugged(Tpw())
    talk.run(20.0)
    talk.is_silent = True
    talk.run(60.0, [(30.0, "in"), (31.0, "in")])
    talk.is_silent = False
    talk.run(80.0)
    assert [change for change in talk.changes if change != "counter"] == ["up", "down", "up"]
    (passage,) = [event for _, event in talk.events if isinstance(event, Passage)]
    assert (passage.direction, passage.count, passage.fields["missed"]) == ("entry", 2, True)


def test_a_counter_that_is_reset_or_set_is_said_and_invents_nobody() -> None:
    peer = Tpw()
    talk = plugged(peer, poll_s=0.5)
    talk.run(20.0, [(10.0, "in")])
    peer.entered = 0
    talk.run(40.0, [(20.1, "in"), (30.0, "in")])
    peer.left = 5000
    talk.run(60.0, [(50.0, "out")])
    assert talk.passages == {"entry": 3, "exit": 1}
    reasons = [
        event.reason for _, event in talk.events if isinstance(event, DeviceChange) and event.kind == "counter"
    ]
    assert reasons == [
        "base line",
        "entry counter reset: it fell from 1204 to 0",
        "exit counter leapt by 3813, from 1187 to 5000: nobody is counted for it",
    ]


def test_each_passage_happened_within_the_time_that_is_said_of_it() -> None:
    talk = plugged(Tpw(), poll_s=0.5)
    deeds = [(10.0 + n * 2.3, "in") for n in range(100)]
    talk.run(300.0, deeds)
    told = [(at, event) for at, event in talk.events if isinstance(event, Passage)]
    for (then, _), (at, event) in zip(deeds, told, strict=True):
        assert event.since_s is not None
        assert at - event.since_s <= then <= at
        assert event.since_s < 1.0


def test_what_passed_while_the_gateway_was_away_is_told_as_missed() -> None:
    peer = Tpw()
    talk = plugged(peer)
    talk.run(10.0)
    mark = talk.mark
    talk.unplug()
    peer.do("in", 20.0)
    peer.do("out", 21.0)
    again = Exchange(DRIVER.new(), peer)
    again.plug(mark)
    again.run(20.0, [(15.0, "in")])
    told = [event for _, event in again.events if isinstance(event, Passage)]
    assert [(event.direction, event.fields.get("missed", False)) for event in told] == [
        ("entry", True), ("exit", True), ("entry", False),
    ]  # fmt: skip


def test_a_new_peer_is_what_the_table_says() -> None:
    peer = new_peer("tpw")
    assert (peer.driver, peer.model) == ("tpw_turnstile", "tpw")
    assert peer.new_deed(random.Random(1)) in ("in", "out")
