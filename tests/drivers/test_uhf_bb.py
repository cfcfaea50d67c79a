"""BB .. 7E modules: two checks on a tag, an error that is none, one poll after the other."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uhf_frames import bb, bb_tag, tag_crc

from drivers.asking import AskingDriver
from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Incomplete
from drivers.redaction import rewrite
from drivers.suite import pieces_of
from drivers.uhf_bb import DRIVER, SINGLE_POLL, Options, redact

EPC = "E28011606000020A11223344"
NO_TAG = bb(1, 0xFF, b"\x15")


def decoded(data: bytes, **options: object) -> list[Event]:
    return pieces_of(DRIVER.new(Options(**options)), [data])  # type: ignore[arg-type]


def flaws(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.flaw, event.bytes) for event in events if isinstance(event, BadFrame)]


def cards(events: list[Event]) -> list[str]:
    return [event.value for event in events if isinstance(event, CardRead)]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Frame)]


def talking() -> Driver:
    driver = DRIVER.new()
    driver.send(Command(START), 0.0)
    driver.poll(0.0)
    return driver


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if isinstance(event, DeviceChange)]


@pytest.mark.parametrize("words", [1, 2, 6, 8, 31])
def test_an_epc_of_any_length_is_read_in_full(words: int) -> None:
    epc = random.Random(words).randbytes(2 * words).hex().upper()
    (event,) = decoded(bb_tag(epc))
    assert isinstance(event, CardRead)
    assert (event.scheme, event.value, event.bits) == ("epc", epc, 16 * words)


def test_a_tag_crc_that_does_not_hold_is_refused_although_the_sum_does() -> None:
    frame = bb_tag(EPC, crc=b"\x12\x34")
    assert decoded(frame) == [BadFrame(flaw="integrity", bytes=len(frame))]


def test_a_pc_that_tells_another_length_is_refused_although_both_checks_hold() -> None:
    frame = bb_tag(EPC, pc=b"\x40\x00")
    assert decoded(frame) == [BadFrame(flaw="format", bytes=len(frame))]


def test_a_tag_without_an_epc_is_refused() -> None:
    assert flaws(decoded(bb(2, 0x22, b"\xc9"))) == [("integrity", 8)]
    assert flaws(decoded(bb_tag(""))) == [("format", 12)]


def test_a_frame_that_does_not_end_where_its_length_says_is_refused() -> None:
    frame = bb_tag(EPC)[:-1] + b"\x00"
    assert flaws(decoded(frame)) == [("format", len(frame))]


def test_the_signal_is_a_signed_number_of_dbm() -> None:
    for rssi in (-128, -55, -1, 0, 20):
        (event,) = decoded(bb_tag(EPC, rssi))
        assert event.fields["rssi_dbm"] == rssi


def test_data_may_hold_the_marks() -> None:
    epc = "BB02220011BB7E7EBBBB7E00"
    assert cards(decoded(bb_tag(epc, rssi=0xBB - 256))) == [epc]


@pytest.mark.parametrize("lost", range(24))
def test_a_lost_byte_costs_one_frame_and_not_the_next(lost: int) -> None:
    frame = bb_tag(EPC)
    events = decoded(frame[:lost] + frame[lost + 1 :] + bb_tag(EPC[::-1]))
    assert cards(events) == [EPC[::-1]]
    assert sum(size for _, size in flaws(events)) == len(frame) - 1


@pytest.mark.parametrize("stray", [b"\xbb", b"\xbb\xbb", b"\xbb\x02", b"\xbb\x02\x22", b"\xbb\x00\x22\x00\x00"])
def test_a_stray_start_does_not_swallow_the_frame_behind_it(stray: bytes) -> None:
    events = decoded(stray + bb_tag(EPC))
    assert cards(events) == [EPC]
    assert sum(size for _, size in flaws(events)) == len(stray)


def test_a_length_no_frame_has_makes_nobody_wait() -> None:
    driver = DRIVER.new()
    assert cards(driver.feed(b"\xbb\x02\x22\x11\x00" + bb_tag(EPC), 0.0)) == [EPC]


def test_every_empty_poll_is_no_tag_and_no_fault() -> None:
    driver = talking()
    events = [event for n in range(20) for event in driver.feed(NO_TAG, n * 0.01)]
    assert set(names(events)) == {"no_tag"}
    assert kinds(events) == ["up"]


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (bb(0, 0x22), "poll_command"),
        (bb(0, 0x27, b"\x22\xff\xff"), "multi_poll_command"),
        (bb(1, 0x28, b"\x00"), "stop_response"),
        (bb(1, 0x03, b"\x00M100"), "info_response"),
        (bb(1, 0xFF, b"\x17"), "error"),
        (bb(1, 0xFF), "unknown_response"),
        (bb(2, 0x39, b"\x01\x02"), "unknown_notice"),
    ],
)
def test_frames_that_are_no_tag_have_names(frame: bytes, name: str) -> None:
    assert names(decoded(frame)) == [name]


def test_it_polls_once_and_again_when_the_answer_is_there_and_the_pause_over() -> None:
    driver = talking()
    assert driver.commands() == [SINGLE_POLL]
    assert driver.next_poll() == pytest.approx(0.5)
    driver.feed(NO_TAG, 0.03)
    assert driver.next_poll() == pytest.approx(0.1)
    driver.poll(0.09)
    assert driver.commands() == []
    driver.poll(0.1)
    assert driver.commands() == [SINGLE_POLL]


def test_a_tag_answers_and_the_others_of_the_poll_are_read_too() -> None:
    driver = talking()
    events = driver.feed(bb_tag(EPC) + bb_tag(EPC[::-1]), 0.03)
    assert kinds(events) == ["up"]
    assert cards(events) == [EPC, EPC[::-1]]


def test_its_own_echo_answers_nothing() -> None:
    driver = talking()
    assert kinds(driver.feed(SINGLE_POLL, 0.0)) == []
    assert kinds(driver.poll(0.5) + driver.poll(1.0) + driver.poll(1.5)) == ["down"]


def test_three_polls_without_an_answer_are_down_once_and_the_next_three_answers_are_up() -> None:
    driver = talking()
    events = driver.feed(NO_TAG, 0.03)
    at = 0.1
    while at < 20.0:
        events += driver.poll(at)
        at += 0.05
    for _ in range(3):
        assert kinds(events) == ["up", "down"]
        at += 0.5
        events += driver.poll(at) + driver.feed(bb_tag(EPC), at + 0.05)
    assert kinds(events) == ["up", "down", "up"]
    assert cards(events) == [EPC] * 3


def test_a_replugged_module_is_asked_after_start_and_its_tag_is_a_read_again() -> None:
    driver = talking()
    driver.feed(bb_tag(EPC), 0.03)
    driver.reset()
    driver.poll(0.1)
    assert driver.commands() == []
    driver.send(Command(START), 0.2)
    driver.poll(0.2)
    assert driver.commands() == [SINGLE_POLL]
    assert cards(driver.feed(bb_tag(EPC), 0.25)) == [EPC]


def test_an_error_is_a_fault_once_until_a_poll_works() -> None:
    driver = talking()
    faults = []
    for n, answer in enumerate([b"\x20", b"\x20", b"\x15", b"\x20"]):
        faults.append(kinds(driver.feed(bb(1, 0xFF, answer), n * 0.1 + 0.03)))
        driver.poll(n * 0.1 + 0.1)
    assert faults == [["up", "fault"], [], [], ["fault"]]


def test_in_listen_mode_nothing_is_ever_asked() -> None:
    driver = DRIVER.new(Options(mode="listen"))
    driver.send(Command(START), 0.0)
    driver.poll(10.0)
    assert (driver.commands(), driver.next_poll()) == ([], None)
    assert cards(driver.feed(bb_tag(EPC), 11.0)) == [EPC]


def test_only_single_polls_are_ever_written() -> None:
    driver = talking()
    for state in ("read", "accepted", "refused", "buffering"):
        driver.send(Command("feedback", {"state": state}), 0.0)
    driver.send(Command("text", {"text": "x", "seconds": 1.0}), 0.0)
    written = driver.commands()
    for n in range(1, 400):
        driver.feed(NO_TAG, n * 0.05)
        driver.poll(n * 0.05)
        written += driver.commands()
    assert set(written) == {SINGLE_POLL}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"poll_s": 0.0}, "poll_s"),
        ({"poll_s": 11.0}, "poll_s"),
        ({"gap_s": 0.0}, "gap_s"),
        ({"tag_window_s": -1.0}, "tag_window_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]


def swapped(number: str) -> str:
    return number.translate(str.maketrans("0123456789ABCDEF", "123456789ABCDEF0"))


def test_a_redacted_tag_keeps_its_form_and_both_checks() -> None:
    changed = redact(bb_tag(EPC, -61), swapped)
    assert changed == bb_tag(swapped(EPC), -61)


@pytest.mark.parametrize(
    "frame",
    [
        bb(1, 0x39, bytes.fromhex("0E3000" + EPC)),
        bb(1, 0xFF, b"\x09\x0e" + bytes.fromhex("3000" + EPC)),
        bb(2, 0x27, b"\xc4" + bytes.fromhex("3000" + EPC)),
        bb(1, 0x22, bytes.fromhex("3000" + EPC)),
        bb(1, 0x03, b"\x00" + bytes.fromhex(EPC)),
        bb(0, 0x27, b"\x22\xff\xff" + bytes.fromhex(EPC)),
    ],
    ids=["memory read", "error with a tag", "notice", "response", "info", "question"],
)
def test_other_frames_with_an_epc_do_not_keep_it(frame: bytes) -> None:
    changed = rewrite(DRIVER.new(), frame, lambda found: redact(found, swapped))
    assert bytes.fromhex(EPC) not in changed
    assert names(decoded(changed)) == names(decoded(frame))


def test_frames_without_a_card_are_not_touched() -> None:
    for frame in (SINGLE_POLL, NO_TAG, bb(0, 0x03, b"\x00"), bb(0, 0x27, b"\x22\xff\xff")):
        assert redact(frame, swapped) == frame


@given(st.binary(min_size=2, max_size=62).filter(lambda epc: len(epc) % 2 == 0), st.integers(0, 191))
def test_no_single_bit_error_makes_another_card(epc: bytes, bit: int) -> None:
    frame = bytearray(bb_tag(epc.hex()))
    frame[bit // 8 % len(frame)] ^= 1 << bit % 8
    assert set(cards(decoded(bytes(frame)))) <= {epc.hex().upper()}


def test_the_tests_know_the_same_crc_as_the_published_capture() -> None:
    assert tag_crc(bytes.fromhex("340030751FEB705C5904E3D50D70")).hex() == "3a76"


def test_a_frame_cut_short_is_incomplete_and_then_given_up() -> None:
    driver = DRIVER.new()
    assert isinstance(driver, AskingDriver)
    driver.feed(bb_tag(EPC)[:12], 0.0)
    assert driver.poll(0.1) == [BadFrame(flaw="length", bytes=12)]
    driver.feed(bb_tag(EPC)[:12], 1.0)
    assert driver.close() == [Incomplete(bytes=12)]
