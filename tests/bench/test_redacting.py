"""A redacted recording speaks of other cards, and is proved to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from bench_devices import ASKED

from drivers import modbus_turnstile, registry
from drivers.captures import load
from drivers.checksums import crc16
from drivers.contract import DriverSpec
from drivers.events import CardRead
from drivers.framing import FrameStream, Good
from gateway.bench.evidence import decoded
from gateway.bench.recording import Piece, Recording
from gateway.bench.redacting import NotRedacted, forms, needs_raw, redacted
from gateway.simulation import frames

CAPTURES = Path(__file__).parent.parent / "captures"
HEX_CHECKED = b"123456%04x\r" % crc16(b"123456", "crc16-ccitt")
SPECS = {spec.name: spec for spec in registry.catalog()}


def recording(*chunks: bytes, tx: bytes = b"") -> Recording:
    pieces = [Piece(n * 1.0, "rx", chunk) for n, chunk in enumerate(chunks)]
    return Recording((*pieces, *([Piece(99.0, "tx", tx)] if tx else [])))


def as_redacted(name: str, *chunks: bytes, settings: dict[str, object] | None = None) -> bytes:
    spec = SPECS[name]
    made = redacted(recording(*chunks), spec, registry.make_options(spec, settings or {}))
    assert made.redacted
    assert [len(piece.data) for piece in made.pieces] == [len(chunk) for chunk in chunks]
    return b"".join(piece.data for piece in made.pieces)


def values(name: str, data: bytes) -> list[object]:
    return [event.as_dict().get("value") for event in decoded(SPECS[name].new(), [(0.0, data)])]


@pytest.mark.parametrize("lower", [False, True])
def test_a_card_is_another_with_a_right_check_and_the_same_case(lower: bool) -> None:
    frame = frames.rdm6300("67003BA86C")
    made = as_redacted("em4100", frame.lower() if lower else frame)
    assert made.islower() == lower
    (value,) = values("em4100", made)
    assert value is not None
    assert value != "67003BA86C"


@pytest.mark.parametrize("number", ["6F6C3A", "00644BB6", "0000123478", "12345678"])
def test_a_wiegand_line_keeps_its_kind(number: str) -> None:
    made = as_redacted("wiegand_line", frames.wiegand(number))
    assert number.encode() not in made
    assert len(values("wiegand_line", made)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_a_scanned_text_keeps_its_encoding(encoding: str) -> None:
    raw = "V1|预约号=20261123-0042|王测试".encode(encoding)
    made = as_redacted("scanner", raw + b"\r\n")
    (scan,) = decoded(SPECS["scanner"].new(), [(0.0, made)])
    assert (scan.fields["encoding"], made[-2:]) == (encoding, b"\r\n")
    assert "王测试".encode(encoding) not in made


def test_an_acknowledgement_inside_a_code_stays() -> None:
    ack = bytes.fromhex("02000001003331")
    made = as_redacted("scanner", b"QR-" + ack + b"0001\r")
    assert ack in made
    assert b"0001" not in made


@pytest.mark.parametrize(
    ("settings", "frame"),
    [
        ({"start": "02", "end": "03", "check": "xor"}, frames.sr30("0006572982")),
        ({"pattern": r"\$CARD,(?P<facility>\d{3}),(?P<card>\d{5})", "scheme": "wiegand26"}, b"$CARD,059,20934\r"),
        ({"encoding": "hex", "start": "AA", "end": "BB", "pattern": "01(?P<value>[0-9A-F]{8})"},
         bytes.fromhex("AA0112345678BB")),
        ({"check": "crc16-ccitt", "check_form": "hex", "pattern": "(?P<value>[0-9]{6})"}, HEX_CHECKED),
    ],
)  # fmt: skip
def test_a_line_format_is_rewritten_as_it_is_configured(settings: dict[str, object], frame: bytes) -> None:
    spec = SPECS["line"]
    options = registry.make_options(spec, settings)
    before = decoded(spec.new(options), [(0.0, frame)])
    if before[0].event != "card_read":
        pytest.fail(f"not a frame of this format: {before}")
    made = as_redacted("line", frame, settings=settings)
    after = decoded(spec.new(options), [(0.0, made)])
    assert [event.event for event in after] == ["card_read"]
    assert after[0].as_dict()["value"] != before[0].as_dict()["value"]


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_capture_can_be_redacted(name: str) -> None:
    spec = SPECS[name]
    for capture in load(CAPTURES / name):
        options = registry.make_options(spec, capture.options)
        if not needs_raw(spec, options):
            made = redacted(recording(capture.data), spec, options)
            assert len(made.pieces[0].data) == len(capture.data), capture.name


PASSAGE = {"event": "passage", "directions": "in,out"}


@pytest.mark.parametrize(
    ("settings", "frame", "kept"),
    [
        (PASSAGE | {"pattern": r"(?P<direction>in|out) (?P<card>[0-9]{8}) (?P<name>[A-Za-z ]+)"},
         b"in 20417001 Zhang San\r", b"in "),
        (PASSAGE | {"pattern": r"(?P<direction>in|out);[0-9]{8};.*"}, b"out;20417001;Zhang San\r", b"out;"),
        ({"pattern": r"ID(?P<value>[0-9]{6}) [A-Z][a-z]+ [A-Z][a-z]+ N[0-9]{8}"},
         b"ID123456 Zhang Sanfeng N20417001\r", b"ID"),
        ({"pattern": r"C(?P<value>[0-9]{6}) (?P<who>[A-Za-z ]+)N(?P<no>2041[0-9]{4})"},
         b"C123456 Zhang Sanfeng N20417001\r", b"C"),
        ({"encoding": "hex", "start": "AA", "end": "BB", "pattern": "01(?P<value>[0-9A-F]{8})[0-9A-F]*"},
         bytes.fromhex("AA0112345678") + b"Zhang20417001" + b"\xbb", b"\xaa\x01"),
        ({"pattern": r"(?P<value>[0-9]{6}) [^ ]+", "encoding": "gbk"}, "123456 王测试".encode("gbk") + b"\r", b""),
    ],
)  # fmt: skip
def test_a_line_keeps_only_what_its_pattern_spells_out(
    settings: dict[str, object], frame: bytes, kept: bytes
) -> None:
    made = as_redacted("line", frame, settings=settings)
    assert made.startswith(kept)
    for secret in (b"Zhang", b"San", b"123456", b"7001", b"20417001", "王测试".encode("gbk"), b"\x12\x34\x56\x78"):
        assert secret not in made


def test_what_belongs_to_no_frame_is_blanked() -> None:
    torn = frames.rdm6300("67003B51C6")[:9]
    made = as_redacted("em4100", torn, frames.rdm6300("67003BA86C"))
    assert torn[1:] not in made
    assert made[:9] == torn[:1] + b"\xff" * 8


def test_a_damaged_line_does_not_swallow_the_next() -> None:
    made = as_redacted("wiegand_line", b"123\r\n", frames.wiegand("6F6C3A"))
    assert made[:5] == b"1\xff\xff\r\n"


def test_what_was_sent_to_the_device_is_redacted_too() -> None:
    spec = SPECS["em4100"]
    frame = frames.rdm6300("67003B51C6")
    made = redacted(recording(frame, tx=frame), spec, spec.options())
    assert made.pieces[0].data == made.pieces[1].data != frame


def test_a_whole_conversation_with_a_card_is_redacted() -> None:
    """An AA BB module gives a UID, and the host selects the card by it."""
    spec, number = SPECS["hf_aabb"], bytes.fromhex("5AEFC604")
    talk = recording(bytes.fromhex("AABB0A0000000202005AEFC60477"), tx=bytes.fromhex("AABB0900000003025AEFC60476"))
    made = redacted(talk, spec, spec.options())
    (read, select) = decoded(spec.new(), made.both_ways)
    assert read.as_dict()["value"] == str(select.fields["payload"]).upper()
    assert not any(number in piece.data for piece in made.pieces)


def test_a_driver_that_cannot_replace_card_numbers_needs_raw() -> None:
    assert needs_raw(ASKED, ASKED.options())
    with pytest.raises(NotRedacted, match="--raw"):
        redacted(recording(), ASKED, ASKED.options())


def broken(**changes: object) -> DriverSpec:
    return replace(SPECS["em4100"], **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("redact", "reason"),
    [
        (lambda frame, swap: frame, "still there"),
        (lambda frame, swap: frame[:-1] + b"\x00", "not read as the same"),
        (lambda frame, swap: frame + b"\x00", "length"),
    ],
)
def test_a_driver_that_redacts_badly_is_found_out(redact: object, reason: str) -> None:
    spec = broken(redact=redact)
    with pytest.raises(NotRedacted, match=reason):
        redacted(recording(frames.rdm6300("67003B51C6")), spec, spec.options())


def test_a_stale_card_that_was_left_is_found_out() -> None:
    """Its number is in no event, but whoever examines a recording knows it."""

    class Careless(modbus_turnstile.Options):
        redact = staticmethod(lambda frame, swap: frame)  # type: ignore[assignment]

    (capture,) = (each for each in load(CAPTURES / "modbus_turnstile") if each.name.endswith("lotltd_card"))
    stale = recording(capture.data[-47:])
    with pytest.raises(NotRedacted, match="still there"):
        redacted(stale, SPECS["modbus_turnstile"], Careless(read_cards=True))
    made = redacted(stale, SPECS["modbus_turnstile"], modbus_turnstile.Options(read_cards=True))
    assert b"0C000621A5" not in made.pieces[0].data


def test_a_number_left_in_another_form_is_found_out() -> None:
    """A family whose frames hold the number once more, as bytes from the low end, and whose redaction forgets it."""

    def judge(data: bytearray, start: int, stop: int, at: float) -> Good | None:
        number = data[start : start + 10].decode()
        return Good(15, (CardRead(scheme="twice", value=number, bits=40),)) if stop - start >= 15 else None

    spec = broken(
        build=lambda units: FrameStream(judge, max_bytes=64),
        redact=lambda frame, swap: swap(frame[:10].decode()).encode() + frame[10:],
    )
    with pytest.raises(NotRedacted, match="another way"):
        redacted(recording(b"67003B51C6" + bytes.fromhex("C6513B0067")), spec, spec.options())


def test_the_forms_of_a_number() -> None:
    assert bytes.fromhex("67003B51C6") in forms("67003B51C6")
    assert bytes.fromhex("C6513B0067") in forms("67003B51C6")
    assert b"67003B51C6" in forms("67003B51C6")
    assert (3909740).to_bytes(3, "little") in forms("0003909740")
    assert forms("7") == set()


def test_a_thousand_cards_are_redacted_in_a_second() -> None:
    rng = Random(1)
    cards = [frames.rdm6300(f"{rng.getrandbits(40):010X}") for _ in range(1000)]
    made = as_redacted("em4100", *cards)
    assert not any(card in made for card in cards)
    assert json.dumps(values("em4100", made))
