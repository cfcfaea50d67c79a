"""The Digicon on the desk says what its driver understands: every passage once, whatever else is on the line."""

from __future__ import annotations

import random

import pytest

from drivers.digicon_turnstile import DRIVER
from drivers.events import Frame
from gateway.simulation.peers import PEERS, new_peer
from gateway.simulation.peers.digicon import Digicon, packed
from tests.simulation.exchange import Exchange


def test_every_passage_arrives_once() -> None:
    randomness = random.Random(1)
    peer = new_peer("digicon")
    deeds = [(n * 1.3, peer.new_deed(randomness)) for n in range(200)]
    talk = Exchange(DRIVER.new(), peer)
    talk.run(300.0, deeds)
    directions = [deed for _, deed in deeds]
    assert talk.passages == {"first": directions.count("in"), "second": directions.count("out")}


def test_noise_between_frames_costs_no_passage() -> None:
    randomness = random.Random(2)
    noise = lambda data: bytes(randomness.choices(b"\x00\xff\x80\x55", k=randomness.randrange(3))) + data  # noqa: E731
    talk = Exchange(DRIVER.new(), Digicon(), spoil=noise, piece=2)
    talk.run(400.0, [(n * 1.5, "in") for n in range(200)])
    assert talk.passages == {"first": 200}


def test_it_acknowledges_what_it_knows_and_refuses_the_rest() -> None:
    peer = Digicon()
    said = [sent.data for order in (b"H", b"LH", b"Z") for sent in peer.hear(packed(order), 0.0)]
    events = DRIVER.new().feed(b"".join(said), 0.0)
    assert [event.name for event in events if isinstance(event, Frame)] == ["ack", "ack", "nak"]


@pytest.mark.parametrize("model", ["digicon", "tpw"])
def test_a_turnstile_knows_in_and_out(model: str) -> None:
    assert model in PEERS
    with pytest.raises(ValueError, match="in and out"):
        new_peer(model).do("up", 0.0)
