"""The simulated devices' bytes against the shared vectors: what the documents print, not what our drivers accept."""

from random import Random

import pytest

from gateway.simulation import frames
from gateway.simulation.devices import READERS, Turnstile, at_line_speed, ghost, models_of, truncated

VECTORS = [
    ("ID-20LA, data sheet", frames.id20la("0C000621A5"), "023043303030363231413538450D0A03"),
    ("RDM6300, real card", frames.rdm6300("67003B51C6"), "0236373030334235314336434203"),
    ("RDM6300, second real card", frames.rdm6300("67003BA86C"), "0236373030334241383643393803"),
    ("RDM6300, printed-number card", frames.rdm6300("01026F6C3A"), "0230313032364636433341334103"),
    ("S4A converter, ten digits", frames.wiegand("0000123478"), "303030303132333437380D0A"),
    ("WIE232, six hex digits", frames.wiegand("6F6C3A"), "3646364333410D"),
    ("SR30", frames.sr30("0006572982"), "02303030363537323938320304"),
    ("scanner", frames.scanned("6901234567892"), "363930313233343536373839320D"),
    ("EB left open", frames.eb(frames.EB_LEFT_OPEN), "EB014000AA"),
    ("EB entry done", frames.eb(frames.EB_ENTRY_DONE), "EB01C1002B"),
    ("EB exit count", frames.eb(frames.EB_EXIT_COUNT), "EB01C6002C"),
    ("EB ban transit, address 2", frames.eb(0x4A, address=2), "EB024A00A3"),
]


@pytest.mark.parametrize(("name", "frame", "expected"), VECTORS, ids=[name for name, _, _ in VECTORS])
def test_an_encoder_makes_the_bytes_of_the_published_example(name: str, frame: bytes, expected: str) -> None:
    assert frame.hex().upper() == expected


@pytest.mark.parametrize("card", ["", "0C000621A", "0C000621A5FF", "not hex at"])
def test_a_number_that_is_no_em4100_card_is_refused(card: str) -> None:
    with pytest.raises(ValueError):
        frames.rdm6300(card)


def test_an_rdm6300_repeats_a_held_card_and_an_id20la_says_it_once() -> None:
    rng = Random(7)
    held = READERS["rdm6300"].present("67003B51C6", 1.0, rng)
    assert 10 <= len(held) <= 16
    assert {sent.data for sent in held} == {frames.rdm6300("67003B51C6")}
    assert held[0].after_s == 0
    assert len(READERS["id20la"].present("67003B51C6", 1.0, rng)) == 1


def test_a_turnstile_says_an_entry_once_and_an_exit_twice_within_fifty_milliseconds() -> None:
    assert len(Turnstile().passed("in")) == 1
    first, second = Turnstile().passed("out")
    assert first.data == second.data
    assert 0 < second.after_s - first.after_s <= 0.05


def test_spoilt_frames_are_never_the_frame_itself() -> None:
    rng, frame = Random(3), frames.rdm6300("67003B51C6")
    for _ in range(200):
        assert ghost(frame, rng) != frame
        assert len(ghost(frame, rng)) == len(frame)
        assert 0 < len(truncated(frame, rng)) < len(frame)


def test_at_line_speed_a_byte_takes_ten_bits() -> None:
    (sent,) = READERS["id20la"].present("67003B51C6", 0, Random(1))
    slow = list(at_line_speed(sent, 9600))
    assert b"".join(piece.data for piece in slow) == sent.data
    assert slow[-1].after_s == pytest.approx(15 * 10 / 9600)


def test_every_serial_driver_of_the_first_release_has_a_model() -> None:
    for driver in ("em4100", "wiegand_line", "scanner", "line", "eb_turnstile"):
        assert models_of(driver)


def test_every_model_can_send_every_card_it_invents() -> None:
    rng = Random(5)
    for reader in READERS.values():
        for _ in range(50):
            assert reader.encode(reader.new_card(rng))
