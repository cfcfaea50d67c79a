"""A0 readers: what a frame is, its length says; antennas are asked in turn; a bus knows its readers."""

from __future__ import annotations

import random

import pytest
from uhf_frames import a0, a0_end, a0_tag

from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Passage
from drivers.redaction import rewrite
from drivers.suite import pieces_of
from drivers.uhf_a0 import DRIVER, Options, redact

EPC = "E200301666130121155074EF"
OTHER = "300833B2DDD9014000000001"
ASK = a0(0x89, b"\x01", 0xFF)
GATE = {"0": "outer", "2": "inner"}


def decoded(data: bytes, **options: object) -> list[Event]:
    return pieces_of(DRIVER.new(Options(**options)), [data])  # type: ignore[arg-type]


def flaws(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.flaw, event.bytes) for event in events if isinstance(event, BadFrame)]


def cards(events: list[Event]) -> list[str]:
    return [event.value for event in events if isinstance(event, CardRead)]


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Frame)]


def kinds(events: list[Event]) -> list[tuple[str, str | None]]:
    return [(event.kind, event.reason) for event in events if isinstance(event, DeviceChange)]


def talking(**options: object) -> Driver:
    driver = DRIVER.new(Options(**options))  # type: ignore[arg-type]
    driver.send(Command(START), 0.0)
    driver.poll(0.0)
    return driver


def answered(driver: Driver, answer: bytes, at: float) -> tuple[list[Event], list[bytes]]:
    """What an answer means, and what is asked next."""
    events = driver.feed(answer, at)
    events += driver.poll(at)
    return events, driver.commands()


@pytest.mark.parametrize("words", [1, 2, 4, 6, 8, 31])
def test_an_epc_of_any_length_is_read_in_full(words: int) -> None:
    epc = random.Random(words).randbytes(2 * words).hex().upper()
    (event,) = decoded(a0_tag(epc, antenna=3, rssi=99))
    assert isinstance(event, CardRead)
    assert (event.value, event.bits, event.fields["antenna"], event.fields["rssi_raw"]) == (epc, 16 * words, 3, 99)


@pytest.mark.parametrize("pc", [b"\x00\x00", b"\x28\x00", b"\x38\x00", b"\xf8\x00"])
def test_a_pc_that_tells_another_length_is_refused_although_the_check_holds(pc: bytes) -> None:
    frame = a0_tag(EPC, pc=pc)
    assert decoded(frame) == [BadFrame(flaw="format", bytes=len(frame))]


def test_the_rest_of_the_pc_may_be_anything() -> None:
    assert cards(decoded(a0_tag(EPC, pc=b"\x37\xff"))) == [EPC]


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (a0(0x89, b"\x01"), "inventory_request"),
        (a0(0x89, b"\xff"), "inventory_request"),
        (a0(0x89, b"\x22"), "error"),
        (a0(0x89, b"\x36"), "no_tag"),
        (a0_end(), "inventory_end"),
        (a0(0x8A, bytes(7)), "inventory_end"),
        (a0(0x8A, b"\x01\x22"), "error"),
        (a0(0x8A, bytes(10)), "fast_inventory_request"),
        (a0(0x8A, bytes(18)), "fast_inventory_request"),
        (a0(0x74, b"\x03"), "antenna_request"),
        (a0(0x74, b"\x10"), "done"),
        (a0(0x74, b"\x41"), "error"),
        (a0(0x72), "version_request"),
        (a0(0x72, b"\x01\x09"), "version"),
        (a0(0x76, b"\x10"), "power"),
        (a0(0x7B, b"\x01\x1e"), "unknown"),
    ],
)
def test_the_length_and_the_value_say_what_a_frame_is(frame: bytes, name: str) -> None:
    assert names(decoded(frame)) == [name]


@pytest.mark.parametrize("lost", range(21))
def test_a_lost_byte_costs_one_frame_and_not_the_next(lost: int) -> None:
    frame = a0_tag(EPC)
    events = decoded(frame[:lost] + frame[lost + 1 :] + a0_tag(OTHER) + a0_end())
    assert cards(events) == [OTHER]
    assert sum(size for _, size in flaws(events)) == len(frame) - 1


