"""ZKTeco terminals, heard and asked by hand: packets, records, times, the steps of the talk and its failures."""

from __future__ import annotations

import json
import struct
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.asking import AskingDriver
from drivers.contract import START, Command
from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.zk import packets, records
from drivers.zk.stream import Line
from drivers.zk_terminal import DRIVER, Options

RECORD = bytes.fromhex("0D00393939313131333333000000000000000000000000000000016BB368230000000000FF000000")
LIVE = bytes.fromhex(
    "5050827D28000000F401AC12010000003939393131313333330000000000000000000000000000000100120619112905"
)
SHARED = Path(__file__).parent / "zk_vectors.json"
NOW = records.to_stamp(datetime(2018, 6, 25, 18, 0, 35))  # noqa: DTZ001


def words(events: list[Event]) -> list[str]:
    return [event.name if isinstance(event, Frame) else event.event for event in events]


@pytest.mark.parametrize("vector", json.loads(SHARED.read_text(encoding="utf-8")), ids=lambda v: v["description"])
def test_a_payload_of_the_document_carries_its_checksum(vector: dict[str, object]) -> None:
    payload = bytes.fromhex(str(vector["hex"]))
    assert {"checksum": packets.checksum(payload), "ok": packets.is_sound(payload)} == vector["expect"]


