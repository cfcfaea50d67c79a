"""UHF readers and their drivers, minutes of it: each person once, each crossing once, silence told once."""

from __future__ import annotations

from random import Random

import pytest

from drivers.contract import START, Command
from drivers.events import BadFrame, CardRead, Frame
from drivers.uhf_a0 import DRIVER, Options
from gateway.simulation.peers import PEERS, new_peer
from gateway.simulation.peers.m100 import M100
from gateway.simulation.peers.r2000 import R2000, R2000Gate
from gateway.simulation.peers.uhfreader18 import ActiveReader, UhfReader18
from simulation.uhf_desk import Desk, desk

MODELS = ["m100", "r2000", "r2000_gate", "uhfreader18", "uhfreader18_active"]
ASKED = [model for model in MODELS if model != "uhfreader18_active"]


def crowd(made: Desk, people: int, rng: Random, pause_s: tuple[float, float] = (0.3, 4.0)) -> list[str]:
    """People walk past, some close behind each other."""
    carried = [made.peer.new_deed(rng) for _ in range(people)]
    for deed in carried:
        made.do(deed)
        made.run(rng.uniform(*pause_s))
    made.run(5.0)
    return carried


def test_every_model_is_registered() -> None:
    assert set(MODELS) <= set(PEERS)
    assert [new_peer(model).model for model in MODELS] == MODELS


@pytest.mark.parametrize("model", MODELS)
def test_every_person_is_read_once_in_the_order_they_came(model: str) -> None:
    made = desk(model)
    carried = crowd(made, 40, Random(1))
    assert sorted(made.reads()) == sorted(carried)
    assert not [event for _, event in made.events if isinstance(event, BadFrame)]


@pytest.mark.parametrize("model", MODELS)
def test_noise_and_lost_frames_cost_nobody_a_read(model: str) -> None:
    made = desk(model)
    made.noise, made.loss = 0.1, 0.1
    carried = crowd(made, 40, Random(2))
    assert sorted(made.reads()) == sorted(carried)


@pytest.mark.parametrize("model", MODELS)
def test_a_held_tag_is_reported_again_and_again_and_read_once(model: str) -> None:
    made = desk(model)
    deed = made.peer.new_deed(Random(3))
    for _ in range(20):
        made.do(deed)
        made.run(1.0)
    assert made.reads() == [deed]
    assert sum(isinstance(event, CardRead) and event.is_repeat for _, event in made.events) > 20


@pytest.mark.parametrize("model", MODELS)
def test_who_comes_back_later_is_read_again(model: str) -> None:
    made = desk(model)
    deed = made.peer.new_deed(Random(4))
    for _ in range(3):
        made.do(deed)
        made.run(8.0)
    assert made.reads() == [deed] * 3


@pytest.mark.parametrize("model", ASKED)
def test_a_reader_that_falls_silent_is_down_once_and_up_again(model: str) -> None:
    made = desk(model)
    made.run(3.0)
    made.is_plugged = False
    made.run(40.0)
    assert made.changes() == ["up", "down"]
    made.is_plugged = True
    made.run(10.0)
    carried = crowd(made, 3, Random(5))
    assert made.changes() == ["up", "down", "up"]
    assert sorted(made.reads()) == sorted(carried)


@pytest.mark.parametrize("model", ASKED)
def test_a_cable_that_was_pulled_starts_the_talk_anew(model: str) -> None:
    made = desk(model)
    made.run(2.0)
    made.driver.reset()
    made.run(2.0)
    made.start()
    carried = crowd(made, 3, Random(6))
    assert made.changes() == ["up", "up"]
    assert sorted(made.reads()) == sorted(carried)


def test_a_reader_in_active_mode_is_only_listened_to() -> None:
    made = desk("uhfreader18_active")
    crowd(made, 5, Random(7))
    assert made.asked == []


def test_a_reader_found_in_active_mode_is_left_alone_by_a_driver_that_wanted_to_ask() -> None:
    made = desk("uhfreader18_active", mode="ask")
    carried = crowd(made, 20, Random(8))
    assert sorted(made.reads()) == sorted(carried)
    assert made.changes() == ["up"]
    assert len(made.asked) == 1


def test_people_are_counted_in_and_out_between_two_antennas() -> None:
    made = desk(R2000Gate(), tag_window_s=2.0)
    rng, ways = Random(9), []
    assert isinstance(made.peer, R2000Gate)
    for _ in range(60):
        way = rng.choice(["inward", "outward"])
        made.peer.walk(made.peer.new_deed(rng), made.at, (0, 1) if way == "inward" else (1, 0))
        ways.append(way)
        made.run(rng.uniform(1.0, 4.0))
    made.run(5.0)
    assert sorted(made.passages()) == sorted(ways)
    assert len(made.reads()) == len(ways)


def test_people_who_walk_one_behind_the_other_are_counted_each() -> None:
    made = desk(R2000Gate())
    made.noise, made.loss = 0.1, 0.05
    carried = crowd(made, 50, Random(10), pause_s=(0.2, 0.6))
    assert made.passages() == ["inward"] * len(carried)


