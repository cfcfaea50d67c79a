"""A StrongLink SL500 or one of its copies, and a card that somebody holds to it.

A long UID takes two questions: 0202 gives 88 and its first three bytes, 0212 all seven. Ten bytes come at once.
Inside a frame a 00 follows each AA. An unknown command is answered too, with a status.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from random import Random

from gateway.simulation.devices import Sent

START = bytes([0xAA, 0xBB])
ANSWER_S = 0.015
GOOD, NO_CARD, WRONG = b"\x00", b"\x14", b"\x0c"
LONGEST_COMMAND = 300
KINDS = {4: "0400", 7: "4400", 10: "8400"}
"""Bytes of a UID: ATQA of such a card."""


class Sl500:
    """One module. `stuffs`: it puts a 00 behind each AA, as the host does. `held_s`: how long a card stays."""

    model = "sl500"
    driver = "hf_aabb"
    baud = 115200
    directions = ""

    def __init__(self, *, stuffs: bool = True, held_s: float = 1.5) -> None:
        self.options = "" if stuffs else "stuffing = false"
        self.shown: list[tuple[int, int]] = []
        self._stuffs = stuffs
        self._held_s = held_s
        self._heard = b""
        self._uid = b""
        self._gone_at = 0.0

    def new_deed(self, rng: Random) -> str:
        """A UID of 4 bytes, now and then of 7 or 10; one in a few with AA in it."""
        size = rng.choice((4, 4, 4, 7, 7, 10))
        first = 0x04 if size > 4 else rng.randrange(0x10, 0x88)
        uid = bytearray([first]) + rng.randbytes(size - 1)
        if rng.random() < 0.3:
            uid[rng.randrange(1, size - 1)] = 0xAA
        return uid.hex().upper()

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody holds this card to it. ValueError: no UID."""
        uid = bytes.fromhex(deed)
        if len(uid) not in KINDS:
            raise ValueError(f"a UID has 4, 7 or 10 bytes, not {len(uid)}")
        self._uid, self._gone_at = uid, at + self._held_s
        return []

    def tick(self, at: float) -> list[Sent]:
        """The card goes; the module says nothing unasked."""
        if at >= self._gone_at:
            self._uid = b""
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Answers the commands that are complete."""
        self._heard = (self._heard + data)[-LONGEST_COMMAND:]
        sent: list[Sent] = []
        while (start := self._heard.find(START)) >= 0 and len(self._heard) >= start + 4:
            length = int.from_bytes(self._heard[start + 2 : start + 4], "little")
            body, end = self._take(start + 4, length)
            if len(body) < length <= LONGEST_COMMAND:
                break
            self._heard = self._heard[end:]
            if length >= 5 and len(body) == length and reduce(xor, body) == 0:
                sent += self._answer(int.from_bytes(body[2:4], "little"), body[4:-1])
        return sent

    def _take(self, at: int, length: int) -> tuple[bytes, int]:
        """`length` bytes without stuffing, and where they end."""
        body = b""
        while len(body) < length and at < len(self._heard):
            byte = self._heard[at : at + 1]
            if not (self._stuffs and byte == b"\x00" and body[-1:] == b"\xaa" and self._heard[at - 1] == 0xAA):
                body += byte
            at += 1
        return body, at

    def _answer(self, command: int, data: bytes) -> list[Sent]:
        is_long = len(self._uid) == 7
        if command in (0x0106, 0x0107) and data:
            self.shown.append((command, data[0]))
            return self._say(command, GOOD)
        if command == 0x0104:
            return self._say(command, GOOD + b"SL500F 1.4")
        if command not in (0x0201, 0x0202, 0x0212):
            return self._say(command, WRONG)
        if not self._uid or (command == 0x0212 and not is_long):
            return self._say(command, NO_CARD)
        if command == 0x0201:
            return self._say(command, GOOD + bytes.fromhex(KINDS[len(self._uid)]))
        is_first_part = is_long and command == 0x0202
        return self._say(command, GOOD + (b"\x88" + self._uid[:3] if is_first_part else self._uid))

    def _say(self, command: int, data: bytes) -> list[Sent]:
        body = b"\x00\x00" + command.to_bytes(2, "little") + data
        check = reduce(xor, body)
        length = (len(body) + 1).to_bytes(2, "little")
        if self._stuffs:
            body = body.replace(b"\xaa", b"\xaa\x00")
        return [Sent(ANSWER_S, START + length + body + bytes([check]))]