def test_a_stray_start_claims_no_more_than_a_frame_of_its_kind() -> None:
    driver = DRIVER.new()
    assert cards(driver.feed(b"\xa0\xff\x01\x89" + a0_tag(EPC), 0.0)) == [EPC]
    assert cards(driver.feed(b"\xa0\x30\x01\x74" + a0_tag(OTHER), 0.0)) == [OTHER]


def test_a_stray_start_in_a_talk_is_given_up_before_the_question_is() -> None:
    driver = talking()
    driver.commands()
    assert cards(driver.feed(b"\xa0\x45\x01\x89" + a0_tag(EPC) + a0_end(), 0.05)) == []
    due = driver.next_poll()
    assert due is not None
    assert due <= 0.16
    events = driver.poll(due)
    assert cards(events) == [EPC]
    assert kinds(events) == [("up", None)]


def test_it_asks_for_an_inventory_and_again_after_its_end() -> None:
    driver = talking()
    assert driver.commands() == [ASK]
    _, asked = answered(driver, a0_tag(EPC, address=1), 0.02)
    assert asked == []
    assert driver.next_poll() == pytest.approx(0.5)
    events, asked = answered(driver, a0_end(), 0.2)
    assert kinds(events) == [("up", None)]
    assert asked == [ASK]


def test_its_own_echo_answers_nothing() -> None:
    driver = talking()
    assert kinds(driver.feed(ASK, 0.0)) == []
    assert kinds([event for n in range(1, 80) for event in driver.poll(n * 0.05)]) == [("down", "no answer")]


def test_antennas_are_asked_in_turn_and_a_pause_follows_the_last() -> None:
    driver = talking(antennas=GATE, poll_s=1.0)
    conversation = driver.commands()
    for at, answer in ((0.01, a0(0x74, b"\x10")), (0.05, a0_end(0)), (0.06, a0(0x74, b"\x10")), (0.1, a0_end(2))):
        conversation += answered(driver, answer, at)[1]
    choose = [a0(0x74, bytes([antenna]), 0xFF) for antenna in (0, 2)]
    assert conversation == [choose[0], ASK, choose[1], ASK]
    driver.poll(1.05)
    assert driver.commands() == []
    driver.poll(1.07)
    assert driver.commands() == [choose[0]]


def test_an_antenna_is_chosen_again_after_a_time_out() -> None:
    driver = talking(antennas=GATE)
    choose = driver.commands()
    assert answered(driver, a0(0x74, b"\x10"), 0.01)[1] == [ASK]
    driver.poll(0.52)
    assert driver.commands() == choose


def test_an_antenna_that_cannot_be_chosen_is_a_fault_and_the_next_one_is_tried() -> None:
    driver = talking(antennas=GATE)
    driver.commands()
    events, asked = answered(driver, a0(0x74, b"\x41"), 0.01)
    assert kinds(events) == [("up", None), ("fault", "error 41 0")] or kinds(events) == [
        ("fault", "error 41 0"),
        ("up", None),
    ]
    assert asked == [a0(0x74, b"\x02", 0xFF)]


def test_a_missing_antenna_is_told_once_and_not_mended_by_the_other() -> None:
    driver = talking(antennas=GATE)
    driver.commands()
    events: list[Event] = []
    at = 0.0
    for _ in range(10):
        for answer in (a0(0x74, b"\x10"), a0(0x89, b"\x22"), a0(0x74, b"\x10"), a0_end(2)):
            at += 0.1
            events += answered(driver, answer, at)[0]
    assert [kind for kind in kinds(events) if kind[0] == "fault"] == [("fault", "no antenna 0")]


def test_a_crossing_is_told_behind_the_read_that_completes_it() -> None:
    events = decoded(a0_tag(EPC, 2) + a0_end(2) + a0_tag(EPC, 0), antennas=GATE)
    assert [event.event for event in events] == ["card_read", "frame", "card_read", "passage"]
    assert [event.direction for event in events if isinstance(event, Passage)] == ["outward"]


