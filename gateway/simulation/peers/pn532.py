"""A PN532 on its UART, and a card that somebody holds to it.

The chip sleeps until 55 55 wakes it. It acknowledges each command at once; asked for a card it is silent until one
comes, or until the next command, which ends the search. A card that stays answers each question.
"""

from __future__ import annotations

from random import Random

from gateway.simulation.devices import Sent

START = bytes([0x00, 0x00, 0xFF])
ACK = bytes([0x00, 0x00, 0xFF, 0x00, 0xFF, 0x00])
WAKE = bytes([0x55, 0x55])
ACK_S, QUICK_S, CARD_S = 0.001, 0.004, 0.025
LONGEST_COMMAND = 300
KINDS = {4: "000408", 7: "004400", 10: "008400"}
"""Bytes of a UID: SENS_RES and SEL_RES of such a card."""


class Pn532:
    """One chip. `acknowledges`: False leaves the acknowledgements out. `held_s`: how long a card stays."""

    model = "pn532"
    driver = "pn532"
    baud = 115200
    options = ""
    directions = ""

    def __init__(self, *, acknowledges: bool = True, held_s: float = 1.5) -> None:
        self._acknowledges = acknowledges
        self._held_s = held_s
        self._heard = b""
        self._is_awake = False
        self._is_searching = False
        self._uid = b""
        self._gone_at = 0.0

    def new_deed(self, rng: Random) -> str:
        """A UID of 4 bytes, now and then of 7 or 10."""
        size = rng.choice((4, 4, 4, 7, 7, 10))
        first = 0x04 if size > 4 else rng.randrange(0x10, 0x88)
        return (bytes([first]) + rng.randbytes(size - 1)).hex().upper()

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody holds this card to it. ValueError: no UID."""
        self._uid, self._gone_at = _uid(deed), at + self._held_s
        return self._found(CARD_S) if self._is_searching else []

    def tick(self, at: float) -> list[Sent]:
        """The card goes."""
        if at >= self._gone_at:
            self._uid = b""
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Answers the commands that are complete."""
        self._heard = (self._heard + data)[-LONGEST_COMMAND:]
        if WAKE in self._heard:
            self._is_awake = True
        sent: list[Sent] = []
        while (start := self._heard.find(START)) >= 0 and len(self._heard) >= start + 6:
            size = self._heard[start + 3]
            end = start + size + 7 if size else start + 6
            if len(self._heard) < end:
                break
            frame, self._heard = self._heard[start:end], self._heard[end:]
            self._is_searching = False
            if self._is_awake and size and sum(frame[5:-1]) % 256 == 0 and frame[5] == 0xD4:
                sent += [Sent(ACK_S, ACK)] if self._acknowledges else []
                sent += self._answer(frame[6:-2])
        return sent

    def _answer(self, command: bytes) -> list[Sent]:
        match command[0]:
            case 0x02:
                return [Sent(QUICK_S, _frame(bytes([0xD5, 0x03, 0x32, 0x01, 0x06, 0x07])))]
            case 0x14 | 0x32:
                return [Sent(QUICK_S, _frame(bytes([0xD5, command[0] + 1])))]
            case 0x4A if command[1:3] == b"\x01\x00":
                self._is_searching = True
                return self._found(CARD_S) if self._uid else []
        return [Sent(QUICK_S, _frame(b"\x7f"))]

    def _found(self, after_s: float) -> list[Sent]:
        self._is_searching = False
        card = bytes.fromhex(KINDS[len(self._uid)]) + bytes([len(self._uid)]) + self._uid
        return [Sent(after_s, _frame(bytes([0xD5, 0x4B, 1, 1]) + card))]


def _uid(deed: str) -> bytes:
    uid = bytes.fromhex(deed)
    if len(uid) not in KINDS:
        raise ValueError(f"a UID has 4, 7 or 10 bytes, not {len(uid)}")
    return uid


def _frame(data: bytes) -> bytes:
    return START + bytes([len(data), 256 - len(data)]) + data + bytes([(256 - sum(data)) % 256, 0x00])
