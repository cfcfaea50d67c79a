"""ZKTeco packets: frame, checksum, names of commands and events. Nothing here remembers anything.

    50 50 82 7D | size LE32 | command LE16 | checksum LE16 | session LE16 | reply LE16 | data
                              `----------- size bytes: the payload ----------------------'

The checksum is the 16-bit sum of the payload's little-endian words without it (an odd byte counts as a low one), the
carry added, inverted. In an event (command 500) the session field holds the kind of event and reply is 0.
Source: adrobinoga/zk-protocol, protocol.md and sections/terminal.md. The communication key is not in it; see `auth`.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

MAGIC = b"PP\x82\x7d"
HEAD_BYTES = 8
LEAST_BYTES = 8
MOST_BYTES = 65_536 + LEAST_BYTES
"""Of a payload. Other software asks for chunks of at most 65 472 bytes; a false start should not wait for more."""

CONNECT, EXIT, ENABLE, DISABLE, AUTH = 1000, 1001, 1002, 1003, 1102
EVENT, GET_TIME, GET_SIZES, READ_LOG = 500, 201, 50, 13
PREPARE, DATA, FREE, QUERY, READY = 1500, 1501, 1502, 1503, 1504
OK, ERROR, UNAUTH, UNKNOWN = 2000, 2001, 2005, 0xFFFF
LOG_QUERY = bytes.fromhex("010d000000000000000000")
"""The data of QUERY that means the attendance log."""
ATTENDANCE = 1
MOST_COMMAND, LEAST_REFUSAL = 2100, 0xFFF0
"""No command lies between: a false start is not waited for."""

NAMES = {
    7: "db_read", 8: "user_write", 9: "template_read", 10: "template_write", 11: "option_read", 12: "option_write",
    READ_LOG: "log_read", 14: "clear_data", 15: "clear_log", 18: "delete_user", 31: "unlock", 34: "oplog_read",
    GET_SIZES: "sizes", 64: "state", 69: "pin_width", 75: "door_state", GET_TIME: "get_time", 202: "set_time",
    EVENT: "events", CONNECT: "connect", EXIT: "exit", ENABLE: "enable", DISABLE: "disable", 1004: "restart",
    1005: "power_off", 1013: "refresh", 1100: "version", AUTH: "auth", PREPARE: "prepare", DATA: "data", FREE: "free",
    QUERY: "query", READY: "ready", OK: "ok", ERROR: "error", 2002: "ok_data", 2003: "retry", 2004: "repeat",
    UNAUTH: "unauthorised", UNKNOWN: "unknown_command", 0xFFFD: "bad_command", 0xFFFC: "bad_init", 0xFFFB: "bad_data",
}  # fmt: skip
EVENTS = {
    1: "attendance", 2: "finger", 4: "enrolled_user", 8: "enrolled_finger", 16: "button", 32: "unlocked",
    128: "verify", 256: "finger_score", 512: "alarm",
}  # fmt: skip

_WORDS = Struct("<4H")
_SIZE = Struct("<I")


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; in an event `session` is the kind of event."""

    command: int
    session: int
    reply: int
    data: bytes

    @property
    def is_event(self) -> bool:
        """Whether the terminal says it unasked; the host's order of the same number counts its replies."""
        return self.command == EVENT and not self.reply

    @property
    def name(self) -> str:
        """What the command is called; `event_…` for what the terminal says unasked."""
        if self.is_event:
            return "event_" + EVENTS.get(self.session, "unknown")
        return NAMES.get(self.command, "unknown")


def checksum(payload: bytes) -> int:
    """The checksum of a payload whose checksum field (bytes 2 and 3) is counted as 0.

    To add words and their carry is to take the whole, one long number, modulo FFFF; only 0 and FFFF are told apart
    by hand. Python does that several times faster than sums, and a false start may claim 64 KiB again and again.
    """
    number = int.from_bytes(payload, "little") - (int.from_bytes(payload[2:4], "little") << 16)
    return ((number % 0xFFFF or 0xFFFF) if number else 0) ^ 0xFFFF


def is_sound(payload: bytes) -> bool:
    """Whether a payload carries its own checksum."""
    return len(payload) >= LEAST_BYTES and int.from_bytes(payload[2:4], "little") == checksum(payload)


def frame(command: int, data: bytes = b"", *, session: int = 0, reply: int = 0) -> bytes:
    """The bytes of one packet."""
    bare = _WORDS.pack(command, 0, session, reply) + data
    payload = _WORDS.pack(command, checksum(bare), session, reply) + data
    return MAGIC + _SIZE.pack(len(payload)) + payload


def parse(payload: bytes) -> Packet:
    """The packet of a sound payload."""
    command, _, session, reply = _WORDS.unpack_from(payload)
    return Packet(command, session, reply, bytes(payload[LEAST_BYTES:]))


def auth(key: int, session: int) -> bytes:
    """What AUTH carries: the communication key, hidden behind the session's number; 4 bytes.

    The 32 bits of the key in reverse order plus the session, its bytes XORed with ZKSO, halves swapped, XORed with
    50; but the third byte is 50 itself. Known answers are in the tests, one of them from a real terminal.
    """
    mixed = (int(f"{key:032b}"[::-1], 2) + session) & 0xFFFFFFFF
    _, second, third, fourth = (a ^ b for a, b in zip(mixed.to_bytes(4, "little"), b"ZKSO", strict=True))
    return bytes([third ^ 50, fourth ^ 50, 50, second ^ 50])
