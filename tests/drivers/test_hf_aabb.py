"""AA BB modules: stuffing, long UIDs in two questions, held cards, feedback that nobody takes for an answer."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from drivers.aabb_frame import frame as host_frame
from drivers.checksums import xor
from drivers.contract import FEEDBACK, START, TEXT, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame
from drivers.hf_aabb import DRIVER, TABLE, Options


def frame(command: int, data: str, *, node: int = 0, stuffed: bool = False) -> bytes:
    body = node.to_bytes(2, "little") + command.to_bytes(2, "little") + bytes.fromhex(data)
    length, check = (len(body) + 1).to_bytes(2, "little"), bytes([xor(body)])
    return b"\xaa\xbb" + length + (body.replace(b"\xaa", b"\xaa\0") if stuffed else body) + check


REQUEST, ANTICOLLISION, LONG_UID = 0x0201, 0x0202, 0x0212
PRESENT, PRESENT_LONG, GONE = frame(REQUEST, "000400"), frame(REQUEST, "004400"), frame(REQUEST, "14")
CARD = frame(ANTICOLLISION, "005AEFC604")
ASK_CARD, ASK_UID, ASK_LONG = (
    frame(REQUEST, "52", node=0xFFFF),
    frame(ANTICOLLISION, "04", node=0xFFFF),
    frame(LONG_UID, "", node=0xFFFF),
)


def module(**options: object) -> Driver:
    return DRIVER.new(Options(**options))  # type: ignore[arg-type]


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


# --- what a frame says


@pytest.mark.parametrize("uid", ["5AEFC604", "04A1B2C3D4E5F6", "01020304050607080910"])
def test_a_uid_is_told_with_its_bits(uid: str) -> None:
    (event,) = module().feed(frame(ANTICOLLISION, "00" + uid), 0.0)
    assert isinstance(event, CardRead)
    assert (event.scheme, event.value, event.bits) == ("iso14443", uid, 4 * len(uid))


def test_a_uid_that_is_drawn_anew_each_time_is_marked() -> None:
    (event,) = module().feed(frame(ANTICOLLISION, "0008C0FFEE"), 0.0)
    assert event.fields["random_uid"] is True


@pytest.mark.parametrize("lead", [b"", PRESENT_LONG])
def test_the_beginning_of_a_long_uid_is_no_card(lead: bytes) -> None:
    assert told(module(), (0.0, lead + frame(ANTICOLLISION, "008804A1B2")))[-1] == "partial_uid"


def test_four_bytes_of_a_card_that_has_seven_are_no_card() -> None:
    assert told(module(), (0.0, PRESENT_LONG + frame(ANTICOLLISION, "0004A1B2C3")))[-1] == "partial_uid"


@pytest.mark.parametrize("data", ["14", "005AEFC6", "015AEFC604", "005AEFC60455"])
def test_a_failure_or_an_odd_length_gives_no_card(data: str) -> None:
    assert told(module(), (0.0, frame(ANTICOLLISION, data))) == ["no_uid"]


def is_ambiguous(uid: bytes) -> bool:
    """Whether the stuffed frame of a card holds as it lies too: AA in it, and a check of 0."""
    return 0xAA in uid and xor(b"\2\2" + uid) == 0


@given(st.binary(min_size=4, max_size=4).filter(lambda uid: uid[0] != 0x88 and not is_ambiguous(uid)))
def test_every_uid_survives_the_stuffing(uid: bytes) -> None:
    data = frame(ANTICOLLISION, "00" + uid.hex(), stuffed=True)
    assert told(module(), (0.0, data)) == [uid.hex().upper()]
    assert told(module(stuffing=False), (0.0, frame(ANTICOLLISION, "00" + uid.hex()))) == [uid.hex().upper()]


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=20))
def test_what_we_say_is_stuffed_as_what_we_hear(node: int, command: int, data: bytes) -> None:
    made = host_frame(node, command, data, stuffing=True)
    assert made == frame(command, data.hex(), node=node, stuffed=True)


AA_00 = frame(ANTICOLLISION, "00AA00C604")
"""A card with AA 00 in its number, of a module that does not stuff."""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (AA_00 + b"\0", ["bad_frame"]),
        (AA_00 + b"\0" + CARD, ["bad_frame", "5AEFC604"]),
        (AA_00 + CARD, ["AA00C604", "5AEFC604"]),
        (AA_00 + b"\xff", ["AA00C604", "bad_frame"]),
        (AA_00, ["incomplete"]),
    ],
)
def test_what_can_be_read_with_stuffing_and_without_is_no_card(data: bytes, said: list[str]) -> None:
    for size in (1, 2, 3, len(data)):
        driver = module()
        events = [event for at in range(0, len(data), size) for event in driver.feed(data[at : at + size], 0.0)]
        assert words(events + driver.close()) == said
    assert told(module(stuffing=False), (0.0, data))[:1] == ["AA00C604"]


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=3))
def test_noise_behind_an_unstuffed_frame_makes_no_other_card(uid: bytes, noise: bytes) -> None:
    driver = module()
    events = driver.feed(frame(ANTICOLLISION, "00" + uid.hex()) + noise, 0.0) + driver.close()
    assert {event.value for event in events if isinstance(event, CardRead)} <= {uid.hex().upper()}


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (frame(0x0203, "5AEFC604", node=0xFFFF), "select", "command"),
        (frame(0x0203, "04A1B2C3D4E5F6"), "select", "command"),
        (frame(0x0203, "0008"), "selected", None),
        (frame(0x0203, "00"), "selected", None),
        (frame(0x0203, "14"), "failed", None),
        (frame(0x0203, "1400"), "failed", None),
        (frame(0x0208, "00A1B2C3D4"), "other", None),
        (frame(0x0207, "6004FFA1B2C3D4E5"), "other", None),
        (frame(0x0204, ""), "command", "command"),
    ],
)
def test_the_hosts_own_frames_are_no_failures(data: bytes, name: str, kind: str | None) -> None:
    (event,) = module().feed(data, 0.0)
    assert (words([event]), event.fields.get("kind")) == ([name], kind)


def test_an_aa_bb_inside_a_number_begins_no_frame() -> None:
    assert told(module(), (0.0, frame(ANTICOLLISION, "00AABBAABB", stuffed=True) + CARD)) == ["AABBAABB", "5AEFC604"]


@given(st.integers(0, len(CARD) - 1), st.integers(1, 255))
def test_a_wrong_byte_never_gives_a_card(at: int, flip: int) -> None:
    damaged = bytearray(CARD)
    damaged[at] ^= flip
    driver = module(stuffing=False)
    events = driver.feed(bytes(damaged), 0.0) + driver.close()
    assert not any(isinstance(event, CardRead) for event in events)
    assert any(isinstance(event, BadFrame) or event.event == "incomplete" for event in events)


def test_a_length_that_no_answer_has_is_refused_at_once() -> None:
    assert told(module(), (0.0, bytes.fromhex("AABB8100") + CARD)) == ["bad_frame", "5AEFC604"]


def test_a_held_card_is_told_once() -> None:
    times = (0.0, 0.5, 1.2, 2.1)
    assert told(module(), *((at, CARD) for at in times)) == ["5AEFC604", "repeat", "repeat", "5AEFC604"]


# --- the talk


class Bench:
    """A driver and its clock."""

    def __init__(self, **options: object) -> None:
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

    def play(self, *steps: tuple[bytes, bytes]) -> list[str]:
        before = len(self.told)
        for asked, answered in steps:
            assert self.question() == asked
            self.at += 0.01
            self.told += self.driver.feed(answered, self.at)
        return [word for word in words(self.told[before:]) if word not in ("up", "card_present", "no_card")]


def test_a_card_is_asked_for_and_then_its_uid() -> None:
    assert Bench().play((ASK_CARD, GONE), (ASK_CARD, PRESENT), (ASK_UID, CARD), (ASK_CARD, GONE)) == ["5AEFC604"]


def test_a_long_uid_is_asked_for_in_two_parts() -> None:
    steps = (ASK_CARD, PRESENT_LONG), (ASK_UID, frame(ANTICOLLISION, "008804A1B2"))
    told = Bench().play(*steps, (ASK_LONG, frame(LONG_UID, "0004A1B2C3D4E5F6")), (ASK_CARD, GONE))
    assert told == ["partial_uid", "04A1B2C3D4E5F6"]


def test_a_module_that_does_not_know_long_uids_goes_on_searching() -> None:
    steps = (ASK_CARD, PRESENT_LONG), (ASK_UID, frame(ANTICOLLISION, "008804A1B2"))
    assert Bench().play(*steps, (ASK_LONG, frame(LONG_UID, "0C")), (ASK_CARD, GONE)) == ["partial_uid", "no_uid"]


def test_a_card_that_goes_in_the_middle_is_searched_again() -> None:
    assert Bench().play((ASK_CARD, PRESENT), (ASK_UID, frame(ANTICOLLISION, "14")), (ASK_CARD, GONE)) == ["no_uid"]
    assert Bench().play((ASK_CARD, PRESENT), (ASK_UID, b""), (ASK_CARD, GONE)) == []


def test_searches_keep_their_pause() -> None:
    bench = Bench(poll_s=0.5)
    bench.play((ASK_CARD, GONE))
    since = bench.at
    bench.question()
    assert bench.at - since == pytest.approx(0.49)


def test_a_silent_module_is_down_once_and_up_when_it_answers() -> None:
    bench = Bench()
    for _ in range(10):
        bench.question()
    assert words(bench.told) == ["down"]
    bench.told += bench.driver.feed(GONE, bench.at + 0.01)
    assert words(bench.told) == ["down", "up", "no_card"]


def test_feedback_goes_before_the_next_question() -> None:
    bench = Bench()
    bench.play((ASK_CARD, GONE))
    bench.driver.send(Command(FEEDBACK, {"state": "refused"}), bench.at)
    led, beep = frame(0x0107, "01", node=0xFFFF), frame(0x0106, "64", node=0xFFFF)
    done = frame(0x0107, "00"), frame(0x0106, "00")
    assert bench.play((led, led + done[0]), (beep, beep + done[1]), (ASK_CARD, GONE)) == [
        "led",
        "done",
        "beep",
        "done",
    ]


def test_only_the_latest_feedback_is_shown() -> None:
    bench = Bench()
    for state in ("refused", "read", "accepted"):
        bench.driver.send(Command(FEEDBACK, {"state": state}), 0.0)
    assert bench.question() == frame(0x0107, "02", node=0xFFFF)


def test_feedback_may_be_switched_off_and_text_is_ignored() -> None:
    bench = Bench(feedback=False)
    bench.driver.send(Command(FEEDBACK, {"state": "accepted"}), 0.0)
    bench.driver.send(Command(TEXT, {"text": "welcome", "seconds": 2}), 0.0)
    assert bench.question() == ASK_CARD


def test_an_echo_of_feedback_does_not_make_a_module_up() -> None:
    bench = Bench()
    bench.driver.send(Command(FEEDBACK, {"state": "accepted"}), 0.0)
    for _ in range(5):
        asked = bench.question()
        bench.told += bench.driver.feed(asked, bench.at)
    assert [word for word in words(bench.told) if word in ("up", "down")] == ["down"]


def test_a_node_with_aa_in_its_number_is_stuffed() -> None:
    assert Bench(node=0x00AA).question() == frame(REQUEST, "52", node=0xAA, stuffed=True)
    assert Bench(node=0x00AA, stuffing=False).question() == frame(REQUEST, "52", node=0xAA)


SAYINGS = st.sampled_from([PRESENT, PRESENT_LONG, GONE, CARD, frame(ANTICOLLISION, "008804A1B2"), b"", ASK_UID])


@given(st.lists(SAYINGS, max_size=30))
def test_whatever_it_says_it_is_asked_again(sayings: list[bytes]) -> None:
    bench = Bench()
    for said in sayings:
        assert bench.question() in (ASK_CARD, ASK_UID, ASK_LONG)
        bench.told += bench.driver.feed(said, bench.at + 0.01)
    bench.question()


def test_every_state_is_reached() -> None:
    assert {state for *_, answers in TABLE.values() for state in answers.values()} == TABLE.keys()


# --- redaction


def swap(number: str) -> str:
    return "".join("123456789ABCDEF0"["0123456789ABCDEF".index(digit)] for digit in number)


@given(st.binary(min_size=4, max_size=4), st.booleans())
@example(b"\xaa\x02\x03\xab", True)
def test_a_redacted_answer_is_of_another_card_and_as_long(uid: bytes, stuffed: bool) -> None:
    assert DRIVER.redact is not None
    assume(not (stuffed and is_ambiguous(uid)))
    data = frame(ANTICOLLISION, "00" + uid.hex(), stuffed=stuffed)
    redacted = DRIVER.redact(data, swap)
    assert len(redacted) == len(data)
    (before,), (after,) = (module(stuffing=stuffed).feed(each, 0.0) for each in (data, redacted))
    assert type(before) is type(after)
    if isinstance(before, CardRead) and isinstance(after, CardRead) and uid != b"\xaa" * 4:
        assert before.value != after.value


@pytest.mark.parametrize(
    "secret",
    [
        frame(0x0203, "A1B2C3D4"),
        frame(0x0207, "6004FFA1B2C3D4E5"),
        frame(0x0208, "00A1B2C3D4" + "00" * 12),
        frame(ANTICOLLISION, "0088A1B2C3"),
        frame(ANTICOLLISION, "01A1B2C304"),
        frame(ANTICOLLISION, "00A1B2C30405"),
        frame(0x0201, "0004" + "A1B2C3" * 4),
        frame(0x0106, "A1B2C3"),
        frame(0x0102, "A1B2C3"),
    ],
)
def test_keys_and_what_a_card_holds_do_not_stay(secret: bytes) -> None:
    assert DRIVER.redact is not None
    made = DRIVER.redact(secret, swap)
    assert b"\xa1\xb2\xc3" not in made
    assert told(module(), (0.0, made)) == told(module(), (0.0, secret))


@pytest.mark.parametrize("plain", [PRESENT, GONE, ASK_CARD, ASK_UID, ASK_LONG])
def test_frames_that_say_nothing_of_a_card_stay_as_they_are(plain: bytes) -> None:
    assert DRIVER.redact is not None
    assert DRIVER.redact(plain, swap) == plain


@pytest.mark.parametrize(
    ("options", "said"),
    [({"node": 65536}, "node"), ({"poll_s": 0.0}, "poll_s"), ({"hold_s": 11.0}, "hold_s"), ({"gap_s": 0.0}, "gap_s")],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]
