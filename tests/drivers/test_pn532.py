"""PN532: an acknowledgement is life, silence behind it no card; a held card is told once; lengths have to fit."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame
from drivers.pn532 import DRIVER, LIST, LISTEN_S, TABLE, WAKE, Options

ACK = bytes.fromhex("0000FF00FF00")


def frame(data: bytes) -> bytes:
    check = -sum(data) & 0xFF
    return bytes.fromhex("0000FF") + bytes([len(data), -len(data) & 0xFF]) + data + bytes([check, 0])


def extended(data: bytes) -> bytes:
    size = len(data).to_bytes(2, "big")
    return bytes.fromhex("0000FFFFFF") + size + bytes([-sum(size) & 0xFF]) + data + bytes([-sum(data) & 0xFF, 0])


def card(uid: str, kind: str = "000408", ats: str = "") -> bytes:
    return frame(bytes.fromhex("D54B0101" + kind) + bytes([len(uid) // 2]) + bytes.fromhex(uid + ats))


SET_UP, NO_CARD, CARD = frame(b"\xd5\x15"), frame(b"\xd5\x4b\0"), card("078CFC4F")


def words(events: list[Event]) -> list[str]:
    return [
        event.name
        if isinstance(event, Frame)
        else event.kind
        if isinstance(event, DeviceChange)
        else ("repeat" if event.is_repeat else event.value)
        if isinstance(event, CardRead)
        else event.event
        for event in events
    ]


def told(driver: Driver, *chunks: tuple[float, bytes]) -> list[str]:
    return words([event for at, data in chunks for event in driver.feed(data, at)])


def module(**options: float) -> Driver:
    return DRIVER.new(Options(**options))


# --- what a frame says


@pytest.mark.parametrize("uid", ["078CFC4F", "04A1B2C3D4E5F6", "01020304050607080910"])
def test_a_uid_is_told_as_on_air_with_its_bits(uid: str) -> None:
    (event,) = module().feed(card(uid), 0.0)
    assert isinstance(event, CardRead)
    assert (event.scheme, event.value, event.bits) == ("iso14443", uid, 4 * len(uid))
    assert event.fields["uid"] == uid.lower()


@pytest.mark.parametrize(("uid", "marked"), [("08C0FFEE", True), ("18C0FFEE", False), ("08A1B2C3D4E5F6", False)])
def test_a_uid_that_is_drawn_anew_each_time_is_marked(uid: str, marked: bool) -> None:
    (event,) = module().feed(card(uid), 0.0)
    assert event.fields.get("random_uid", False) is marked


def test_the_answer_to_select_that_follows_a_uid_is_not_part_of_it() -> None:
    assert told(module(), (0.0, card("04A1B2C3D4E5F6", "034420", "067577810280"))) == ["04A1B2C3D4E5F6"]


def test_two_cards_in_one_answer_are_both_told() -> None:
    both = frame(bytes.fromhex("D54B02 01000420 0411223344 03AABB 02004400 0704998877665544"))
    assert told(module(), (0.0, both)) == ["11223344", "04998877665544"]


@pytest.mark.parametrize("data", ["D54B01", "D54B0101000408", "D54B010100040805112233445566", "D54B01010004080411"])
def test_lengths_that_do_not_fit_give_no_card(data: str) -> None:
    assert told(module(), (0.0, frame(bytes.fromhex(data)))) == ["unreadable_target"]


def test_a_card_of_another_type_that_another_host_asked_for_is_no_credential() -> None:
    type_b = frame(bytes.fromhex("D44A010300"))
    assert told(module(), (0.0, type_b + CARD + CARD)) == ["list_targets", "other_target", "078CFC4F"]


def test_cards_in_an_extended_frame_are_read() -> None:
    recorded = bytes.fromhex("0000ffffff000cf4d54b010100040804112233442400")
    assert told(module(), (0.0, recorded)) == ["11223344"]
    assert told(module(), (0.0, extended(bytes.fromhex("D54B01010004080411223344") + bytes(250)))) == ["11223344"]
    two = bytes.fromhex("D54B02010004080411223344020044200704A1B2C3D4E5F60575778102800000".replace(" ", ""))
    assert told(module(), (0.0, extended(two))) == ["11223344", "04A1B2C3D4E5F6"]


@pytest.mark.parametrize("at", [5, 6, 7, 20])
def test_a_wrong_length_or_sum_of_an_extended_frame_gives_no_card(at: int) -> None:
    data = bytearray(extended(bytes.fromhex("D54B01010004080411223344")))
    data[at] ^= 1
    driver = module()
    events = driver.feed(bytes(data), 0.0) + driver.close()
    assert events
    assert not any(isinstance(event, CardRead) for event in events)


def test_another_extended_frame_is_named_and_read_no_further() -> None:
    assert told(module(), (0.0, extended(bytes.fromhex("D54100") + bytes(250)))) == ["extended"]
    assert told(module(), (0.0, extended(bytes.fromhex("D54B")))) == ["extended"]


def test_an_extended_frame_longer_than_any_is_refused_at_once() -> None:
    assert told(module(), (0.0, bytes.fromhex("0000FFFFFF0200FE") + CARD)) == ["bad_frame", "078CFC4F"]


def test_a_lost_00_that_the_sum_does_not_notice_gives_no_other_card() -> None:
    whole = card("0700FC4F")
    assert told(module(), (0.0, whole[:14] + whole[15:]), (0.2, ACK + CARD)) == ["bad_frame", "ack", "078CFC4F"]


@given(st.integers(0, len(CARD) - 1), st.integers(1, 255))
def test_a_wrong_byte_never_gives_a_card(at: int, flip: int) -> None:
    damaged = bytearray(CARD)
    damaged[at] ^= flip
    driver = module()
    events = driver.feed(bytes(damaged), 0.0) + driver.close()
    assert all(isinstance(event, BadFrame) or event.event == "incomplete" for event in events)


# --- held cards


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.0, 0.3, 0.6, 1.3, 2.0], ["078CFC4F", "repeat", "repeat", "repeat", "repeat"]),
        ([0.0, 0.9], ["078CFC4F", "078CFC4F"]),
        ([0.0, 0.8, 1.7], ["078CFC4F", "repeat", "078CFC4F"]),
    ],
)
def test_the_time_since_its_previous_answer_tells_a_held_card(times: list[float], expected: list[str]) -> None:
    assert told(module(), *((at, CARD) for at in times)) == expected


def test_another_card_in_between_does_not_make_the_first_one_new() -> None:
    assert told(module(), (0.0, CARD), (0.3, card("11223344")), (0.6, CARD)) == ["078CFC4F", "11223344", "repeat"]


def test_repeats_may_be_switched_off() -> None:
    assert told(module(hold_s=0.0), (0.0, CARD), (0.0, CARD)) == ["078CFC4F", "078CFC4F"]


def test_a_thousand_cards_at_once_are_not_remembered() -> None:
    driver = module()
    for n in range(1000):
        driver.feed(card(f"10{n:06X}"), 0.0)
    assert told(driver, (0.0, card("10000000"))) == ["10000000"]


# --- the talk


class Bench:
    """A driver and its clock."""

    def __init__(self, **options: float) -> None:
        self.driver = module(**options)
        self.at = 0.0
        self.told: list[Event] = []
        self.driver.send(Command(START), 0.0)

    def question(self) -> bytes:
        for _ in range(20):
            due = self.driver.next_poll()
            assert due is not None
            self.at = max(self.at, due)
            self.told += self.driver.poll(self.at)
            if asked := b"".join(self.driver.commands()):
                return asked
        raise AssertionError("it does not ask")

    def hear(self, data: bytes, after_s: float = 0.005) -> list[str]:
        self.at += after_s
        events = self.driver.feed(data, self.at)
        self.told += events
        return words(events)


def ready() -> Bench:
    bench = Bench()
    assert bench.question() == WAKE
    assert bench.hear(ACK + SET_UP) == ["ack", "up", "set_up"]
    assert bench.question() == LIST
    return bench


def test_it_is_woken_and_set_up_before_it_is_asked() -> None:
    assert WAKE.startswith(b"\x55\x55\0\0")
    assert WAKE.endswith(bytes.fromhex("0000FF03FDD414011700"))
    assert bytes.fromhex("0000FF04FCD44A0100E100") == LIST
    ready()


def test_a_card_that_comes_late_is_told_and_asked_for_again_after_the_pause() -> None:
    bench = ready()
    assert bench.hear(ACK) == ["ack"]
    assert bench.hear(CARD, 0.6) == ["078CFC4F"]
    since = bench.at
    assert bench.question() == LIST
    assert bench.at - since == pytest.approx(0.2)


def test_silence_behind_an_acknowledgement_is_no_fault() -> None:
    bench = ready()
    for _ in range(100):
        bench.hear(ACK)
        since = bench.at
        assert bench.question() == LIST
        assert bench.at - since == pytest.approx(LISTEN_S)
    assert words(bench.told).count("down") == 0


def test_an_answer_without_acknowledgement_counts_too() -> None:
    bench = ready()
    for _ in range(5):
        assert bench.hear(NO_CARD) == ["no_card"]
        assert bench.question() == LIST


def test_a_silent_module_is_woken_and_told_to_be_down_once() -> None:
    bench = ready()
    bench.hear(ACK)
    questions = [bench.question() for _ in range(8)]
    assert questions == [LIST] + [WAKE] * 7
    assert words(bench.told)[-1] == "down"
    assert words(bench.told).count("down") == 1
    assert bench.hear(ACK + SET_UP) == ["ack", "set_up"], "three answers in a row bring it back"
    assert bench.question() == LIST
    assert bench.hear(ACK) == ["ack"]
    assert bench.question() == LIST
    assert bench.hear(ACK) == ["up", "ack"]


def test_down_within_two_and_a_half_seconds() -> None:
    bench = ready()
    bench.hear(ACK)
    since = bench.at
    while "down" not in words(bench.told):
        bench.question()
    assert bench.at - since < 2.5 + Options().poll_s


def test_a_reset_wakes_it_again() -> None:
    bench = ready()
    bench.driver.reset()
    bench.driver.send(Command(START), bench.at)
    assert bench.question() == WAKE


def test_its_own_echo_answers_nothing() -> None:
    bench = Bench()
    for _ in range(4):
        bench.hear(bench.question())
    assert [word for word in words(bench.told) if word in ("up", "down")] == ["down"]


SAYINGS = st.sampled_from([ACK, SET_UP, NO_CARD, CARD, ACK + CARD, card("11223344"), frame(b"\x7f"), b"", LIST])


@given(st.lists(SAYINGS, max_size=30))
def test_whatever_it_says_it_is_asked_again(sayings: list[bytes]) -> None:
    bench = Bench()
    for said in sayings:
        assert bench.question() in (WAKE, LIST)
        bench.hear(said)
    bench.question()


def test_every_state_is_reached() -> None:
    assert {state for _, answers in TABLE.values() for state in answers.values()} == TABLE.keys()


# --- when it was


def since_s(bench: Bench) -> float | None:
    return next(event.since_s for event in reversed(bench.told) if isinstance(event, CardRead))


def test_a_card_is_as_old_as_the_question_before_that_met_none() -> None:
    bench = ready()
    bench.hear(ACK)
    asked_at = bench.at - 0.005
    assert bench.question() == LIST
    bench.hear(ACK)
    bench.hear(CARD, 0.02)
    assert since_s(bench) == pytest.approx(bench.at - asked_at)
    bench.question()
    asked_at = bench.at
    bench.hear(NO_CARD)
    bench.question()
    bench.hear(card("11223344"))
    assert since_s(bench) == pytest.approx(bench.at - asked_at)


def test_a_card_that_comes_while_it_listens_is_of_now_within_two_listenings() -> None:
    bench = ready()
    for _ in range(3):
        bench.hear(ACK)
        bench.question()
    bench.hear(ACK)
    bench.hear(CARD, LISTEN_S - 0.01)
    assert (since_s(bench) or inf) < 2 * LISTEN_S + 0.1


def test_a_card_that_lay_there_at_the_first_question_may_be_of_any_age() -> None:
    bench = ready()
    bench.hear(ACK)
    bench.hear(CARD, 0.02)
    assert since_s(bench) == inf


def test_a_card_that_came_while_nobody_read_the_line_or_the_module_was_gone_is_not_of_now() -> None:
    bench = ready()
    bench.hear(ACK)
    bench.question()
    bench.hear(ACK)
    bench.hear(CARD, 60.0)
    assert (since_s(bench) or 0.0) > 60.0
    bench.question()
    bench.hear(NO_CARD)
    gone_at = bench.at
    while bench.at < gone_at + 30.0:
        bench.question()
    assert bench.question() == WAKE
    bench.hear(ACK + SET_UP)
    bench.question()
    bench.hear(ACK)
    bench.hear(card("11223344"), 0.02)
    assert (since_s(bench) or 0.0) > 30.0


# --- what a module finds by itself (InAutoPoll)


def auto(*found: str) -> bytes:
    parts = [bytes.fromhex(each) for each in found]
    body = b"".join(bytes([part[0], len(part) - 1]) + part[1:] for part in parts)
    return frame(b"\xd5\x61" + bytes([len(parts)]) + body)


MIFARE, DESFIRE = "10 01 0004 08 04 11223344", "20 01 0344 20 07 04A1B2C3D4E5F6 067577810280"
FELICA, PEER = "11 01 14 01 0102030405060708090A0B0C0D0E0F1011", "40 01 0004 40 04 AABBCCDD 00"


def test_cards_that_a_module_finds_by_itself_are_read() -> None:
    driver = module()
    assert told(driver, (0.0, auto(MIFARE))) == ["11223344"]
    assert told(driver, (9.0, auto(DESFIRE, MIFARE))) == ["04A1B2C3D4E5F6", "11223344"]
    assert told(driver, (9.1, auto(MIFARE))) == ["repeat"]
    assert told(driver, (20.0, auto("00 01 0044 00 07 04998877665544"))) == ["04998877665544"]
    assert told(driver, (21.0, auto())) == ["no_card"]
    assert told(driver, (22.0, frame(bytes.fromhex("D460FF0110")))) == ["auto_poll"]
    (event,) = module().feed(auto(MIFARE), 0.0)
    assert event.fields["target_kind"] == 0x10


@pytest.mark.parametrize("other", [FELICA, PEER, "03 01 50 1122334400000000", "04 01 0C00 11223344", "77 0411223344"])
def test_what_it_finds_that_is_no_card_of_type_a_is_a_frame(other: str) -> None:
    assert told(module(), (0.0, auto(other))) == ["other_target"]
    assert told(module(), (0.0, auto(other, MIFARE))) == ["other_target", "11223344"]


@pytest.mark.parametrize(
    "data",
    [
        "D56101",
        "D5610110",
        "D56101100A01000408 0411223344",
        "D561011008010004080411223344",
        "D56101100A0100040804112233445566",
        "D56101100C010004080511223344550000",
        "D56102100901000408041122334410",
        "D5610110090100040804112233440000",
        "D561012010 01034420 0704A1B2C3D4E5F6 0875778102",
    ],
)
def test_lengths_that_do_not_fit_give_no_card_there_either(data: str) -> None:
    assert told(module(), (0.0, frame(bytes.fromhex(data)))) == ["unreadable_target"]


@given(st.binary(max_size=40))
def test_no_card_is_invented_from_what_no_length_explains(rest: bytes) -> None:
    events = module().feed(frame(b"\xd5\x61" + rest), 0.0)
    for event in events:
        if isinstance(event, CardRead):
            assert bytes.fromhex(event.value) in rest
            assert rest[0] == len(events)


# --- redaction


def swap(number: str) -> str:
    return "".join("123456789ABCDEF0"["0123456789ABCDEF".index(digit)] for digit in number)


@pytest.mark.parametrize(
    "secret",
    [
        card("04A1B2C3D4E5F6", "034420", "067577810280"),
        frame(bytes.fromhex("D44A010004A1B2C3")),
        frame(bytes.fromhex("D44001600404A1B2C3D4E5A1B2C3D4")),
        frame(bytes.fromhex("D541000404A1B2C3D4E5")),
        extended(bytes.fromhex("D541000404A1B2C3D4E5")),
        frame(bytes.fromhex("D54B01A1B2C3")),
        frame(bytes.fromhex("D503A1B2C3A1B2C3A1B2C3")),
        frame(bytes.fromhex("D4140114A1B2C3A1B2C3")),
        frame(bytes.fromhex("D432A1B2C3")),
        extended(bytes.fromhex("D54B01010004080411223344A1B2C3")),
        auto(DESFIRE, MIFARE),
        auto("11 01 14 01 A1B2C3", MIFARE),
        frame(bytes.fromhex("D561011009A1B2C3")),
        frame(bytes.fromhex("D460A1B2C3")),
    ],
)
def test_nothing_of_a_card_stays_in_a_redacted_frame(secret: bytes) -> None:
    assert DRIVER.redact is not None
    redacted = DRIVER.redact(secret, swap)
    assert b"\xa1\xb2\xc3" not in redacted
    assert b"\x75\x77\x81" not in redacted
    assert b"\x11\x22\x33\x44" not in redacted
    kinds = [type(event) for event in module().feed(secret, 0.0)]
    assert [type(event) for event in module().feed(redacted, 0.0)] == kinds


@pytest.mark.parametrize("plain", [ACK, SET_UP, LIST, NO_CARD])
def test_frames_that_say_nothing_of_a_card_stay_as_they_are(plain: bytes) -> None:
    assert DRIVER.redact is not None
    assert DRIVER.redact(plain, swap) == plain


@pytest.mark.parametrize("uid", ["08112233", "07112233", "87112233"])
def test_a_redacted_uid_is_of_the_same_kind(uid: str) -> None:
    assert DRIVER.redact is not None
    (before,), (after,) = (module().feed(data, 0.0) for data in (card(uid), DRIVER.redact(card(uid), swap)))
    assert before.fields.get("random_uid") == after.fields.get("random_uid")


@pytest.mark.parametrize(
    ("options", "said"), [({"poll_s": 0.01}, "poll_s"), ({"hold_s": -1.0}, "hold_s"), ({"gap_s": 0.0}, "gap_s")]
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)