def test_only_a_reader_with_sides_emits_passages() -> None:
    assert DRIVER.emits_with(Options()) == {"credential"}
    assert DRIVER.directions_with(Options()) == ()
    assert DRIVER.emits_with(Options(antennas=GATE)) == {"credential", "passage"}
    assert DRIVER.directions_with(Options(antennas=GATE)) == ("inward", "outward")


def test_a_bus_tells_its_readers_apart() -> None:
    driver = DRIVER.new(Options(address=7), Options(address=2, rssi_floor=80))
    events = driver.feed(a0_tag(EPC, address=2) + a0_tag(EPC, address=7) + a0_tag(EPC, address=9), 0.0)
    assert [(event.event, event.unit) for event in events] == [("frame", 1), ("card_read", 0), ("frame", None)]
    assert names(events) == ["weak", "unconfigured"]


def test_readers_of_a_bus_are_asked_by_their_addresses() -> None:
    driver = DRIVER.new(Options(address=7), Options(address=2))
    driver.send(Command(START, unit=0), 0.0)
    driver.send(Command(START, unit=1), 0.0)
    driver.poll(0.0)
    assert driver.commands() == [a0(0x89, b"\x01", 7)]
    events, asked = answered(driver, a0_end(address=7), 0.05)
    assert [(event.kind, event.unit) for event in events if isinstance(event, DeviceChange)] == [("up", 0)]
    assert asked == [a0(0x89, b"\x01", 2)]


def test_a_question_to_everybody_on_a_bus_is_nobodys_answer() -> None:
    driver = DRIVER.new(Options(address=7), Options(address=2))
    (event,) = driver.feed(ASK, 0.0)
    assert (event.unit, names([event])) == (None, ["unconfigured"])


def test_in_listen_mode_nothing_is_ever_asked() -> None:
    driver = talking(mode="listen")
    assert (driver.commands(), driver.next_poll()) == ([], None)
    assert cards(driver.feed(ASK + a0_tag(EPC), 11.0)) == [EPC]


def test_only_inventories_and_antennas_are_ever_written() -> None:
    driver = talking(antennas=GATE)
    written = driver.commands()
    for n in range(300):
        answer = a0(0x74, b"\x10") if written[-1][3] == 0x74 else a0_end()
        written += answered(driver, answer, n * 0.05)[1]
    assert {frame[3] for frame in written} == {0x74, 0x89}
    assert len(written) > 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": 255}, "address"),
        ({"antennas": {"0": "outer", "4": "inner"}}, "antennas"),
        ({"antennas": {"0": "inner"}}, "antennas"),
        ({"poll_s": 0.0}, "poll_s"),
        ({"cross_s": 99.0}, "cross_s"),
        ({"gap_s": 61.0}, "gap_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]


def swapped(number: str) -> str:
    return number.translate(str.maketrans("0123456789ABCDEF", "123456789ABCDEF0"))


def test_a_redacted_tag_keeps_its_form_and_its_check() -> None:
    assert redact(a0_tag(EPC, 2, 71), swapped) == a0_tag(swapped(EPC), 2, 71)


def test_other_frames_with_an_epc_do_not_keep_it() -> None:
    frame = a0(0x81, bytes.fromhex("0001123000" + EPC + "ABCD") + bytes(4))
    changed = rewrite(DRIVER.new(), frame, lambda found: redact(found, swapped))
    assert bytes.fromhex(EPC) not in changed
    assert names(decoded(changed)) == ["unknown"]


@pytest.mark.parametrize("command", [0x72, 0x74, 0x76, 0x89, 0x8A])
def test_known_commands_with_more_data_than_they_have_do_not_keep_it(command: int) -> None:
    for size in (4, 7, 10, 18):
        frame = a0(command, (b"CANARY42" * 3)[:size])
        changed = rewrite(DRIVER.new(), frame, lambda found: redact(found, swapped))
        assert not any(part in changed for part in (b"CANA", b"NARY", b"Y42C"))


def test_frames_without_a_card_are_not_touched() -> None:
    for frame in (ASK, a0_end(), a0(0x72, b"\x01\x09"), a0(0x89, b"\x22"), a0(0x8A, bytes(10))):
        assert redact(frame, swapped) == frame
