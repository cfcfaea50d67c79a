"""The ID card reader on the bench: each card laid down is told once, whatever the module and the line do."""

from __future__ import annotations

from random import Random

import pytest

from drivers.events import DocumentRead, Frame
from drivers.sdt_idcard import DRIVER, Options
from gateway.simulation.peers import new_peer
from gateway.simulation.peers.sdt import Sdt
from tests.simulation.conversation import Conversation, lossy, noisy


def people(count: int) -> list[str]:
    """Numbers of invented people."""
    rng = Random(5)
    return [Sdt().new_deed(rng) for _ in range(count)]


def visit(bench: Conversation, count: int, every_s: float) -> list[str]:
    """People with a card each, one after the other."""
    deeds = people(count)
    for deed in deeds:
        bench.do(deed)
        bench.run(every_s)
    return deeds


def test_each_card_is_told_once_while_it_lies_there() -> None:
    bench = Conversation(DRIVER.new(), new_peer("sdt"))
    deeds = visit(bench, 20, 6.5)
    assert bench.values() == deeds
    assert bench.changes() == ["up"]


@pytest.mark.alone
def test_from_card_to_event_within_a_search_and_the_modules_own_time() -> None:
    bench = Conversation(DRIVER.new(), Sdt())
    bench.run(1.0)
    waits = []
    for number in people(10):
        begun = bench.at
        bench.do(number)
        bench.run(6.37)
        waits.append(bench.latency(number, begun))
    assert max(waits) < 0.3 + 0.06 + 0.05 + 0.55 + 0.12 + 0.1


def test_the_same_person_twice_is_two_reads() -> None:
    bench = Conversation(DRIVER.new(), Sdt())
    (number,) = people(1)
    for _ in range(2):
        bench.do(number)
        bench.run(6.5)
    assert bench.values() == [number, number]


def test_the_desk_is_told_the_text() -> None:
    bench = Conversation(DRIVER.new(Options(desk=True)), Sdt())
    (number,) = visit(bench, 1, 5.0)
    (event,) = [event for _, event in bench.told if isinstance(event, DocumentRead)]
    assert event.value == number
    assert event.fields["text"]["name"] == "测试乙"  # type: ignore[index]


def test_a_card_that_fails_is_lifted_and_read_the_next_time() -> None:
    bench = Conversation(DRIVER.new(), Sdt(fails=0.2))
    deeds = visit(bench, 40, 18.0)
    names = [event.name for _, event in bench.told if isinstance(event, Frame)]
    assert names.count("read_failed") > 3
    assert bench.values() == deeds


@pytest.mark.parametrize("seed", [1, 2])
def test_a_line_that_loses_answers_tells_no_card_twice_and_few_not_at_all(seed: int) -> None:
    bench = Conversation(DRIVER.new(), Sdt(holds_s=12.0), lossy(0.005, seed))
    deeds = visit(bench, 40, 20.0)
    assert len(set(bench.values())) == len(bench.values())
    assert len(set(deeds) - set(bench.values())) <= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_short_answers_lost_one_in_ten_cost_no_card(seed: int) -> None:
    lose = lossy(0.1, seed)
    bench = Conversation(DRIVER.new(), Sdt(holds_s=20.0), lambda data: lose(data) if len(data) < 20 else data)
    deeds = visit(bench, 25, 25.0)
    assert bench.values() == deeds


@pytest.mark.parametrize("seed", [1, 2])
def test_noise_on_the_line_invents_nothing(seed: int) -> None:
    bench = Conversation(DRIVER.new(), Sdt(holds_s=12.0), noisy(0.01, seed))
    deeds = visit(bench, 40, 20.0)
    assert set(bench.values()) <= set(deeds)
    assert len(set(bench.values())) == len(bench.values())
    assert len(bench.values()) >= 38


def test_an_answer_that_is_lost_on_a_module_that_gives_it_once_needs_the_card_again() -> None:
    bench = Conversation(DRIVER.new(), Sdt(rereads=False))
    (number,) = people(1)
    bench.fault = lambda data: b"" if len(data) > 60 else data
    bench.do(number)
    bench.run(6.5)
    bench.fault = lambda data: data
    assert bench.values() == []
    bench.do(number)
    bench.run(3.0)
    assert bench.values() == [number]


def test_a_reader_that_is_unplugged_is_down_once_and_up_again() -> None:
    bench = Conversation(DRIVER.new(), Sdt())
    bench.run(2.0)
    bench.is_plugged = False
    bench.run(30.0)
    bench.is_plugged = True
    bench.run(2.0)
    assert bench.changes() == ["up", "down", "up"]


def test_only_numbers_with_their_check_character_are_deeds() -> None:
    with pytest.raises(ValueError, match="17 digits"):
        Sdt().do("990000195001010001", 0.0)
