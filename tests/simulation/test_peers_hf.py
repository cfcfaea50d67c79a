"""13.56 MHz modules on the bench: a card held there is told once, on good lines and bad ones."""

from __future__ import annotations

from random import Random

import pytest

from drivers import hf_aabb, pn532
from drivers.contract import FEEDBACK, Command, DriverSpec
from drivers.events import CardRead
from gateway.simulation.peers import Peer, new_peer
from gateway.simulation.peers.pn532 import Pn532
from gateway.simulation.peers.sl500 import Sl500
from tests.simulation.conversation import Conversation, Fault, lossy, noisy, whole

SPECS: dict[str, DriverSpec] = {"pn532": pn532.DRIVER, "sl500": hf_aabb.DRIVER}


def visit(bench: Conversation, people: int, every_s: float, seed: int = 5) -> list[str]:
    rng = Random(seed)
    deeds = [bench.peer.new_deed(rng) for _ in range(people)]
    for deed in deeds:
        bench.do(deed)
        bench.run(every_s)
    return deeds


def bench_of(model: str, fault: Fault = whole, peer: Peer | None = None, **options: object) -> Conversation:
    spec = SPECS[model]
    return Conversation(spec.new(spec.options(**options)), peer or new_peer(model), fault)


@pytest.mark.parametrize("model", SPECS)
def test_each_card_is_told_once_while_it_is_held(model: str) -> None:
    bench = bench_of(model)
    deeds = visit(bench, 60, 3.0)
    assert bench.values() == deeds
    assert {len(value) for value in deeds} == {8, 14, 20}
    assert bench.changes() == ["up"]
    assert sum(isinstance(event, CardRead) and event.is_repeat for _, event in bench.told) > 200


@pytest.mark.parametrize(("model", "most_s"), [("pn532", 0.06), ("sl500", 0.2)])
def test_from_card_to_event(model: str, most_s: float) -> None:
    bench = bench_of(model)
    bench.run(1.0)
    waits = []
    rng = Random(3)
    for _ in range(20):
        deed, begun = bench.peer.new_deed(rng), bench.at
        bench.do(deed)
        bench.run(3.013)
        waits.append(bench.latency(deed, begun))
    assert max(waits) < most_s


@pytest.mark.parametrize("model", SPECS)
def test_another_card_at_once_and_the_first_one_again(model: str) -> None:
    bench = bench_of(model)
    rng = Random(6)
    first, second = bench.peer.new_deed(rng), bench.peer.new_deed(rng)
    for deed in (first, second, first):
        bench.do(deed)
        bench.run(1.4)
    assert bench.values() == [first, second, first]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spoil", [lossy, noisy])
@pytest.mark.parametrize("model", SPECS)
def test_one_answer_in_ten_lost_or_spoilt_costs_no_card_and_invents_none(
    model: str, spoil: type[Fault], seed: int
) -> None:
    bench = bench_of(model, spoil(0.1, seed), hold_s=2.0)  # type: ignore[arg-type,call-arg]
    deeds = visit(bench, 60, 4.5)
    assert set(bench.values()) <= set(deeds)
    assert bench.values() == deeds


@pytest.mark.parametrize("model", SPECS)
def test_a_module_that_is_unplugged_is_down_once_and_up_again(model: str) -> None:
    bench = bench_of(model)
    bench.run(2.0)
    bench.is_plugged = False
    bench.run(4.0)
    assert bench.changes() == ["up", "down"]
    bench.run(30.0)
    bench.is_plugged = True
    bench.run(2.0)
    assert bench.changes() == ["up", "down", "up"]


def test_a_pn532_that_lost_its_supply_is_woken_again() -> None:
    bench = bench_of("pn532")
    bench.run(2.0)
    bench.peer = Pn532()
    bench.run(2.0)
    assert len(visit(bench, 3, 3.0)) == 3
    assert len(bench.values()) == 3
    assert bench.changes() == ["up"]


def test_a_pn532_whose_acknowledgements_are_lost_is_read_all_the_same() -> None:
    bench = bench_of("pn532", peer=Pn532(acknowledges=False))
    assert visit(bench, 10, 3.0) == bench.values()


def test_a_module_that_does_not_stuff_is_read_with_the_option_off() -> None:
    bench = bench_of("sl500", peer=Sl500(stuffs=False), stuffing=False)
    assert visit(bench, 40, 3.0) == bench.values()


def test_with_the_wrong_option_only_numbers_with_aa_00_are_lost() -> None:
    bench = bench_of("sl500", peer=Sl500(stuffs=False), stuffing=True)
    assert visit(bench, 40, 3.0) == bench.values()
    bench.do("11AA0022")
    bench.run(3.0)
    assert "11AA0022" not in bench.values()


def test_led_and_beep_tell_what_became_of_the_card() -> None:
    bench = bench_of("sl500")
    visit(bench, 1, 1.0)
    bench.driver.send(Command(FEEDBACK, {"state": "accepted"}), bench.at)
    bench.run(1.0)
    assert isinstance(bench.peer, Sl500)
    assert bench.peer.shown == [(0x0107, 2), (0x0106, 10)]
    assert bench.changes() == ["up"]


@pytest.mark.parametrize("model", SPECS)
def test_only_uids_are_deeds(model: str) -> None:
    with pytest.raises(ValueError, match=r"UID|hexadecimal"):
        new_peer(model).do("123456", 0.0)
