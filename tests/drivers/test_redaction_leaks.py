"""No redacted frame keeps what nobody knows to be harmless: random frames of each family, a canary in their data.

The frames are built here, bit by bit, and not by the drivers. A frame the driver does not take is no matter: what
belongs to no valid frame is blanked whole.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from uhf_frames import a0, a0_tag, bb, bb_tag, length, length_push, length_tags

from drivers import registry
from drivers.checksums import sum8_complement, xor
from drivers.contract import DriverSpec
from drivers.events import BadFrame, Incomplete
from drivers.modbus.rtu import framed
from drivers.osdp import wire
from drivers.redaction import rewrite
from drivers.registry import make_options
from drivers.suite import pieces_of
from drivers.zk import packets
from gateway.bench.swapping import Swapper

NUMBER = 0xC7E9A3F1
"""As a binary number: four bytes, each too large for a code, a count or a letter."""
CANARIES = (b"CANARY42", str(NUMBER).encode(), NUMBER.to_bytes(4, "big"), NUMBER.to_bytes(4, "little"))
ROUNDS = 400
SPECS = {spec.name: spec for spec in registry.catalog()}

Build = Callable[[Random, bytes], bytes]


@dataclass(frozen=True)
class Family:
    """How frames of a family are made around some data; `settings`: options of the driver."""

    build: Build
    settings: dict[str, Any] = field(default_factory=dict)


def aabb(rng: Random, data: bytes) -> bytes:
    command = rng.choice([0x0101, 0x0102, 0x0106, 0x0107, *range(0x0201, 0x0214), rng.getrandbits(16)])
    body = struct.pack("<HH", rng.choice([0, 0xFFFF]), command) + data
    return b"\xaa\xbb" + struct.pack("<H", len(body) + 1) + body.replace(b"\xaa", b"\xaa\0") + bytes([xor(body)])


def pn532(rng: Random, data: bytes) -> bytes:
    sign = rng.choice([0xD4, 0xD5, 0x7F, rng.getrandbits(8)])
    code = rng.choice([0x02, 0x03, 0x14, 0x15, 0x32, 0x33, 0x40, 0x41, 0x4A, 0x4B, 0x60, 0x61, rng.getrandbits(8)])
    body = bytes([sign, code]) + data
    head = bytes([len(body), -len(body) & 0xFF])
    if rng.getrandbits(1):
        head = b"\xff\xff" + struct.pack(">H", len(body)) + bytes([-sum(struct.pack(">H", len(body))) & 0xFF])
    return b"\0\0\xff" + head + body + bytes([sum8_complement(body), 0])


def osdp(rng: Random, data: bytes) -> bytes:
    is_reply = rng.getrandbits(1)
    code = rng.choice([*(wire.REPLIES if is_reply else wire.COMMANDS), rng.getrandbits(8)])
    block = rng.choice([b"", b"\x03\x11\x01", b"\x02\x15", b"\x02\x17", bytes([2 + len(data), 0x15]) + data])
    body = block + bytes([code]) + data
    control = 1 | rng.choice([0, wire.CRC]) | (wire.SECURED if block else 0)
    check = 2 if control & wire.CRC else 1
    size = 5 + len(body) + 4 * (block[1:2] in (b"\x15", b"\x17")) + check
    mac = bytes(size - 5 - len(body) - check)
    return wire.seal(
        bytes([0x53, 1 | 0x80 * is_reply]) + struct.pack("<HB", size, control) + body + mac + bytes(check)
    )


def zk(rng: Random, data: bytes) -> bytes:
    command = rng.choice([*packets.NAMES, 61, 87, 88, rng.getrandbits(11)])
    session = rng.choice([0, 1, 2, 512, rng.getrandbits(16)])
    return packets.frame(command, data, session=session, reply=rng.choice([0, 1, rng.getrandbits(16)]))


PLACES = (0x50, 0x100, 0x200, 0x3000)
"""Addresses without counters: those stay, whatever they count."""


def modbus(rng: Random, data: bytes) -> bytes:
    data += bytes(len(data) % 2)
    words, size = struct.pack(">H", len(data) // 2), bytes([len(data)])
    address = struct.pack(">H", rng.choice(PLACES))
    function = rng.choice([1, 2, 3, 4])
    count = words if function > 2 else struct.pack(">H", 8 * len(data))
    asked = framed(1, bytes([function]) + address + count) if rng.getrandbits(1) else b""
    objects = b"\x2b\x0e\x01\x01\0\0\x01" + bytes([rng.getrandbits(2)]) + size + data
    writes = (
        b"\x10" + address + words + size + data,
        b"\x0f" + address + struct.pack(">H", 8 * len(data)) + size + data,
        b"\x11" + size + data,
        b"\x17" + size + data,
        b"\x17" + address + b"\0\1" + address + words + size + data,
    )
    return asked + framed(rng.choice([1, 1, 2]), rng.choice([bytes([function]) + size + data, objects, *writes]))


def modbus_tcp(rng: Random, data: bytes) -> bytes:
    data += bytes(len(data) % 2)
    address, function = struct.pack(">H", rng.choice(PLACES)), rng.choice([3, 4])
    pdus = [bytes([function]) + address + struct.pack(">H", len(data) // 2), bytes([function, len(data)]) + data]
    return b"".join(struct.pack(">HHHB", 7, 0, 1 + len(pdu), 1) + pdu for pdu in pdus[rng.getrandbits(1) :])


def uhf_bb(rng: Random, data: bytes) -> bytes:
    epc = data + bytes(len(data) % 2)
    command = rng.choice([0x03, 0x07, 0x11, 0x22, 0x27, 0x28, 0x39, 0xFF, rng.getrandbits(8)])
    return rng.choice([bb(rng.choice([0, 1, 2]), command, data), bb_tag(epc[:60].hex())])


def uhf_a0(rng: Random, data: bytes) -> bytes:
    epc = data + bytes(len(data) % 2)
    command = rng.choice([0x72, 0x74, 0x76, 0x89, 0x8A, rng.randrange(0x60, 0xC0)])
    return rng.choice([a0(command, data[:120]), a0_tag(epc[:60].hex())])


def uhf_len(rng: Random, data: bytes) -> bytes:
    epc = (data + bytes(len(data) % 2))[:60].hex()
    plain = length(rng.choice([0x01, 0x0F, 0x21, 0x33, 0xEE]), rng.choice([b"", b"\0", b"\x01", b"\x28"]) + data)
    return rng.choice([plain, length_tags(epc), length_tags(epc, antennas=2), length_push(epc)])


def line(rng: Random, data: bytes) -> bytes:
    text = data.hex() if not data.isalnum() else data.decode()
    return b"in;%08d;%s\r" % (rng.randrange(10**8), text.encode())


def sdt(rng: Random, data: bytes) -> bytes:
    body = rng.choice([b"\0\0\x90", b"\0\0\x9f", b"\x30\x01", b"\0\0" + rng.randbytes(1)]) + data
    body = struct.pack(">H", len(body) + 1) + body
    return b"\xaa\xaa\xaa\x96\x69" + body + bytes([xor(body)])


LINE = r"(?P<direction>in|out);[0-9]{8};(?P<card>[A-Za-z0-9]+)"
FAMILIES = {
    "hf_aabb": [Family(aabb)],
    "pn532": [Family(pn532)],
    "osdp": [Family(osdp, {"secure": "off"})],
    "zk_terminal": [Family(zk)],
    "modbus_turnstile": [
        Family(modbus), Family(modbus, {"read_cards": True}), Family(modbus_tcp, {"framing": "tcp"}),
        Family(modbus, {"preset": "none", "inputs": "discrete 0 8"}),
    ],
    "uhf_bb": [Family(uhf_bb)],
    "uhf_a0": [Family(uhf_a0)],
    "uhf_len": [Family(uhf_len)],
    "sdt_idcard": [Family(sdt)],
    "line": [
        Family(line, {"pattern": LINE, "event": "passage", "directions": "in,out"}),
        Family(line, {"pattern": r"(?P<way>in|out);(?P<value>[0-9]{8});.*"}),
    ],
}  # fmt: skip
TEXTS = {"em4100", "wiegand_line", "scanner"}
"""Families whose frames are one number or text, which is swapped whole: tests/bench/test_redacting.py."""


def data_with(rng: Random, canary: bytes) -> bytes:
    """A canary with zeros, small numbers or anything around it."""
    least = rng.choice([0, 3, 255])
    before, behind = (
        bytes(rng.randint(0, least) for _ in range(rng.choice([0, 0, 1, 2, 3, 4, 9, 30]))) for _ in "ab"
    )
    return before + canary + behind


def kinds(spec: DriverSpec, options: Any, data: bytes) -> list[tuple[str, object]]:
    told = pieces_of(spec.new(options), [data])
    return [
        (event.event, event.as_dict().get("name")) for event in told if not isinstance(event, (BadFrame, Incomplete))
    ]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("canary", CANARIES, ids=["text", "digits", "high first", "low first"])
def test_no_canary_survives_anywhere_in_a_frame(name: str, canary: bytes) -> None:
    spec, rng, taken = SPECS[name], Random(f"{name}{canary.hex()}"), 0
    for round_ in range(ROUNDS):
        family = FAMILIES[name][round_ % len(FAMILIES[name])]
        options = make_options(spec, family.settings)
        frame = family.build(rng, data_with(rng, canary))
        redact, swap = spec.redact_with(options), Swapper()
        assert redact is not None
        made = rewrite(spec.new(options), frame, lambda found: redact(found, swap))  # noqa: B023 - called at once
        assert len(made) == len(frame)
        assert canary not in made, (frame.hex(), made.hex())
        assert canary.hex().encode() not in made.lower(), (frame.hex(), made.hex())
        assert kinds(spec, options, made) == kinds(spec, options, frame), (frame.hex(), made.hex())
        taken += bool(kinds(spec, options, frame))
    assert taken > ROUNDS / 4, "most frames were none"


def test_every_family_that_reads_cards_is_tried() -> None:
    assert {name for name, spec in SPECS.items() if spec.redact} == FAMILIES.keys() | TEXTS
