"""Len Adr Cmd readers: no byte begins a frame, one may hold several tags, two lists are told apart."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uhf_frames import frame_crc, length, length_push, length_tags

from drivers.contract import FEEDBACK, START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Passage
from drivers.suite import pieces_of
from drivers.uhf_len import DRIVER, Options, redact
from drivers.uhf_len_tags import tags_of

EPC = "E28011606000020A11223344"
OTHER = "E28011606000020A11223345"
PLAIN = length(0x01, address=0xFF)
WITH_Q = length(0x01, b"\x04\x00", 0xFF)
NO_TAG = length(0x01, b"\xfb")
GATE = {"0": "outer", "1": "inner"}
EPCS = st.binary(min_size=4, max_size=62).filter(lambda epc: len(epc) % 2 == 0).map(bytes.hex)


def decoded(data: bytes, **options: object) -> list[Event]:
    return pieces_of(DRIVER.new(Options(**options)), [data])  # type: ignore[arg-type]


def flaws(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.flaw, event.bytes) for event in events if isinstance(event, BadFrame)]


def cards(events: list[Event]) -> list[str]:
    return [event.value for event in events if isinstance(event, CardRead)]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Frame)]


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if isinstance(event, DeviceChange)]


def talking(**options: object) -> Driver:
    driver = DRIVER.new(Options(**options))  # type: ignore[arg-type]
    driver.send(Command(START), 0.0)
    driver.poll(0.0)
    return driver


def answered(driver: Driver, answer: bytes, at: float) -> tuple[list[Event], list[bytes]]:
    """What an answer means, and what is asked next."""
    events = driver.feed(answer, at) + driver.poll(at)
    return events, driver.commands()


def test_the_published_request_has_the_crc_we_compute() -> None:
    (event,) = decoded(bytes.fromhex("040001DB4B"))
    assert event == Frame(name="inventory_request", fields={"address": 0, "cmd": 1, "kind": "command"})
    assert frame_crc(bytes.fromhex("040001")).hex() == "db4b"


def test_each_tag_of_a_frame_is_a_read_in_its_order() -> None:
    events = decoded(length_tags(EPC, OTHER, EPC))
    assert cards(events) == [EPC, OTHER, EPC]
    assert [event.is_repeat for event in events if isinstance(event, CardRead)] == [False, False, True]
    assert [event.fields["tags"] for event in events] == [3, 3, 3]


def test_the_list_with_signals_names_its_antenna() -> None:
    events = decoded(length_tags(EPC, OTHER, antennas=4))
    assert [(event.fields["rssi_raw"], event.fields["antennas"]) for event in events] == [(61, [2]), (62, [2])]


@given(st.lists(EPCS, min_size=1, max_size=20), st.sampled_from([None, 1, 2, 4, 8, 128]))
def test_the_two_lists_are_told_apart_by_their_bytes(epcs: list[str], antennas: int | None) -> None:
    size = sum(len(epc) // 2 + 2 for epc in epcs) + 8
    if size > 255:
        return
    tags = tags_of(length_tags(*epcs, antennas=antennas))
    assert tags is not None
    assert [tag.epc.hex() for tag in tags] == epcs
    assert all((tag.rssi is None) == (antennas is None) for tag in tags)


@given(EPCS, st.integers(1, 255), st.booleans())
def test_the_two_pushes_are_told_apart_by_their_bytes(epc: str, antennas: int, is_bare: bool) -> None:
    frame = length(0xEE, b"\x00" + bytes.fromhex(epc)) if is_bare else length_push(epc, antennas)
    tags = tags_of(frame)
    assert tags is not None
    assert [(tag.epc.hex(), tag.rssi) for tag in tags] == [(epc, None if is_bare else 70)]


def test_a_tid_behind_the_epc_is_not_part_of_the_number() -> None:
    tid = bytes.fromhex("E2003412013A1234ABCD5678")
    frame = length(0x01, b"\x01\x01\x01\x98" + bytes.fromhex(EPC) + tid + b"\x50")
    assert cards(decoded(frame)) == [EPC]
    changed = redact(frame, swapped)
    assert tid not in changed
    assert cards(decoded(changed)) == [swapped(EPC)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\x03\x0c" + bytes(12) + b"\x0c" + bytes(12),
        b"\x01\x01\x0c" + bytes(13),
        b"\x01\x02\x0c" + bytes(12) + b"\x0b" + bytes(11),
        b"\x01\x01\x02\x0c" + bytes(12) + b"\x40\x3e" + bytes(12),
    ],
    ids=["too few", "a byte too many", "an odd size", "a size beyond the end"],
)
def test_a_list_that_does_not_fill_its_frame_is_refused_although_the_crc_holds(data: bytes) -> None:
    frame = length(0x01, data)
    assert flaws(decoded(frame)) == [("format", len(frame))]


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (length(0x01, b"\x04\x00"), "inventory_request"),
        (length(0x01, b"\x04\x00\x00\x80\x14"), "inventory_request"),
        (NO_TAG, "no_tag"),
        (length(0x01, b"\x01\x01\x00"), "no_tag"),
        (length(0x01, b"\xf8"), "antenna_missing"),
        (length(0x01, b"\xfd"), "refused"),
        (length(0x0F), "one_tag_request"),
        (length(0x21), "info_request"),
        (length(0x21, bytes.fromhex("00160c034e001e0a01000000")), "info"),
        (length(0x33, b"\x01\x01\x01"), "signal_request"),
        (length(0x33, b"\x00"), "done"),
        (length(0xEE, b"\x28" + bytes(16)), "heartbeat"),
    ],
)
def test_frames_that_bring_no_tag_have_names(frame: bytes, name: str) -> None:
    assert names(decoded(frame)) == [name]


@pytest.mark.parametrize(
    ("frame", "name"),
    [("05002f1e7234", "power"), ("050000fe8773", "refused"), ("0900020000000000d9d8", "read")],
)
def test_frames_of_other_commands_have_names_and_show_no_data(frame: str, name: str) -> None:
    (event,) = decoded(bytes.fromhex(frame))
    assert isinstance(event, Frame)
    assert event.name == name
    assert event.fields == {"address": 0, "cmd": int(frame[4:6], 16), "bytes": len(frame) // 2 - 5}


@pytest.mark.parametrize("size", [0, 1, 12, 59, 60])
def test_a_command_nobody_knows_is_a_frame_where_one_is_expected(size: int) -> None:
    other = length(0x99, b"\xa5" * size)
    events = decoded(other + length_push(EPC) + other + other)
    assert names(events) == ["unknown"] * 3
    assert cards(events) == [EPC]
    assert flaws(events) == []


def test_it_is_one_after_a_silence_too_and_noise_in_the_midst_of_other_bytes() -> None:
    driver, other = DRIVER.new(), length(0x99, bytes(10))
    assert driver.feed(b"\0\0\0", 0.0) == []
    assert names(driver.feed(other, 1.0)) == ["unknown"]
    assert flaws(decoded(b"\0" + other + length_push(EPC))) == [("noise", 1 + len(other))]


def test_what_other_commands_carry_is_blank_in_a_redacted_recording() -> None:
    frame = length(0x02, b"\0" + bytes.fromhex(EPC))
    made = redact(frame, swapped)
    assert made == length(0x02, bytes(13))


@pytest.mark.parametrize("lost", range(20))
def test_a_lost_byte_costs_one_frame_and_not_the_next(lost: int) -> None:
    frame = length_push(EPC)
    events = decoded(frame[:lost] + frame[lost + 1 :] + length_push(OTHER))
    assert cards(events) == [OTHER]
    assert sum(size for _, size in flaws(events)) == len(frame) - 1


def test_a_stray_byte_before_a_frame_makes_nobody_wait() -> None:
    rng = random.Random(1)
    late = 0
    for _ in range(2000):
        driver = DRIVER.new()
        late += not cards(driver.feed(rng.randbytes(rng.randint(1, 6)) + length_push(EPC), 0.0))
    assert late <= 2


@pytest.mark.parametrize("stray", range(256))
def test_no_stray_byte_makes_a_frame_wait(stray: int) -> None:
    driver = DRIVER.new()
    driver.feed(length_push(OTHER), 0.0)
    late = driver.feed(bytes([stray]) + NO_TAG + length_push(EPC), 0.0)
    assert cards(late) == [EPC]


def test_a_false_start_is_given_up_after_the_gap() -> None:
    driver = DRIVER.new()
    assert driver.feed(b"\xff\x00\x01\x01\x01\x0c" + length_push(EPC), 0.0) == []
    assert cards(driver.poll(0.1)) == [EPC]


def test_it_asks_and_asks_again_when_the_answer_is_there() -> None:
    driver = talking()
    assert driver.commands() == [PLAIN]
    events, asked = answered(driver, length_tags(EPC), 0.3)
    assert (kinds(events), cards(events), asked) == (["up"], [EPC], [PLAIN])


def test_an_answer_in_several_frames_is_over_with_its_last() -> None:
    driver = talking()
    driver.commands()
    assert answered(driver, length_tags(EPC, status=3), 0.3)[1] == []
    assert answered(driver, length_tags(OTHER, status=1), 0.4)[1] == [PLAIN]


def test_its_own_echo_answers_nothing() -> None:
    driver = talking()
    events = [event for n in range(1, 2000) for event in driver.feed(b"".join(driver.commands()), n * 0.01)]
    events += [event for n in range(2000, 4000) for event in driver.poll(n * 0.01)]
    assert kinds(events) == ["down"]


def test_a_reader_that_refuses_one_form_is_asked_in_the_other() -> None:
    driver = talking()
    driver.commands()
    events, asked = answered(driver, length(0x01, b"\xfd"), 0.1)
    assert (kinds(events), asked) == (["up"], [WITH_Q])
    assert answered(driver, length_tags(EPC, antennas=1), 0.2)[1] == [WITH_Q]


def test_a_reader_that_refuses_both_forms_is_faulty() -> None:
    driver = talking()
    driver.commands()
    told = [kinds(answered(driver, length(0x01, b"\xff"), n * 0.1)[0]) for n in range(1, 6)]
    assert told == [["up"], ["fault"], [], [], []]


def test_a_reader_that_keeps_silent_is_asked_in_both_forms() -> None:
    driver = talking(answer_s=0.5)
    asked = driver.commands()
    for n in range(1, 5):
        driver.poll(n * 0.5)
        asked += driver.commands()
    assert set(asked) == {PLAIN, WITH_Q}


def test_one_lost_answer_does_not_change_the_form() -> None:
    driver = talking(answer_s=0.5)
    driver.commands()
    answered(driver, NO_TAG, 0.1)
    driver.poll(0.6)
    assert driver.commands() == [PLAIN]


def test_a_reader_in_active_mode_is_left_alone_until_it_has_been_silent_for_long() -> None:
    driver = talking()
    driver.commands()
    events, asked = answered(driver, length_push(EPC), 1.0)
    assert (kinds(events), cards(events), asked) == (["up"], [EPC], [])
    for at in (5.0, 20.0, 30.0):
        driver.poll(at)
        assert driver.commands() == []
    driver.poll(31.0)
    assert driver.commands() == [PLAIN]


def test_a_beep_is_asked_for_only_where_the_site_wants_it() -> None:
    for feedback, expected in ((False, [PLAIN]), (True, [length(0x33, b"\x01\x01\x01", 0xFF)])):
        driver = talking(feedback=feedback)
        driver.commands()
        driver.send(Command(FEEDBACK, {"state": "read"}), 0.1)
        driver.send(Command(FEEDBACK, {"state": "accepted"}), 0.1)
        assert answered(driver, length_tags(EPC), 0.2)[1] == expected


def test_after_a_beep_the_inventory_goes_on() -> None:
    driver = talking(feedback=True)
    driver.commands()
    driver.send(Command(FEEDBACK, {"state": "refused"}), 0.1)
    assert answered(driver, NO_TAG, 0.2)[1] == [length(0x33, b"\x03\x01\x03", 0xFF)]
    assert answered(driver, length(0x33, b"\x00"), 0.25)[1] == [PLAIN]


def test_a_missing_antenna_is_a_fault_once() -> None:
    driver = talking()
    driver.commands()
    told = [kinds(answered(driver, length(0x01, b"\xf8"), n * 0.1)[0]) for n in range(1, 4)]
    assert [sorted(kinds) for kinds in told] == [["fault", "up"], [], []]


def test_a_crossing_in_active_mode() -> None:
    pushes = length_push(EPC, 2) + length_push(EPC, 3) + length_push(EPC, 1)
    events = decoded(pushes, antennas=GATE, mode="listen")
    assert [event.event for event in events] == ["card_read", "card_read", "card_read", "passage"]
    assert [event.direction for event in events if isinstance(event, Passage)] == ["outward"]


def test_a_bus_tells_its_readers_apart() -> None:
    driver = DRIVER.new(Options(address=7), Options(address=2))
    data = length_tags(EPC, address=2) + length_push(EPC, address=7) + length_push(EPC, address=9)
    events = driver.feed(data, 0.0)
    assert [(event.event, event.unit) for event in events] == [("card_read", 1), ("card_read", 0), ("frame", None)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": -1}, "address"),
        ({"antennas": {"0": "outer", "8": "inner"}}, "antennas"),
        ({"answer_s": 0.0}, "answer_s"),
        ({"poll_s": 99.0}, "poll_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]


def swapped(number: str) -> str:
    return number.translate(str.maketrans("0123456789ABCDEF", "123456789ABCDEF0"))


@pytest.mark.parametrize("antennas", [None, 2])
def test_redacted_tags_keep_their_form_and_the_check(antennas: int | None) -> None:
    frame = length_tags(EPC, OTHER, "00323038", antennas=antennas)
    wanted = length_tags(swapped(EPC), swapped(OTHER), swapped("00323038"), antennas=antennas)
    assert redact(frame, swapped) == wanted
    assert redact(length_push(EPC, 3), swapped) == length_push(swapped(EPC), 3)


def test_frames_without_a_card_are_not_touched() -> None:
    for frame in (PLAIN, WITH_Q, NO_TAG, length(0x01, b"\x01\x01\x00"), length(0xEE, b"\x28" + bytes(16))):
        assert redact(frame, swapped) == frame


@pytest.mark.parametrize(
    "frame",
    [
        length(0xEE, b"\x28" + bytes.fromhex(EPC)),
        length(0x21, b"\x00" + bytes.fromhex(EPC)),
        length(0x01, bytes.fromhex(EPC)[:5]),
    ],
    ids=["heartbeat", "information", "question"],
)
def test_other_frames_with_an_epc_do_not_keep_it(frame: bytes) -> None:
    changed = redact(frame, swapped)
    assert not any(bytes.fromhex(EPC)[at : at + 3] in changed for at in range(1, 8))
    (before,), (after,) = decoded(frame), decoded(changed)
    assert (type(before), before.as_dict()["name"]) == (type(after), after.as_dict()["name"])
