"""What simulated devices send, our drivers read: two halves written apart that must meet on the wire."""

import tomllib
from random import Random

import pytest

from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Passage, Scan
from drivers.registry import find, make_options
from gateway.simulation import solo
from gateway.simulation.devices import READERS, Reader, Turnstile, ghost, noise, truncated


def decode(driver: str, chunks: list[tuple[float, bytes]], **options: object) -> list[Event]:
    spec = find(driver)
    decoder = spec.new(make_options(spec, options)) if options else spec.new()
    events: list[Event] = []
    for at, data in chunks:
        events += decoder.poll(at)
        events += decoder.feed(data, at)
    return events


def options_to_paste(device: solo.Device) -> dict[str, object]:
    (port,) = tomllib.loads(solo.snippet(device, "/dev/pts/7"))["ports"]
    (listed,) = port["devices"]
    options: dict[str, object] = listed.get("options", {})
    return options


@pytest.mark.parametrize("model", list(READERS))
def test_a_presented_card_is_read_with_its_number(model: str) -> None:
    reader, rng = READERS[model], Random(11)
    for n in range(50):
        card = reader.new_card(rng)
        events = decode(reader.driver, [(n, reader.encode(card))], **options_to_paste(reader))
        values = [each.value for each in events if isinstance(each, CardRead | Scan)]
        assert values == [card]


@pytest.mark.parametrize("model", ["rdm6300", "id20la"])
def test_noise_ghosts_and_truncated_frames_neither_hide_nor_invent_a_card(model: str) -> None:
    reader, rng = READERS[model], Random(12)
    for _ in range(300):
        card, other = reader.new_card(rng), reader.encode(reader.new_card(rng))
        spoilt = rng.choice((ghost(other, rng), truncated(other, rng), noise(rng)))
        events = decode(reader.driver, [(0.0, spoilt), (0.12, reader.encode(card))])
        assert [each.value for each in events if isinstance(each, CardRead)] == [card]
        assert any(isinstance(each, BadFrame) for each in events)


def test_an_entry_and_a_doubled_exit_are_one_passage_each_and_a_timeout_is_none() -> None:
    board = Turnstile()
    chunks = [(sent.after_s, sent.data) for sent in board.passed("in")]
    chunks += [(1 + sent.after_s, sent.data) for sent in board.passed("out")]
    chunks += [(2 + sent.after_s, sent.data) for sent in board.timed_out()]
    events = decode(board.driver, chunks, **options_to_paste(board))
    assert [each.direction for each in events if isinstance(each, Passage)] == ["left", "right"]
    assert [each.name for each in events if isinstance(each, Frame)] == ["repeat"]
    assert [each.kind for each in events if isinstance(each, DeviceChange)] == ["timeout"]


def test_the_registry_knows_every_simulated_driver() -> None:
    for reader in READERS.values():
        assert isinstance(reader, Reader)
        assert find(reader.driver).name == reader.driver
