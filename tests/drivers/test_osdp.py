"""OSDP, what is heard: cards in one form, secrets kept, repeats told; and what is refused before we ask."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contract import FEEDBACK, START, TEXT, Command
from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.osdp import DRIVER, Options, blanking, cards, wire
from drivers.osdp.options import parse_pattern
from gateway.assembly import read_settings
from gateway.errors import Misconfigured

KEY_TEXT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
WIDTHS = sorted(cards.HALVES)


def frame(code: int, payload: bytes = b"", *, address: int = 0x81, sequence: int = 1, crc: bool = True) -> bytes:
    size = 6 + len(payload) + (2 if crc else 1)
    head = bytes([0x53, address, size & 0xFF, size >> 8, sequence | (4 if crc else 0), code])
    return wire.seal(head + payload + bytes(2 if crc else 1))


def raw(number: int, bits: int, **parts: int) -> bytes:
    return frame(wire.RAW, bytes([0, 1, bits & 0xFF, bits >> 8]) + cards.packed(number, bits), **parts)


def one(events: list[Event]) -> Event:
    (event,) = events
    return event


def card(data: bytes) -> CardRead:
    event = one(DRIVER.new().feed(data, 0.0))
    assert isinstance(event, CardRead)
    return event


def told(events: list[Event]) -> list[str]:
    return [event.name if isinstance(event, Frame) else event.event for event in events]


@pytest.mark.parametrize(
    ("bits", "data", "value"),
    [(26, 0x6F6C3A, "6F6C3A"), (26, 1, "000001"), (34, 0x12345678, "12345678"), (37, 0x123456789, "123456789")],
)
def test_a_card_with_right_parity_is_its_data_bits(bits: int, data: int, value: str) -> None:
    event = card(raw(cards.with_parity(data, bits), bits))
    assert (event.scheme, event.value, event.bits) == (f"wiegand{bits}", value, bits)
    assert event.fields["card"]["parity_ok"] is True  # type: ignore[index]


def test_inputs_are_told_as_they_are_and_a_repeat_tells_none() -> None:
    driver, data = DRIVER.new(), frame(wire.ISTATR, bytes([0, 1, 1]))
    event, repeat = driver.feed(data * 2, 0.0)
    assert told([event, repeat]) == ["ISTATR", "repeat"]
    assert event.fields["inputs"] == [0, 1, 1]
    assert "inputs" not in repeat.fields


def test_the_value_of_bits_that_are_no_number_is_as_on_the_wire() -> None:
    odd = card(frame(wire.RAW, bytes([0, 0, 5, 0, 0b10110_111])))
    assert (odd.scheme, odd.value, odd.bits) == ("osdp-raw", "B0", 5)
    wrong = card(raw(cards.with_parity(0x6F6C3A, 26) ^ 1, 26))
    assert (wrong.scheme, wrong.bits, wrong.fields["card"]["parity_ok"]) == ("osdp-raw", 26, False)  # type: ignore[index]


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("end", ["first", "last"])
def test_one_wrong_parity_bit_makes_it_raw_bits(bits: int, end: str) -> None:
    number = cards.with_parity(0xABCDE, bits) ^ (1 << (bits - 1) if end == "first" else 1)
    event = card(raw(number, bits))
    assert (event.scheme, event.bits) == ("osdp-raw", bits)
    assert event.value == cards.packed(number, bits).hex().upper()


@given(st.integers(1, 400), st.data())
def test_any_card_is_named_by_its_bits_whatever_stands_in_the_padding(bits: int, choices: st.DataObject) -> None:
    number = choices.draw(st.integers(0, (1 << bits) - 1))
    packed = cards.packed(number, bits)
    dirty = packed[:-1] + bytes([packed[-1] | choices.draw(st.integers(0, (1 << (-bits % 8)) - 1))])
    assert cards.name(dirty, bits) == cards.name(packed, bits)
    assert cards.as_number(dirty, bits) == number


@given(st.sampled_from(WIDTHS), st.data())
def test_parity_holds_for_what_was_made_with_it_and_one_flipped_bit_breaks_it(
    bits: int, choices: st.DataObject
) -> None:
    data = choices.draw(st.integers(0, (1 << (bits - 2)) - 1))
    number = cards.with_parity(data, bits)
    assert cards.parity_holds(number, bits)
    assert cards.inner(number, bits) == data
    if bits != 37:  # the middle bit of 37 is in both halves; any other one is in one
        assert not cards.parity_holds(number ^ 1 << choices.draw(st.integers(0, bits - 1)), bits)


def test_a_lost_answer_said_again_is_no_second_card() -> None:
    driver, number = DRIVER.new(), cards.with_parity(0x6F6C3A, 26)
    events = driver.feed(raw(number, 26) * 2 + frame(wire.ACK, sequence=2) + raw(number, 26, sequence=3), 0.0)
    assert told(events) == ["card_read", "repeat", "ACK", "card_read"]
    assert told(driver.feed(raw(number, 26, sequence=3), 7.0)) == ["repeat"]
    assert told(driver.feed(raw(number, 26, sequence=3), 15.5)) == ["card_read"]


def test_sequence_0_begins_anew_and_repeats_nothing() -> None:
    answer = raw(cards.with_parity(1, 26), 26, sequence=0)
    assert told(DRIVER.new().feed(answer * 2, 0.0)) == ["card_read", "card_read"]


def test_the_same_answer_of_another_reader_is_another_card() -> None:
    number = cards.with_parity(1, 26)
    driver = DRIVER.new(Options(address=1), Options(address=2))
    events = driver.feed(raw(number, 26) + raw(number, 26, address=0x82) + raw(number, 26, address=0x83), 0.0)
    assert [(event.event, event.unit) for event in events] == [
        ("card_read", 0),
        ("card_read", 1),
        ("card_read", None),
    ]


def test_keys_pressed_and_keys_handed_over_are_shown_to_who_decodes_and_to_no_daemon() -> None:
    secrets = [frame(wire.KEYPAD, b"\0\x048351"), frame(wire.KEYSET, b"\x01\x10" + b"8351" * 4, address=1)]
    for data in secrets:
        assert b"8351".hex() in str(one(DRIVER.new().feed(data, 0.0)).as_dict())
        driver = DRIVER.new()
        driver.send(Command(START), 0.0)
        shown = str([event.as_dict() for event in driver.feed(data, 0.0)])
        assert "8351" not in shown
        assert b"8351".hex() not in shown
    driver.reset()
    events = driver.feed(secrets[0], 1.0)
    assert [event.fields.get("keypad") for event in events] == [{"reader": 0, "count": 4}], "after a replug, too"


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\1\x1a\0", b"\0\1\0\0", b"\0\1\xff\xff" + bytes(70)])
def test_card_data_that_are_none_are_a_frame_without_meaning(payload: bytes) -> None:
    event = one(DRIVER.new().feed(frame(wire.RAW, payload), 0.0))
    assert isinstance(event, Frame)
    assert event.fields["malformed"] is True


@pytest.mark.parametrize("seed", range(40))
def test_a_recording_speaks_of_another_card_of_the_same_kind(seed: int) -> None:
    rng = Random(seed)
    bits = rng.choice([26, 26, 34, 37, 32, 44, 56])
    number = rng.getrandbits(bits)
    if bits in cards.HALVES and seed % 2:
        number = cards.with_parity(rng.getrandbits(bits - 2), bits)
    data = b"\xff" * (seed % 3 == 0) + raw(number, bits, crc=seed % 5 != 0)
    redacted = blanking.redact(data, lambda text: "".join(f"{(int(digit, 16) + 8) % 16:X}" for digit in text))
    before, after = card(data), card(redacted)
    assert (before.scheme, before.bits, len(data)) == (after.scheme, after.bits, len(redacted))
    assert before.value != after.value


def test_nothing_of_a_session_stays_in_a_recording() -> None:
    secured = bytes.fromhex("53851E000F021850551DFF3844ABFF48D743AF0208CF3A9A4C10C5504A47")
    handshake = bytes.fromhex("FF53051B000F031301772850C57BA3214B3E138BE784271FB9AAFC39")
    keypad, keyset = frame(wire.KEYPAD, b"\0\x048351"), frame(wire.KEYSET, b"\1\x10" + bytes(range(16)), address=1)
    for data in (secured, handshake, keypad, keyset):
        redacted = blanking.redact(data, lambda text: text)
        (event,) = DRIVER.new().feed(redacted, 0.0)
        assert set(bytes.fromhex(str(event.fields["payload"]))) <= {0, 1, 4, 16, 0x30}
        assert event.fields.get("mac4", "00000000") == "00000000"


@pytest.mark.parametrize(
    ("code", "payload", "address"),
    [
        (wire.TEXT, b"\0\0\0\1\1\x0eZhang San 2041", 1),
        (0x80, b"\1\2\3Zhang San 2041", 1),
        (0x7C, b"\0" * 11 + b"Zhang San 2041", 1),
        (0xA1, b"\1\2Zhang San 2041", 1),
        (0x5A, b"Zhang San 2041", 1),
        (wire.POLL, b"Zhang San 2041", 1),
        (wire.LED, b"Zhang San 2041", 1),
        (0x90, b"\1\2\3Zhang San 2041", 0x81),
        (0xB1, b"\1\2Zhang San 2041", 0x81),
        (0x57, b"\0\0\0\1\x0e\0Zhang San 2041", 0x81),
        (wire.KEYPAD, b"\0Zhang San 2041", 0x81),
        (wire.RAW, b"Zhang San 2041", 0x81),
        (wire.FMT, b"Zhang San 2041", 0x81),
        (wire.NAK, b"\x09Zhang San 2041", 0x81),
        (wire.PDCAP, b"Zhang San 20411", 0x81),
        (0x5A, b"Zhang San 2041", 0x81),
    ],
)
def test_what_is_not_known_to_be_harmless_is_blanked(code: int, payload: bytes, address: int) -> None:
    data = frame(code, payload, address=address)
    redacted = blanking.redact(data, lambda text: text)
    assert not any(part in redacted for part in (b"Zhang", b"San", b"2041"))
    (before,), (after,) = (DRIVER.new().feed(each, 0.0) for each in (data, redacted))
    assert (before.event, before.as_dict()["name"]) == (after.event, after.as_dict()["name"])


@pytest.mark.parametrize(
    ("code", "payload", "address"),
    [
        (wire.LED, bytes.fromhex("0000020A0A0201140000000000000000".replace(" ", "")[:28]), 1),
        (wire.BUZ, bytes([0, 2, 2, 1, 3]), 1),
        (0x6E, b"\1" + (115200).to_bytes(4, "little"), 1),
        (wire.PDCAP, bytes.fromhex("0401010501010801000901000a0001100200"), 0x81),
        (wire.LSTATR, b"\1\0", 0x81),
        (wire.RSTATR, b"\2", 0x81),
        (wire.NAK, b"\3", 0x81),
    ],
)
def test_lights_and_reports_stay_in_a_recording(code: int, payload: bytes, address: int) -> None:
    data = frame(code, payload, address=address)
    assert blanking.redact(data, lambda text: text) == data


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"address": 127}, "address"),
        ({"secure": "perhaps"}, "secure"),
        ({"secure": "install"}, "key_file"),
        ({"secure": "off", "key_file": "/k"}, "key_file"),
        ({"key_file": "keys/k"}, "absolute"),
        ({"feedback": {"opened": "green 1"}}, "opened"),
        ({"feedback": {"accepted": "pink 1"}}, "accepted"),
        ({"feedback": {"accepted": "green 99 1"}}, "accepted"),
        ({"feedback": {"accepted": "green inf 1"}}, "accepted"),
        ({"gap_s": 0.0}, "gap_s"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("", None), ("green 1.0 2", (2, 10, 2)), ("red 0.5", (1, 5, 0)), ("beep 3", (0, 0, 3))],
)
def test_a_pattern_is_a_colour_seconds_and_beeps(text: str, pattern: tuple[int, int, int] | None) -> None:
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize(
    "units",
    [
        [Options(), Options()],
        [Options(address=3), Options(address=3)],
        [Options(secure="off"), Options(address=0, secure="off")],
    ],
)
def test_two_readers_may_not_share_an_address(units: list[Options]) -> None:
    with pytest.raises(ValueError, match="address"):
        DRIVER.new(*units)


def key_file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "reader.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def started(options: Options) -> list[Event]:
    driver = DRIVER.new(options)
    driver.send(Command(START), 0.0)
    events = driver.poll(0.0)
    assert not events or driver.next_poll() is None
    return events


@pytest.mark.parametrize(
    ("text", "mode", "remedy"),
    [
        (KEY_TEXT, 0o644, "chmod 600"),
        ("", 0o600, "openssl rand -hex 16"),
        (KEY_TEXT[:-2], 0o600, "openssl rand -hex 16"),
        (KEY_TEXT + KEY_TEXT, 0o600, "openssl rand -hex 16"),
        ("303132333435363738393a3b3c3d3e3f", 0o600, "everybody knows"),
    ],
)
def test_a_key_file_that_will_not_do_is_said_with_the_remedy(
    tmp_path: Path, text: str, mode: int, remedy: str
) -> None:
    event = one(started(Options(key_file=key_file(tmp_path, text, mode))))
    assert isinstance(event, DeviceChange)
    assert event.kind == "down"
    assert event.reason is not None
    assert remedy in event.reason
    assert not text or text not in event.reason


@pytest.mark.parametrize("path", ["", "/nowhere/reader.key", "/proc", "/dev/null"])
def test_a_key_that_is_not_there_is_said_and_hurts_nobody(path: str) -> None:
    event = one(started(Options(key_file=path)))
    assert isinstance(event, DeviceChange)
    assert (event.kind, str(event.reason).startswith("no key: ")) == ("down", True)


def test_a_reader_without_its_key_is_not_believed_in_plain_either() -> None:
    driver = DRIVER.new(Options(address=1, key_file="/nowhere/reader.key"))
    driver.send(Command(START), 0.0)
    driver.poll(0.0)
    data = raw(cards.with_parity(1, 26), 26) + frame(wire.LSTATR, b"\1\0", sequence=2)
    assert told(driver.feed(data, 1.0)) == ["RAW", "LSTATR"]


def test_a_reader_without_its_key_leaves_the_others_on_the_bus_alone() -> None:
    driver = DRIVER.new(Options(address=1, key_file="/nowhere"), Options(address=2, secure="off"))
    for unit in (0, 1):
        driver.send(Command(START, unit=unit), 0.0)
    events = driver.poll(0.0)
    events += driver.poll(0.03)
    assert [(event.unit, event.as_dict()["kind"]) for event in events] == [(0, "down")]
    question = wire.parse(wire.without_mark(driver.commands()[0]))
    assert question is not None
    assert (question.address, question.name) == (2, "ID")


def test_without_libosdp_readers_are_not_asked_and_bytes_are_still_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osdp_sys", None)
    with pytest.raises(ValueError, match=r"pip install 'punchgate\[osdp\]'"):
        DRIVER.build([Options(secure="off")])
    with pytest.raises(ValueError, match="libosdp"):
        DRIVER.build([Options(key_file="/k")])
    assert card(raw(cards.with_parity(1, 26), 26)).value == "000001"


def test_the_other_package_of_that_name_over_libosdp_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "osdp", ModuleType("osdp"))
    with pytest.raises(ValueError, match="pip uninstall osdp"):
        DRIVER.build([Options(secure="off")])


GOOD = {0x61: (0x45, bytes(12)), 0x62: (wire.PDCAP, bytes.fromhex("040101050101090100")), 0x60: (wire.ACK, b""),
        0x64: (wire.LSTATR, b"\0\0"), 0x76: (wire.CCRYPT, bytes(32)), 0x77: (wire.RMAC_I, bytes(16))}  # fmt: skip


def odd_answer(question: wire.Packet, rng: Random) -> bytes:
    """The right answer, or one with another code, other data or another security block; its check holds."""
    code, payload = GOOD.get(question.code, (wire.ACK, b""))
    if rng.random() < 0.3:
        code = rng.choice([*wire.REPLIES, rng.randrange(256)])
    if rng.random() < 0.4:
        payload = rng.randbytes(rng.choice([0, 1, 2, 4, 16, 32, 64, 65, 200, 240, 1000]))
    block = b""
    if question.block_type is not None:
        block = rng.choice([bytes([3, question.block_type + 1, 1]), bytes([4, rng.choice(wire.BLOCK_TYPES), 0, 0])])
    mac = bytes(4) if block and block[1] in wire.MAC_TYPES else b""
    size = 5 + len(block) + 1 + len(payload) + len(mac) + 2
    head = bytes([0x53, 0x80, size & 0xFF, size >> 8, question.sequence | 4 | (8 if block else 0)])
    return wire.seal(head + block + bytes([code]) + payload + mac + bytes(2))


@pytest.mark.parametrize("secure", [True, False])
def test_odd_answers_break_nothing_and_libosdp_writes_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], secure: bool
) -> None:
    rng = Random(11)
    options = Options(key_file=key_file(tmp_path, KEY_TEXT)) if secure else Options(secure="off")
    driver, events = DRIVER.new(options), []
    for _ in range(300):
        driver.reset()
        driver.send(Command(START), 0.0)
        for turn in range(30):
            events += driver.poll(turn * 0.03)
            for data in driver.commands():
                question = wire.parse(wire.without_mark(data))
                assert question is not None
                events += driver.feed(odd_answer(question, rng), turn * 0.03)
    assert not secure or not any(isinstance(event, CardRead) for event in events)
    assert "down" in {event.kind for event in events if isinstance(event, DeviceChange)} or not secure
    assert capfd.readouterr() == ("", "")


def test_orders_before_start_and_for_a_silent_reader_are_dropped() -> None:
    driver = DRIVER.new(Options(secure="off"))
    orders = [Command(FEEDBACK, {"state": "accepted"}), Command(TEXT, {"text": "hello", "seconds": 2.0})]
    for order in orders:
        driver.send(order, 0.0)
    assert driver.next_poll() is None
    driver.send(Command(START), 0.0)
    driver.send(Command(START, unit=7), 0.0)
    driver.poll(0.0)
    for order in orders:
        driver.send(order, 0.0)
    driver.poll(0.02)
    assert [wire.without_mark(data)[5] for data in driver.commands()] == [0x61]


def test_a_silent_reader_is_down_once_and_starting_again_begins_anew() -> None:
    driver = DRIVER.new(Options(secure="off"))
    for _ in range(50):
        driver.send(Command(START), 0.0)
        events = [event for tenth in range(200) for event in driver.poll(tenth / 10)]
        assert [event.as_dict()["reason"] for event in events] == ["no answer"]
        driver.reset()
        assert (driver.next_poll(), driver.commands()) == (None, [])


CONFIGURATION = """
gateway = { site = "hq", id = "edge-01" }
uplink = { url = "mqtt://127.0.0.1" }
privacy = { key_file = "organisation.key" }

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "/dev/ttyUSB0"

  [[ports.devices]]
  id = "lobby-in"
  driver = "osdp"
  lane = "lobby-1"
  side = "in"
  options = { address = 1, secure = "off" }
"""


def test_the_daemon_does_not_start_with_readers_it_cannot_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "organisation.key").write_text("00112233445566778899aabbccddeeff" * 2, encoding="ascii")
    path = tmp_path / "punchgate.toml"
    path.write_text(CONFIGURATION, encoding="utf-8")
    assert read_settings(path).ports[0].devices[0].driver == "osdp"
    monkeypatch.setitem(sys.modules, "osdp_sys", None)
    with pytest.raises(Misconfigured, match="libosdp"):
        read_settings(path)
