"""A wrong speed garbles bytes as a UART does."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulation import frames
from gateway.simulation.garbling import resample

CARD = frames.rdm6300("67003B51C6")
SPEEDS = st.sampled_from([1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400])


@given(data=st.binary(max_size=300), baud=SPEEDS, seed=st.integers())
def test_at_the_right_speed_every_byte_arrives(data: bytes, baud: int, seed: int) -> None:
    assert resample(data, baud, baud, Random(seed)) == data


@pytest.mark.parametrize("read_at", [9450, 9700, 9800])
def test_speeds_that_are_nearly_the_same_do_not_matter(read_at: int) -> None:
    assert resample(bytes(range(256)), 9600, read_at, Random(1)) == bytes(range(256))


@pytest.mark.parametrize("read_at", [1200, 4800, 8000, 12000, 19200, 38400, 115200])
def test_at_a_wrong_speed_no_frame_survives(read_at: int) -> None:
    assert CARD not in resample(CARD * 20, 9600, read_at, Random(2))


def test_a_receiver_that_is_too_fast_reads_more_bytes_and_one_too_slow_fewer() -> None:
    assert len(resample(CARD * 10, 9600, 115200, Random(3))) > len(CARD) * 10
    assert len(resample(CARD * 10, 115200, 9600, Random(3))) < len(CARD) * 10


def test_a_byte_of_zeros_read_at_a_higher_speed_is_a_break() -> None:
    assert set(resample(b"\x00", 9600, 115200, Random(4))) <= {0x00}


@given(data=st.binary(max_size=200), sent=SPEEDS, read=SPEEDS, seed=st.integers())
def test_nothing_raises_and_the_same_seed_reads_the_same(data: bytes, sent: int, read: int, seed: int) -> None:
    first = resample(data, sent, read, Random(seed))
    assert first == resample(data, sent, read, Random(seed))
    assert len(first) <= len(data) * FASTEST


FASTEST = 230400 // 1200 + 1


def test_a_speed_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="speed"):
        resample(b"x", 9600, 0, Random(5))