@given(st.integers(0, 0xFFFF), st.binary(max_size=200), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_packet_that_was_made_is_sound_and_says_what_was_put_in(
    command: int, data: bytes, session: int, reply: int
) -> None:
    frame = packets.frame(command, data, session=session, reply=reply)
    assert packets.is_sound(frame[8:])
    assert packets.parse(frame[8:]) == packets.Packet(command, session, reply, data)


@pytest.mark.parametrize(
    ("key", "session", "hidden"),
    [
        (0, 0xB08C, "617d32c9"),  # from a session with a real terminal, told in a public repository's tests
        (12345, 4321, "6de13269"),
        (999999, 65000, "22813294"),
        (123456, 4242, "267f32e9"),
    ],
)
def test_the_communication_key_is_hidden_as_terminals_expect_it(key: int, session: int, hidden: str) -> None:
    assert packets.auth(key, session).hex() == hidden


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31, 23, 59, 59)))  # noqa: DTZ001
def test_a_time_survives_the_terminals_encoding_and_rises_with_time(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    entry = records.Entry("1", 1, records.to_stamp(moment), 0)
    assert entry.time == moment
    assert entry.local_time == str(moment)


def test_a_day_that_does_not_exist_has_a_text_and_no_time() -> None:
    stamp = records.to_stamp(datetime(2026, 2, 28)) + 3 * 86_400  # noqa: DTZ001
    entry = records.Entry("1", 1, stamp, 0)
    assert (entry.time, entry.local_time) == (None, "2026-02-31 00:00:00")


def test_a_bare_record_is_read_from_a_file() -> None:
    (event,) = DRIVER.new(Options(form="attlog")).feed(RECORD, 0.0)
    assert event.as_dict() == {
        "event": "card_read", "scheme": "zk-user", "value": "999111333", "bits": None, "decision": "granted",
        "user_sn": 13, "user_id": "999111333", "verify": 1, "state": 0, "local_time": "2018-06-25 17:50:35",
    }  # fmt: skip


def test_a_bare_record_is_none_once_packets_come_or_when_only_packets_may() -> None:
    assert words(DRIVER.new(Options(form="tcp")).feed(RECORD + LIVE, 0.0)) == ["bad_frame", "card_read"]
    damaged = bytearray(packets.frame(packets.DATA, struct.pack("<I", 40) + RECORD))
    damaged[-1] ^= 1
    assert words(DRIVER.new().feed(bytes(damaged) + LIVE, 0.0)) == ["bad_frame", "card_read"]


def test_a_false_start_is_not_waited_for() -> None:
    false = packets.MAGIC + (60_000).to_bytes(4, "little") + b"PP"
    events = DRIVER.new().feed(false * 3 + LIVE, 0.0)
    assert [event.as_dict()["event"] for event in events] == ["bad_frame"] * 3 + ["card_read"]


def test_whom_is_asked_has_no_bare_records() -> None:
    driver = DRIVER.new()
    driver.send(Command(START), 0.0)
    assert words(driver.feed(RECORD, 0.0) + driver.poll(60.0))[:1] == ["bad_frame"]


@pytest.mark.parametrize(
    "change",
    [{2: 0}, {12: 0x41}, {26: 99}, {31: 9}, {39: 1}, {29: 0xFF, 30: 0xFF}, {3: 0x07}],
    ids=["no id", "a letter behind NULs", "verify", "state", "tail", "time", "control character"],
)
def test_a_record_that_looks_wrong_in_the_midst_of_other_bytes_is_noise(change: dict[int, int]) -> None:
    events = DRIVER.new().feed(b"\xff" + changed(change) + RECORD, 0.0)
    assert words(events) == ["bad_frame", "card_read"]


@pytest.mark.parametrize("form", ["auto", "attlog"])
@pytest.mark.parametrize(
    "change",
    [{26: 99}, {31: 9}, {32: 7, 36: 0, 39: 1}, dict.fromkeys(range(32, 40), 0xA5), dict(enumerate(b"7" * 24, 2))],
    ids=["verify", "state", "tail", "another tail", "24 characters"],
)
def test_a_record_where_one_should_stand_may_have_any_tail(form: str, change: dict[int, int]) -> None:
    stray = b"\xff" * 40 if form == "attlog" else b""
    driver = DRIVER.new(Options(form=form))  # type: ignore[arg-type]
    events = driver.feed(changed(change) * 2 + RECORD + changed(change) + stray + changed(change) * bool(stray), 0.0)
    reads = [event for event in events if isinstance(event, CardRead)]
    assert len(reads) == len(events) - bool(stray) == 4 + bool(stray)
    assert all(event.fields["local_time"] == "2018-06-25 17:50:35" for event in reads)


@pytest.mark.parametrize("form", ["auto", "attlog"])
@pytest.mark.parametrize(
    "change",
    [{2: 0}, {12: 0x41}, {29: 0xFF, 30: 0xFF}, {27: 0, 28: 0, 29: 0, 30: 1}, dict(enumerate(b"TEXT" * 10))],
    ids=["no id", "a letter behind NULs", "no day", "the year 2000", "text"],
)
def test_also_there_user_id_and_day_must_be_right(form: str, change: dict[int, int]) -> None:
    driver = DRIVER.new(Options(form=form))  # type: ignore[arg-type]
    assert words(driver.feed(changed(change) + RECORD, 0.0)) == ["bad_frame", "card_read"]


def changed(change: dict[int, int]) -> bytes:
    record = bytearray(RECORD)
    for at, byte in change.items():
        record[at] = byte
    return bytes(record)


@given(st.binary(max_size=70_000))
def test_the_checksum_is_the_sum_of_the_words_with_its_carry(data: bytes) -> None:
    payload = b"\xd0\x07\0\0" + data
    total = sum(payload[::2]) + (sum(payload[1::2]) << 8)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    assert packets.checksum(payload) == total ^ 0xFFFF


def test_users_are_not_taken_for_a_log() -> None:
    users = struct.pack("<I", 72) + struct.pack("<HB8s24sI9s24s", 1, 0, b"", b"Han Meimei", 0, b"", b"20417")
    query = packets.frame(packets.QUERY, bytes.fromhex("0109000500000000000000"))
    assert words(DRIVER.new().feed(query + packets.frame(packets.DATA, users), 0.0)) == ["query", "data"]
    assert words(DRIVER.new().feed(packets.frame(packets.DATA, users), 0.0)) == ["data"]


def test_names_and_keys_leave_a_redacted_recording() -> None:
    assert DRIVER.redact is not None
    users = struct.pack("<I", 72) + struct.pack("<HB8s24sI9s24s", 1, 0, b"", b"Han Meimei", 0, b"", b"20417")
    for command, data in ((packets.DATA, users), (8, users[4:]), (packets.AUTH, b"key!")):
        frame = packets.frame(command, data, session=7, reply=3)
        made = DRIVER.redact(frame, lambda number: "9" * len(number))
        assert len(made) == len(frame)
        assert packets.parse(made[8:]) == packets.Packet(command, 7, 3, b"\xff" * len(data))
        assert packets.is_sound(made[8:])


@pytest.mark.parametrize("command", [2000, 2002, 1500, 9, 61, 87, 88, 11, 1000, 50, 201, 1503, 1504, 500, 1501])
def test_what_no_layout_explains_leaves_a_redacted_recording(command: int) -> None:
    assert DRIVER.redact is not None
    number = (0xC0FFEE77).to_bytes(4, "little")
    for data in (b"Zhang San", number, b"\0" * 9 + number, b"Zhang San 20417" * 5, b"Zhang San 20417" * 5 + b"!"):
        for session in (1, 2, 77):
            for reply in (0, 3):
                frame = packets.frame(command, data, session=session, reply=reply)
                made = DRIVER.redact(frame, lambda number: "9" * len(number))
                assert not any(part in made for part in (b"Zhang", b"20417", number))
                assert len(made) == len(frame)
                before, after = (words(DRIVER.new().feed(each, 0.0)) for each in (frame, made))
                assert before == after


def test_a_live_punch_with_a_reply_number_is_of_somebody_else_in_a_redacted_recording() -> None:
    assert DRIVER.redact is not None
    data = b"999111333".ljust(24, b"\0") + bytes.fromhex("0100120619112905")
    for reply in (0, 7):
        made = DRIVER.redact(packets.frame(500, data, session=1, reply=reply), lambda number: "8" * len(number))
        assert packets.parse(made[8:]).data == b"888888888".ljust(24, b"\0") + data[24:]


def test_what_a_record_has_beside_its_fields_leaves_a_redacted_recording() -> None:
    assert DRIVER.redact is not None
    record = bytearray(RECORD)
    record[32:36] = b"CARD"
    for frame in (bytes(record), packets.frame(packets.DATA, struct.pack("<I", 40) + bytes(record))):
        made = DRIVER.redact(frame, lambda number: "9" * len(number))
        assert b"CARD" not in made
        assert [event.event for event in DRIVER.new().feed(made, 0.0)] == ["card_read"]


class Talk:
    """A terminal that is played by hand."""

    def __init__(self, mark: str | None = None, **options: object) -> None:
        self.driver = DRIVER.new(Options(**options))  # type: ignore[arg-type]
        self.driver.send(Command(START, {"mark": mark}), 0.0)
        self.at = 0.0
        self.asked: list[packets.Packet] = []

    def ask(self) -> packets.Packet:
        """The next question; acknowledgements before it are left in `asked`."""
        while True:
            due = self.driver.next_poll()
            assert due is not None
            self.at = max(self.at, due)
            self.driver.poll(self.at)
            sent = b"".join(self.driver.commands())
            while sent:
                size = 8 + int.from_bytes(sent[4:8], "little")
                assert packets.is_sound(sent[8:size])
                self.asked.append(packets.parse(sent[8:size]))
                sent = sent[size:]
                if not sent:
                    return self.asked[-1]

    def say(self, command: int, data: bytes = b"", reply: int | None = None) -> list[Event]:
        """What the terminal answers, and what is made of it, without the packets themselves."""
        reply = self.asked[-1].reply if reply is None else reply
        self.at += 0.01
        events = self.driver.feed(packets.frame(command, data, session=0x77, reply=reply), self.at)
        return [event for event in events if not isinstance(event, Frame)]

    def tell(self, data: bytes, command: int = packets.DATA) -> list[Event]:
        """A log, or its last piece, and the time behind it."""
        events = self.say(command, data)
        assert self.ask().command == packets.GET_TIME
        return events + self.say(packets.OK, struct.pack("<I", NOW + int(self.at)))

    def until(self, command: int, log: bytes = b"") -> packets.Packet:
        """Answer as a good terminal until it is asked `command`."""
        answers = {
            packets.GET_TIME: struct.pack("<I", NOW), packets.GET_SIZES: struct.pack("<9I", *[0] * 8, len(log) // 40),
        }  # fmt: skip
        for _ in range(20):
            question = self.ask()
            if question.command == command:
                return question
            if question.command == packets.QUERY:
                self.say(packets.DATA, struct.pack("<I", len(log)) + log)
            else:
                self.say(packets.OK, answers.get(question.command, b""))
        raise AssertionError(f"{command} is never asked")


def test_the_talk_begins_with_connect_and_keeps_the_session_and_counts_replies() -> None:
    talk = Talk()
    talk.until(packets.QUERY, RECORD)
    assert [(asked.command, asked.session, asked.reply) for asked in talk.asked] == [
        (1000, 0, 0), (500, 0x77, 1), (201, 0x77, 2), (50, 0x77, 3), (1503, 0x77, 4),
    ]  # fmt: skip
    assert talk.asked[1].data == b"\x01\0\0\0"


def test_an_entry_is_told_with_its_age_by_the_terminals_clock_and_a_mark() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    first, read = talk.tell(struct.pack("<I", 40) + RECORD)
    assert isinstance(first, DeviceChange)
    assert isinstance(read, CardRead)
    assert read.origin is not None
    assert read.origin.device_time == "2018-06-25T17:50:35"
    assert read.origin.age_s == pytest.approx(600.0, abs=0.1)
    assert 1.0 <= read.origin.error_s < 2.0
    again = Talk(mark=read.mark, history="all")
    again.until(packets.QUERY, RECORD)
    assert again.say(packets.DATA, struct.pack("<I", 40) + RECORD) == []


def test_the_answer_to_another_question_and_an_echo_answer_nothing() -> None:
    talk = Talk()
    question = talk.ask()
    assert talk.say(packets.OK, reply=9) == []
    echo = packets.frame(question.command, question.data)
    assert words(talk.driver.feed(echo, talk.at)) == ["connect"]
    assert [event.words()["kind"] for event in talk.say(packets.OK)] == ["up"]


def test_a_terminal_with_a_key_gets_it_hidden() -> None:
    talk = Talk(comm_key=123456)
    talk.ask()
    talk.say(packets.UNAUTH)
    question = talk.ask()
    assert (question.command, question.data) == (packets.AUTH, packets.auth(123456, 0x77))
    talk.say(packets.OK)
    assert talk.ask().command == packets.EVENT


def test_a_refused_key_is_a_fault_once_and_is_tried_again_later_each_time_and_every_minute_at_last() -> None:
    talk = Talk()
    kinds: list[object] = []
    tries: list[float] = []
    for _ in range(10):
        assert talk.ask().command == packets.CONNECT
        tries.append(talk.at)
        kinds += [event.words()["kind"] for event in talk.say(packets.UNAUTH)]
        assert talk.ask().command == packets.AUTH
        kinds += [event.words()["kind"] for event in talk.say(packets.UNAUTH)]
    assert kinds == ["up", "fault"]
    assert [round(b - a) for a, b in pairwise(tries)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_live_event_is_acknowledged_and_makes_the_log_be_read_at_once() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    talk.tell(struct.pack("<I", 40) + RECORD)
    before = talk.at
    assert words(talk.driver.feed(LIVE, talk.at)) == ["event_attendance"]
    assert talk.ask().command == packets.GET_TIME
    assert talk.asked[-2] == packets.Packet(packets.OK, 0x77, 0, b"")
    talk.say(packets.OK, struct.pack("<I", NOW))
    assert talk.ask().command == packets.QUERY
    assert talk.at - before < 0.1


def test_an_entry_that_comes_late_into_the_log_is_looked_for_again_soon() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    talk.tell(struct.pack("<I", 40) + RECORD)
    talk.driver.feed(LIVE, talk.at)
    for _ in range(3):
        before = talk.at
        assert talk.until(packets.QUERY, RECORD * 2)
        talk.say(packets.DATA, struct.pack("<I", 40) + RECORD)
        assert talk.at - before < 1.5


def test_a_log_that_has_not_grown_is_not_read_and_its_time_is_asked_to_keep_the_connection() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    talk.tell(struct.pack("<I", 40) + RECORD)
    asked = len(talk.asked)
    for _ in range(20):
        question = talk.ask()
        time = struct.pack("<I", NOW + int(talk.at))
        talk.say(packets.OK, time if question.command == packets.GET_TIME else struct.pack("<9I", *[0] * 8, 1))
    assert {question.command for question in talk.asked[asked:]} == {packets.GET_TIME, packets.GET_SIZES}
    assert talk.at > 190.0


def test_old_firmware_is_asked_for_the_log_with_13() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    talk.say(packets.UNKNOWN)
    assert talk.ask().command == packets.READ_LOG
    data = struct.pack("<I", 40) + RECORD
    assert talk.say(packets.PREPARE, struct.pack("<II", len(data), 1024)) == []
    assert talk.say(packets.DATA, data[:20]) == []
    assert words(talk.tell(data[20:])) == ["device", "card_read"]


def test_a_log_that_is_refused_is_a_fault_once() -> None:
    talk = Talk()
    faults: list[Event] = []
    for _ in range(2):
        talk.until(packets.QUERY, RECORD)
        talk.say(packets.ERROR)
        assert talk.ask().command == packets.READ_LOG
        faults += talk.say(packets.ERROR)
    assert [event.words() for event in faults] == [{"kind": "fault", "reason": "the terminal refuses its log"}]


def test_a_piece_that_does_not_come_begins_the_talk_again() -> None:
    talk = Talk(history="all")
    talk.until(packets.QUERY, RECORD)
    talk.say(packets.OK, struct.pack("<BIII", 0, 44, 44, 0))
    assert talk.ask().command == packets.READY
    assert talk.say(packets.PREPARE, struct.pack("<II", 44, 4096)) == []
    assert talk.ask().command == packets.CONNECT


def test_records_of_no_known_size_are_a_fault() -> None:
    talk = Talk()
    talk.until(packets.QUERY, RECORD)
    (fault,) = talk.say(packets.DATA, struct.pack("<I", 33) + bytes(33))
    assert fault.words()["kind"] == "fault"


@pytest.mark.parametrize(
    "options",
    [{"pull_s": 1.0}, {"pull_s": 4000.0}, {"history": -1}, {"history": "some"}, {"comm_key": -1}, {"gap_s": 0.0}],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)  # type: ignore[arg-type]


COMMANDS = (packets.OK, packets.ERROR, packets.UNAUTH, packets.UNKNOWN, packets.DATA, packets.PREPARE, packets.EVENT)
SIZES = st.integers(0, 2**32 - 1).map(lambda size: struct.pack("<BIII", 0, size, size, 0))
LOGS = st.integers(0, 20).map(lambda count: struct.pack("<I", count * 40) + RECORD * count)
ANSWERS = st.lists(
    st.tuples(st.sampled_from(COMMANDS), st.one_of(st.binary(max_size=100), SIZES, LOGS), st.booleans()), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(ANSWERS)
def test_no_answer_makes_it_fail(answers: list[tuple[int, bytes, bool]]) -> None:
    talk = Talk(history="all")
    for command, data, asks in answers:
        if asks or not talk.asked:
            talk.ask()
        talk.say(command, data)
        assert talk.driver.next_poll() is not None
    talk.driver.reset()
    assert talk.driver.next_poll() is None


def test_a_log_beyond_belief_is_a_fault() -> None:
    talk = Talk()
    talk.until(packets.QUERY, RECORD)
    (fault,) = talk.say(packets.OK, struct.pack("<BIII", 0, 2**31, 2**31, 0))
    assert fault.words()["kind"] == "fault"


def test_only_questions_are_known_to_the_one_who_talks() -> None:
    from drivers.zk.questions import QUESTIONS

    known = {command for command, _, _ in QUESTIONS.values()} | {packets.AUTH, packets.READY, packets.OK}
    assert known == {1000, 500, 201, 50, 1503, 13, 1502, 1102, 1504, 2000}


def test_a_reset_forgets_the_log_that_was_coming() -> None:
    line = Line("auto")
    driver = DRIVER.new()
    assert isinstance(driver, AskingDriver)
    data = packets.frame(packets.OK, struct.pack("<BIII", 0, 84, 84, 0))
    data += packets.frame(packets.DATA, struct.pack("<I", 80) + RECORD)
    assert words(driver.feed(data, 0.0)) == ["ok", "card_read"]
    driver.reset()
    assert words(driver.feed(packets.frame(packets.DATA, RECORD[20:]), 0.0)) == ["data"]
    assert not line.talking
