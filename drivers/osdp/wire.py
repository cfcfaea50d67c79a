"""The frames of OSDP 2.x (IEC 60839-11-5), as they lie on the line; nothing here knows a key.

    [FF] | 53 | address | length LSB MSB | control | [security block] | code | data | [MAC, 4 bytes] | check
     |          |         |                |         |                                               |
     |          |         |                |         `- length (itself included), type, data         |
     |          |         |                `- bits 0-1 sequence, bit 2: CRC, bit 3: security block   |
     |          |         `- of everything from 53 to the check, both included                       |
     |          `- bit 7: a reply; 7F: everybody                                                     |
     `- a mark that some send first, outside length and check                                        |
                                    CRC-16 1021 from 1D0F, low byte first; or one byte that makes the sum 0

Security blocks 11 to 14 carry the handshake; 15 and 16 mean that a MAC follows the data, 17 and 18 that the data are
encrypted as well. The code stays readable, so a listener still sees who says what kind of thing.
Sources: goToMain/libosdp doc/protocol; the examples of SIA Annex E; ryanhz/osdp-python; bytedreamer/OSDP.Net.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from drivers.checksums import crc16, sum8_complement

MARK, START = 0xFF, 0x53
REPLY, EVERYBODY = 0x80, 0x7F
MAX_BYTES = 1440
"""The longest frame of the standard."""
HEAD_BYTES = 5
CRC, SECURED, RESERVED = 0x04, 0x08, 0xF0
MAC_BYTES = 4
BLOCK_TYPES = range(0x11, 0x19)
MAC_TYPES = range(0x15, 0x19)
ENCRYPTED_TYPES = (0x17, 0x18)

POLL, CAP, LSTAT, LED, BUZ, TEXT, KEYSET, CHLNG, SCRYPT = 0x60, 0x62, 0x64, 0x69, 0x6A, 0x6B, 0x75, 0x76, 0x77
ACK, NAK, PDCAP, LSTATR, ISTATR, RSTATR, RAW, FMT, KEYPAD = 0x40, 0x41, 0x46, 0x48, 0x49, 0x4B, 0x50, 0x51, 0x53
CCRYPT, RMAC_I, BUSY, PIVDATAR = 0x76, 0x78, 0x79, 0x80

COMMANDS = {
    POLL: "POLL", 0x61: "ID", CAP: "CAP", LSTAT: "LSTAT", 0x65: "ISTAT", 0x66: "OSTAT", 0x67: "RSTAT", 0x68: "OUT",
    LED: "LED", BUZ: "BUZ", TEXT: "TEXT", 0x6E: "COMSET", 0x73: "BIOREAD", 0x74: "BIOMATCH", KEYSET: "KEYSET",
    CHLNG: "CHLNG", SCRYPT: "SCRYPT", 0x7B: "ACURXSIZE", 0x7C: "FILETRANSFER", 0x80: "MFG", 0xA1: "XWR",
    0xA2: "ABORT", 0xA3: "PIVDATA", 0xA4: "GENAUTH", 0xA5: "CRAUTH", 0xA7: "KEEPACTIVE",
}  # fmt: skip
REPLIES = {
    ACK: "ACK", NAK: "NAK", 0x45: "PDID", PDCAP: "PDCAP", LSTATR: "LSTATR", ISTATR: "ISTATR", 0x4A: "OSTATR",
    RSTATR: "RSTATR", RAW: "RAW", FMT: "FMT", KEYPAD: "KEYPAD", 0x54: "COM", 0x57: "BIOREADR", 0x58: "BIOMATCHR",
    CCRYPT: "CCRYPT", RMAC_I: "RMAC_I", BUSY: "BUSY", 0x7A: "FTSTAT", PIVDATAR: "PIVDATAR", 0x81: "GENAUTHR",
    0x82: "CRAUTHR", 0x83: "MFGSTATR", 0x84: "MFGERRR", 0x90: "MFGREP", 0xB1: "XRD",
}  # fmt: skip
REFUSALS = {
    1: "its check failed", 2: "its length is wrong", 3: "the command is unknown", 4: "the sequence is wrong",
    5: "the security block is not supported", 6: "a secure channel is required", 7: "the bio type is not supported",
    8: "the bio format is not supported", 9: "the record cannot be processed",
}  # fmt: skip
"""What a NAK means, by its first byte."""

Integrity = Literal["crc16", "checksum"]


@dataclass(frozen=True, slots=True)
class Packet:
    """One frame whose check held. `block_type` and `block` are None and empty without a security block."""

    address: int
    is_reply: bool
    sequence: int
    integrity: Integrity
    code: int
    payload: bytes
    block_type: int | None = None
    block: bytes = b""
    mac: bytes = b""

    @property
    def is_encrypted(self) -> bool:
        return self.block_type in ENCRYPTED_TYPES

    @property
    def name(self) -> str:
        """Its word in the standard; `COMMAND_5A`, `REPLY_5A` where there is none here."""
        names, kind = (REPLIES, "REPLY") if self.is_reply else (COMMANDS, "COMMAND")
        return names.get(self.code, f"{kind}_{self.code:02X}")


class Layout(NamedTuple):
    """Where the parts of a frame (without its mark) begin: `code`, its data, the MAC, the check."""

    code: int
    data: int
    mac: int
    check: int


def frame_bytes(head: bytes) -> int | None:
    """The length that the first HEAD_BYTES bytes (from 53 on) claim; None: no frame begins like that."""
    size = head[2] | head[3] << 8
    control = head[4]
    least = HEAD_BYTES + 1 + (2 if control & CRC else 1) + (2 if control & SECURED else 0)
    return size if least <= size <= MAX_BYTES and not control & RESERVED else None


def check_holds(frame: bytes) -> bool:
    """Whether CRC or checksum of a whole frame (without its mark) hold."""
    return frame == seal(frame)


def seal(frame: bytes) -> bytes:
    """The frame with the check it should have."""
    if frame[4] & CRC:
        return frame[:-2] + crc16(frame[:-2], "crc16-aug").to_bytes(2, "little")
    return frame[:-1] + bytes([sum8_complement(frame[:-1])])


def layout(frame: bytes) -> Layout | None:
    """The parts of a frame of the right length; None: the security block does not fit into it."""
    control = frame[4]
    check = len(frame) - (2 if control & CRC else 1)
    code, mac = HEAD_BYTES, check
    if control & SECURED:
        block_bytes, block_type = frame[5], frame[6]
        code += block_bytes
        if block_bytes < 2 or block_type not in BLOCK_TYPES:
            return None
        if block_type in MAC_TYPES:
            mac -= MAC_BYTES
    return Layout(code, code + 1, mac, check) if code < mac else None


def parse(frame: bytes) -> Packet | None:
    """What a frame (without its mark) of the right length and check says; None: it has no room for what it claims."""
    parts = layout(frame)
    if parts is None:
        return None
    control = frame[4]
    return Packet(
        address=frame[1] & ~REPLY & 0xFF,
        is_reply=bool(frame[1] & REPLY),
        sequence=control & 0x03,
        integrity="crc16" if control & CRC else "checksum",
        code=frame[parts.code],
        payload=frame[parts.data : parts.mac],
        block_type=frame[6] if control & SECURED else None,
        block=frame[7 : parts.code] if control & SECURED else b"",
        mac=frame[parts.mac : parts.check],
    )


def without_mark(frame: bytes) -> bytes:
    """The frame from its 53 on."""
    return frame[1:] if frame[0] == MARK else frame