def test_somebody_who_turns_back_is_in_and_out_again() -> None:
    made = desk(R2000Gate())
    assert isinstance(made.peer, R2000Gate)
    deed = made.peer.new_deed(Random(11))
    made.peer.walk(deed, made.at, (0, 1))
    made.run(2.5)
    made.peer.walk(deed, made.at, (1, 0))
    made.run(5.0)
    assert made.passages() == ["inward", "outward"]
    assert made.reads() == [deed]


def test_cards_in_the_next_room_are_weak() -> None:
    reader = M100()
    reader.field.loiterers.append(bytes.fromhex("E28011606000020A00000001"))
    made = desk(reader, rssi_floor=-71)
    carried = crowd(made, 20, Random(12))
    assert sorted(made.reads()) == sorted(carried)
    assert any(isinstance(event, Frame) and event.name == "weak" for _, event in made.events)


@pytest.mark.parametrize("reader", [M100(ghosts=0.2), R2000(ghosts=0.2)], ids=["m100", "r2000"])
def test_ghosts_are_refused_and_read_as_nobody(reader: M100 | R2000) -> None:
    made = desk(reader)
    carried = crowd(made, 30, Random(13))
    assert sorted(made.reads()) == sorted(carried)
    assert {event.flaw for _, event in made.events if isinstance(event, BadFrame)} <= {
        "integrity",
        "format",
        "length",
    }
    assert any(isinstance(event, BadFrame) for _, event in made.events)


def test_a_missing_antenna_is_told_once_and_the_other_goes_on_reading() -> None:
    made = desk(R2000Gate(missing=1))
    carried = crowd(made, 5, Random(14))
    assert sorted(made.reads()) == sorted(carried)
    assert made.changes() == ["up", "fault"]


def test_a_reader_that_forgets_its_antenna_is_told_it_again() -> None:
    made = desk(R2000Gate())
    assert isinstance(made.peer, R2000Gate)
    made.run(2.0)
    made.peer.switch_off_and_on()
    carried = crowd(made, 5, Random(15))
    assert len(made.passages()) == len(carried)


def test_a_reader_that_wants_parameters_gets_them() -> None:
    made = desk(UhfReader18(wants_parameters=True))
    carried = crowd(made, 10, Random(16))
    assert sorted(made.reads()) == sorted(carried)
    assert [len(data) for _, data in made.asked[:4]] == [5, 7, 7, 7]
    assert made.changes() == ["up"]


def test_a_crowd_in_one_inventory_takes_several_frames() -> None:
    made = desk("uhfreader18")
    rng = Random(17)
    carried = [made.peer.new_deed(rng) for _ in range(7)]
    for deed in carried:
        made.do(deed)
    made.run(5.0)
    assert sorted(made.reads()) == sorted(carried)
    assert max(int(str(event.fields["tags"])) for _, event in made.events if isinstance(event, CardRead)) == 2


@pytest.mark.parametrize(("model", "most_s"), [("m100", 0.16), ("r2000", 0.17), ("uhfreader18", 0.06)])
def test_a_tag_is_read_within_the_promised_time_of_being_readable(model: str, most_s: float) -> None:
    made = desk(model)
    rng, late = Random(18), []
    for _ in range(30):
        made.run(rng.uniform(4.0, 4.5))
        begun, before = made.at, len(made.events)
        made.do(made.peer.new_deed(rng))
        made.run(3.0)
        late.append(next(at for at, event in made.events[before:] if isinstance(event, CardRead)) - begun)
    assert sorted(late)[len(late) // 2] <= most_s + 0.1


def test_readers_on_a_bus_are_asked_in_turn() -> None:
    first, second = R2000(1, address=1), R2000(2, address=2)
    driver = DRIVER.new(Options(address=1), Options(address=2))
    made = Desk(driver, first)
    driver.send(Command(START, unit=0), made.at)
    driver.send(Command(START, unit=1), made.at)
    reads = {}
    first.do("E28000000000000000000001", made.at)
    second.do("E28000000000000000000002", made.at)
    wire: list[tuple[float, bytes]] = []
    for _ in range(600):
        made.at += 0.005
        events = driver.poll(made.at)
        for command in driver.commands():
            sends = [*first.hear(command, made.at), *second.hear(command, made.at)]
            wire += [(made.at + sent.after_s, sent.data) for sent in sends]
        for due, data in [one for one in wire if one[0] <= made.at]:
            events += driver.feed(data, made.at)
            wire.remove((due, data))
        reads |= {event.value: event.unit for event in events if isinstance(event, CardRead)}
    assert reads == {"E28000000000000000000001": 0, "E28000000000000000000002": 1}


@pytest.mark.parametrize("reader", [M100(), R2000(), UhfReader18(), ActiveReader()], ids=lambda peer: peer.model)
def test_a_deed_that_is_no_tag_is_refused(reader: M100 | R2000 | UhfReader18) -> None:
    with pytest.raises(ValueError, match=r"EPC|hexadecimal"):
        reader.do("E2801", 0.0)
