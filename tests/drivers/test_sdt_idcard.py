"""Resident ID cards: one presentation, one read; what is printed stays inside; no fields of other documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import cn_id
from drivers.captures import load
from drivers.checksums import xor
from drivers.contract import START, Command, Driver
from drivers.events import BadFrame, CardRead, DeviceChange, DocumentRead, Event, Frame
from drivers.redaction import rewrite
from drivers.sdt_idcard import DRIVER, HELD_S, NOTHING, TABLE, Options, build

CAPTURES = {
    Path(capture.name).name: capture for capture in load(Path(__file__).parent.parent / "captures/sdt_idcard")
}
INFO = CAPTURES["idr_desk"].data
NUMBER = "11010519491231002X"
PRINTED = ["测试甲", "北京市朝阳区示例路1号", "示例市公安局示例分局", "长期", "20200101"]
TEXT = 14
FIND, SELECT, READ = (bytes.fromhex(f"AAAAAA96690003{code}") for code in ("200122", "200221", "300132"))


def frame(body: bytes) -> bytes:
    body = (len(body) + 1).to_bytes(2, "big") + body
    return bytes.fromhex("AAAAAA9669") + body + bytes([xor(body)])


def answer(sw3: int, data: bytes = b"") -> bytes:
    return frame(bytes([0, 0, sw3]) + data)


FOUND, NONE, SELECTED = answer(0x9F, bytes(4)), answer(0x80), answer(0x90, bytes(8))


def card(*texts: tuple[int, str], lead: bytes = bytes.fromhex("01000400"), tail: bytes = bytes(1024)) -> bytes:
    """The answer to a read of the example card with these texts written over it."""
    text = bytearray(INFO[TEXT : TEXT + 256])
    for at, words in texts:
        text[at : at + 2 * len(words)] = words.encode("utf-16-le")
    return answer(0x90, lead + text + tail)


def person(number: str) -> bytes:
    return card((122, number))


def reader(**options: object) -> Driver:
    return DRIVER.new(Options(**options))  # type: ignore[arg-type]


def one(events: list[Event]) -> Event:
    (event,) = events
    return event


def words(events: list[Event]) -> list[str]:
    """Events in short: names of frames, kinds of changes, and what is read."""
    return [
        event.name
        if isinstance(event, Frame)
        else event.kind
        if isinstance(event, DeviceChange)
        else ("repeat" if event.is_repeat else f"{event.event} {event.value}")
        if isinstance(event, CardRead)
        else event.event
        for event in events
    ]


class Desk:
    """A driver, its clock, and an answer for each of its questions."""

    def __init__(self, **options: object) -> None:
        self.driver = reader(**options)
        self.at = 0.0
        self.told: list[Event] = []
        self.asked_at: list[tuple[float, bytes]] = []
        self.driver.send(Command(START), 0.0)

    def question(self) -> bytes:
        """Wait for the next question."""
        for _ in range(20):
            due = self.driver.next_poll()
            assert due is not None
            self.at = max(self.at, due)
            self.told += self.driver.poll(self.at)
            if asked := b"".join(self.driver.commands()):
                self.asked_at.append((self.at, asked))
                return asked
        raise AssertionError("it does not ask")

    def hear(self, data: bytes, after_s: float = 0.01) -> list[str]:
        self.at += after_s
        events = self.driver.feed(data, self.at)
        self.told += events
        return words(events)

    def play(self, *steps: tuple[bytes, bytes]) -> list[str]:
        """Each question as expected, each with its answer; what was told, without `up`."""
        before = len(self.told)
        for asked, answered in steps:
            assert self.question() == asked
            self.hear(answered)
        return [word for word in words(self.told[before:]) if word != "up"]


def one_read(number: str = NUMBER) -> tuple[tuple[bytes, bytes], ...]:
    return (FIND, FOUND), (SELECT, SELECTED), (READ, person(number))


def another_number(n: int) -> str:
    digits = f"110105194912310{n:02}"
    return digits + cn_id.check_char(digits)


# --- what a frame says


def test_without_the_desk_no_event_holds_what_is_printed() -> None:
    event = one(reader().feed(INFO, 0.0))
    assert type(event) is CardRead
    assert (event.scheme, event.value, event.bits) == ("cn-id", NUMBER, None)
    assert sorted(event.fields) == ["data_len", "kind", "photo_len", "sw", "text_len"]
    assert not [text for text in [*PRINTED, "19491231"] if text in repr(event).replace(NUMBER, "")]


def test_the_desk_is_told_what_is_printed_and_no_photo() -> None:
    event = one(reader(desk=True).feed(INFO, 0.0))
    assert isinstance(event, DocumentRead)
    assert event.value == NUMBER
    text = event.fields["text"]
    assert isinstance(text, dict)
    assert set(PRINTED) <= set(text.values())
    assert len(repr(event)) < 800


def test_a_lower_case_x_is_told_as_upper_case() -> None:
    event = one(reader(desk=True).feed(person(NUMBER.lower()), 0.0))
    assert isinstance(event, DocumentRead)
    assert event.value == NUMBER
    assert event.fields["text"]["id_number"] == NUMBER  # type: ignore[index]


@pytest.mark.parametrize("desk", [False, True])
@pytest.mark.parametrize(
    ("letter", "document"),
    [
        ("I", "foreigner_permanent_residence"),
        ("J", "hk_macao_taiwan_residence_permit"),
        ("Y", "foreigner_permanent_residence"),
        ("Z", "unknown"),
        (" ", None),
    ],
)
def test_a_number_that_fails_its_check_makes_the_document_unreadable(
    desk: bool, letter: str, document: str | None
) -> None:
    event = one(reader(desk=desk).feed(card((122, "110105194912310021"), (248, letter)), 0.0))
    assert isinstance(event, Frame)
    assert event.name == "unreadable_document"
    assert event.fields.get("document") == document
    assert "text" not in event.fields


@pytest.mark.parametrize("number", ["", "1101051949123100", "ＡＢ", "11010519491231002Ⅹ"])
def test_what_is_no_number_is_unreadable(number: str) -> None:
    assert words(reader(desk=True).feed(card((122, number.ljust(18))), 0.0)) == ["unreadable_document"]


OTHER_DOCUMENTS = [
    ("I", "foreigner_permanent_residence"),
    ("J", "hk_macao_taiwan_residence_permit"),
    ("Y", "foreigner_permanent_residence"),
    ("Z", "unknown"),
]


@pytest.mark.parametrize("desk", [False, True])
@pytest.mark.parametrize(("letter", "document"), OTHER_DOCUMENTS)
def test_another_document_is_refused_by_name_though_its_number_is_good(
    desk: bool, letter: str, document: str
) -> None:
    event = one(reader(desk=desk).feed(card((248, letter)), 0.0))
    assert isinstance(event, Frame)
    assert (event.name, event.fields["document"]) == ("unreadable_document", document)
    assert NUMBER not in repr(event)
    assert "text" not in event.fields


@pytest.mark.parametrize("desk", [False, True])
@pytest.mark.parametrize(("letter", "document"), OTHER_DOCUMENTS)
def test_a_named_document_is_told_with_its_kind_and_without_text(desk: bool, letter: str, document: str) -> None:
    names = ("hk_macao_taiwan_residence_permit", "foreigner_permanent_residence")
    event = one(reader(desk=desk, documents=names).feed(card((248, letter)), 0.0))
    assert isinstance(event, CardRead) == (document in names)
    assert type(event) is not DocumentRead
    assert event.fields["document"] == document
    assert "text" not in event.fields


def test_only_the_named_documents_are_let_in() -> None:
    driver = reader(documents=("hk_macao_taiwan_residence_permit",))
    told = words(driver.feed(card((248, "Y")) + card((248, "J")) + card((248, "J"), (122, "1" * 18)) + INFO, 0.0))
    read = f"card_read {NUMBER}"
    assert told == ["unreadable_document", read, "unreadable_document", read]


@pytest.mark.parametrize("letter", [" ", "\0"])
def test_a_card_without_a_letter_is_a_residents(letter: str) -> None:
    assert words(reader().feed(card((248, letter)), 0.0)) == [f"card_read {NUMBER}"]


def test_half_a_character_in_a_name_is_no_reason_to_refuse_the_number() -> None:
    text = bytes.fromhex("00D8") + INFO[TEXT + 2 : TEXT + 256]
    event = one(reader(desk=True).feed(answer(0x90, bytes.fromhex("01000400") + text + bytes(1024)), 0.0))
    assert isinstance(event, DocumentRead)
    assert json.dumps(event.as_dict(), ensure_ascii=False).encode()


@pytest.mark.parametrize("fingerprints", [0, 512, 1024])
def test_an_answer_with_fingerprints_is_read_too(fingerprints: int) -> None:
    data = card(lead=bytes.fromhex("01000400") + fingerprints.to_bytes(2, "big"), tail=bytes(1024 + fingerprints))
    assert len(data) == 1297 + fingerprints
    event = one(reader().feed(data, 0.0))
    assert isinstance(event, CardRead)
    assert event.fields["fingerprint_len"] == fingerprints


@pytest.mark.parametrize("lead", ["01000300", "00FF0400", "FFFFFFFF"])
def test_lengths_that_disagree_are_no_document(lead: str) -> None:
    assert words(reader().feed(card(lead=bytes.fromhex(lead)), 0.0)) == ["unreadable_document"]


@pytest.mark.parametrize(
    ("sw3", "name"),
    [(0x10, "command_damaged"), (0x21, "command_unknown"), (0x33, "data_not_authentic"), (0x47, "no_random_number"),
     (0x66, "not_authorised"), (0x81, "select_failed"), (0x91, "no_content"), (0xEE, "unknown")],
)  # fmt: skip
def test_each_failure_has_a_name(sw3: int, name: str) -> None:
    assert words(reader().feed(answer(sw3), 0.0)) == [name]


@pytest.mark.parametrize("at", range(1, 5))
def test_zeros_in_the_preamble_cost_this_answer_and_not_the_next(at: int) -> None:
    events = reader().feed(NONE[:at] + b"\0" + NONE[at:] + FOUND, 0.0)
    assert words(events) == ["bad_frame", "card_found"]


def test_a_length_that_no_answer_has_is_refused_at_once() -> None:
    assert words(reader().feed(bytes.fromhex("AAAAAA9669FFFF") + NONE, 0.0)) == ["bad_frame", "no_card"]


# --- the talk


def test_one_presentation_is_one_read_and_the_used_up_card_is_searched_again() -> None:
    told = Desk().play((FIND, NONE), *one_read(), (FIND, NONE), (FIND, NONE), *one_read(), (FIND, NONE))
    read = ["card_found", "selected", f"card_read {NUMBER}"]
    assert told == ["no_card", *read, "no_card", "no_card", *read, "no_card"]


def test_a_card_that_lies_on_a_module_that_needs_no_lifting_is_a_repeat() -> None:
    told = Desk(desk=True).play(*one_read(), *one_read(), *one_read(), (FIND, NONE), *one_read())
    values = [word for word in told if word not in ("card_found", "selected", "no_card")]
    assert values == [f"document_read {NUMBER}", "repeat", "repeat", f"document_read {NUMBER}"]


def test_a_repeat_holds_no_text() -> None:
    desk = Desk(desk=True)
    desk.play(*one_read(), *one_read())
    assert "text" not in desk.told[-1].fields


def test_the_same_card_after_a_long_silence_is_a_new_visit() -> None:
    desk = Desk()
    desk.play(*one_read())
    desk.at += 3600.0
    assert desk.play(*one_read())[-1] == f"card_read {NUMBER}"


def test_another_card_is_read_also_if_no_search_saw_the_place_empty() -> None:
    told = Desk().play(*one_read(), *one_read(another_number(7)))
    assert told[-1] == f"card_read {another_number(7)}"


def test_searches_are_300_ms_apart_also_around_a_read() -> None:
    desk = Desk()
    desk.play((FIND, NONE), (FIND, FOUND), (SELECT, answer(0x81)), (FIND, NONE), *one_read(), (FIND, NONE))
    finds = [at for at, asked in desk.asked_at if asked == FIND]
    assert min(after - before for before, after in pairwise(finds)) >= 0.3 - 1e-9


def test_select_and_read_are_asked_without_a_pause() -> None:
    desk = Desk()
    desk.play(*one_read())
    times = [at for at, _ in desk.asked_at]
    assert times[2] - times[0] == pytest.approx(0.02)


@pytest.mark.parametrize("failed", [answer(0x81), answer(0x31), answer(0x60)])
def test_a_failed_select_needs_another_search(failed: bytes) -> None:
    assert Desk().play((FIND, FOUND), (SELECT, failed), (FIND, NONE), *one_read())[-1] == f"card_read {NUMBER}"


@pytest.mark.parametrize("failed", [answer(0x41), answer(0x33), card((122, "0" * 18))])
def test_a_failed_read_needs_another_search(failed: bytes) -> None:
    steps = (FIND, FOUND), (SELECT, SELECTED), (READ, failed), (FIND, NONE)
    assert Desk().play(*steps, *one_read())[-1] == f"card_read {NUMBER}"


def test_an_answer_that_is_lost_is_asked_for_once_more() -> None:
    told = Desk().play((FIND, FOUND), (SELECT, SELECTED), (READ, INFO[:1200]), (READ, INFO), (FIND, NONE))
    assert told[-3:] == ["bad_frame", f"card_read {NUMBER}", "no_card"]


def test_and_only_once() -> None:
    told = Desk().play((FIND, FOUND), (SELECT, SELECTED), (READ, b""), (READ, b""), (FIND, NONE), (FIND, NONE))
    assert told == ["card_found", "selected", "no_card", "no_card"]


def test_a_late_answer_is_told_once_and_answers_nothing() -> None:
    desk = Desk()
    desk.play((FIND, FOUND), (SELECT, SELECTED), (READ, b""), (READ, b""))
    assert desk.question() == FIND
    assert desk.hear(INFO + INFO) == [f"card_read {NUMBER}", "repeat"]
    assert desk.hear(NONE) == ["no_card"]


def test_a_failed_self_test_is_told_once_until_the_module_is_well() -> None:
    sick = answer(0x60)
    told = Desk().play((FIND, sick), (FIND, sick), (FIND, NONE), (FIND, sick))
    assert told == ["fault", "self_test_failed", "no_card", "fault"]


def test_a_silent_module_is_down_once_and_up_when_it_answers() -> None:
    desk = Desk()
    for _ in range(10):
        desk.question()
    assert words(desk.told) == ["down"]
    assert desk.at < 10.5
    desk.hear(NONE)
    assert words(desk.told) == ["down", "up", "no_card"]


def test_a_reset_in_the_middle_begins_with_a_search() -> None:
    desk = Desk()
    desk.play((FIND, FOUND), (SELECT, SELECTED))
    desk.driver.reset()
    desk.driver.send(Command(START), desk.at)
    assert desk.play(*one_read())[-1] == f"card_read {NUMBER}"


def test_feedback_is_ignored() -> None:
    desk = Desk()
    desk.question()
    desk.driver.send(Command("feedback", {"state": "accepted"}), desk.at)
    assert desk.driver.commands() == []


def test_every_state_is_reached_and_every_answer_leads_somewhere() -> None:
    assert {state for _, answers in TABLE.values() for state in answers.values()} == TABLE.keys()
    assert all(NOTHING in answers for _, answers in TABLE.values())


SAYINGS = st.sampled_from(
    [NONE, FOUND, SELECTED, answer(0x81), answer(0x41), answer(0x60), answer(0x90), INFO, INFO[:900], b"", FIND, READ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SAYINGS, max_size=30))
def test_whatever_the_module_says_it_goes_on_asking_and_tells_a_lying_card_once(sayings: list[bytes]) -> None:
    desk = Desk()
    told_at = float("-inf")
    for said in sayings:
        desk.question()
        for word in desk.hear(said):
            told_at = float("-inf") if word == "no_card" else told_at
            if word == f"card_read {NUMBER}":
                assert desk.at - told_at > HELD_S
            if word in ("repeat", f"card_read {NUMBER}"):
                told_at = desk.at
    desk.question()
    finds = [at for at, asked in desk.asked_at if asked == FIND]
    assert all(after - before >= 0.3 - 1e-9 for before, after in pairwise(finds))


# --- redaction


def swap(number: str) -> str:
    return "".join(str((int(digit) + 1) % 10) for digit in number)


@pytest.mark.parametrize("name", ["idr_desk", "idr_one-read"])
def test_a_redacted_recording_is_of_an_invented_person(name: str) -> None:
    capture = CAPTURES[name]
    redacted = rewrite(build([Options()]), capture.data, lambda frame: DRIVER.redact(frame, swap))  # type: ignore[misc]
    assert len(redacted) == len(capture.data)
    (event,) = [event for event in reader(desk=True).feed(redacted, 0.0) if isinstance(event, DocumentRead)]
    told = json.dumps(event.as_dict(), ensure_ascii=False)
    assert not [text for text in [*PRINTED[:3], NUMBER, "19491231"] if text in told]
    text = event.fields["text"]
    assert isinstance(text, dict)
    assert text["birth"] == event.value[6:14]
    assert text["sex"] == ("1" if int(event.value[16]) % 2 else "2")
    assert redacted.count(bytes(1024)) == 1


def test_the_same_card_stays_the_same_in_a_redacted_recording() -> None:
    assert DRIVER.redact is not None
    assert DRIVER.redact(INFO, swap) == DRIVER.redact(INFO, swap)


@pytest.mark.parametrize(
    "secret",
    [answer(0x90, b"\x12\x34" * 35), answer(0x90, bytes(range(1, 9))), card((122, "x" * 18)), card(lead=b"\1\0\3\3")],
    ids=["new address", "serial number", "other document", "unknown lengths"],
)
def test_nothing_personal_stays_in_other_answers(secret: bytes) -> None:
    assert DRIVER.redact is not None
    redacted = DRIVER.redact(secret, swap)
    assert words(reader().feed(redacted, 0.0)) == words(reader().feed(secret, 0.0))
    assert not [n for n in range(14, len(secret) - 1, 2) if redacted[n] and redacted[n] != 0x20]


# --- floods


@pytest.mark.parametrize("make", [lambda: INFO, lambda: INFO[:-1] + b"\0", lambda: INFO[:900]])
def test_answers_without_end_are_read_in_bounded_memory(make: Callable[[], bytes]) -> None:
    driver = reader()
    told = 0
    for _ in range(300):
        told += len(driver.feed(make(), 0.0))
        assert len(driver.stream._buffer) <= 2321  # type: ignore[attr-defined]
    assert told >= 299 * (make() == INFO)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(INFO) - 1), st.integers(1, 255))
def test_a_wrong_byte_never_gives_a_card(at: int, flip: int) -> None:
    damaged = bytearray(INFO)
    damaged[at] ^= flip
    driver = reader()
    events = driver.feed(bytes(damaged), 0.0) + driver.close()
    assert all(isinstance(event, BadFrame) or event.event == "incomplete" for event in events)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"poll_s": 0.29}, "poll_s"), ({"poll_s": 11.0}, "poll_s"), ({"gap_s": 0.0}, "gap_s"),
     ({"documents": ("resident_id",)}, "documents"), ({"documents": ("unknown",)}, "documents")],
)  # fmt: skip
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]
