"""A resident ID card reader with an SDT module, and a person with a card at it.

The module knows a card only once: after a read, good or failed, and after a failed choice the card is used up until
it is lifted, and until then a search finds none. The person lifts it some time after the reader has beeped; if it did
not, he lifts it and lays it down again, three times at most. All persons are invented: no area code begins with 99.
"""

from __future__ import annotations

from functools import reduce
from operator import xor
from random import Random

from gateway.simulation.devices import BITS_PER_BYTE, Sent

START = bytes([0xAA, 0xAA, 0xAA, 0x96, 0x69])
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECKS = "10X98765432"
FIND_S, SELECT_S, READ_S = 0.06, 0.05, 0.55
PACKET_BYTES = 62
LIFT_S, AGAIN_S, BEEPED_S = 0.8, 1.2, 4.0
TRIES = 3
LONGEST_COMMAND = 64


class Sdt:
    """One reader.

    `fails`: share of reads that fail. `rereads`: it gives a card it has read once more if asked at once.
    `holds_s`: how long the person waits for the beep.
    """

    model = "sdt"
    driver = "sdt_idcard"
    baud = 115200
    options = ""
    directions = ""

    def __init__(self, *, fails: float = 0.0, rereads: bool = True, holds_s: float = 6.0, seed: int = 1) -> None:
        self._rng = Random(seed)
        self._fails = fails
        self._rereads = rereads
        self._holds_s = holds_s
        self._heard = b""
        self._card: str | None = None
        self._pocket: str | None = None
        self._tries = 0
        self._lift_at = self._again_at = float("inf")
        self._lay_down(None, 0.0)

    def new_deed(self, rng: Random) -> str:
        """The number of an invented person."""
        birth = f"{rng.randint(1950, 2005)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
        digits = f"99{rng.randrange(10000):04}{birth}{rng.randrange(1000):03}"
        return digits + _check(digits)

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody lays down the card with this number. ValueError: no such number."""
        if not (len(deed) == 18 and deed[:17].isdigit() and deed[17] == _check(deed[:17])):
            raise ValueError("a resident ID number has 17 digits and the check character that belongs to them")
        self._tries = TRIES
        self._lay_down(deed, at)
        return []

    def tick(self, at: float) -> list[Sent]:
        """The person lifts the card, or lays it down once more; the module says nothing unasked."""
        if at >= self._lift_at:
            is_done = self._beeped or self._tries == 1
            self._pocket = None if is_done else self._card
            self._lay_down(None, at)
            self._tries -= 1
            self._again_at = float("inf") if is_done else at + AGAIN_S
        if at >= self._again_at:
            self._lay_down(self._pocket, at)
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """Answers the commands that are complete."""
        self._heard = (self._heard + data)[-LONGEST_COMMAND:]
        sent: list[Sent] = []
        while (start := self._heard.find(START)) >= 0:
            length = int.from_bytes(self._heard[start + 5 : start + 7], "big")
            end = start + 7 + length
            if len(self._heard) < start + 7 or (len(self._heard) < end and length < LONGEST_COMMAND):
                break
            body, self._heard = self._heard[start + 5 : end], self._heard[end:]
            sent += self._answer(body, at)
        return sent

    def _lay_down(self, card: str | None, at: float) -> None:
        self._card = card
        self._state = "new"
        self._beeped = False
        self._lift_at = float("inf") if card is None else at + self._holds_s
        self._again_at = float("inf")

    def _answer(self, body: bytes, at: float) -> list[Sent]:
        if len(body) < 5 or reduce(xor, body) != 0:
            return _say(0x10, b"", 0.01)
        match body[2:4]:
            case b"\x20\x01":
                is_there = self._card is not None and self._state in ("new", "found", "selected")
                self._state = "found" if is_there else self._state
                return _say(0x9F, bytes(4), FIND_S) if is_there else _say(0x80, b"", FIND_S)
            case b"\x20\x02":
                return self._select()
            case b"\x30\x01":
                return self._read(at)
            case b"\x11\xff" | b"\x10\xff":
                return _say(0x90, b"", 0.02)
            case b"\x12\xff":
                return _say(0x90, bytes.fromhex("0501010000000001") + bytes(8), 0.02)
        return _say(0x21, b"", 0.01)

    def _select(self) -> list[Sent]:
        if self._card is not None and self._state == "found":
            self._state = "selected"
            return _say(0x90, bytes(8), SELECT_S)
        self._state = "used"
        return _say(0x81, b"", SELECT_S)

    def _read(self, at: float) -> list[Sent]:
        is_again = self._state == "read" and self._rereads
        is_readable = self._card is not None and (self._state == "selected" or is_again)
        if self._card is None or not is_readable or self._rng.random() < self._fails:
            self._state = "read" if self._beeped else "used"
            if self._card is not None:
                self._lift_at = min(self._lift_at, at + READ_S + LIFT_S)
            return _say(0x41, b"", READ_S)
        self._state, self._beeped = "read", True
        self._lift_at = at + BEEPED_S
        return _say(0x90, _card_data(self._card), READ_S)


def _check(digits: str) -> str:
    return CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11]


def _say(sw3: int, data: bytes, after_s: float) -> list[Sent]:
    """An answer as it comes through a USB serial adapter: in packets, at the speed of the line."""
    body = (len(data) + 4).to_bytes(2, "big") + bytes([0, 0, sw3]) + data
    whole = START + body + bytes([reduce(xor, body)])
    sent = []
    for start in range(0, len(whole), PACKET_BYTES):
        packet = whole[start : start + PACKET_BYTES]
        sent.append(Sent(after_s + (start + len(packet)) * BITS_PER_BYTE / Sdt.baud, packet))
    return sent


def _card_data(number: str) -> bytes:
    """The text and a photo of the person with this number."""
    sex = "1" if int(number[16]) % 2 else "2"
    texts = [("测试乙", 15), (sex, 1), ("01", 2), (number[6:14], 8), ("示例市示例区测试路2号", 35), (number, 18)]
    texts += [("示例市公安局", 15), ("20210501", 8), ("20410501", 8), ("", 18)]
    text = "".join(words.ljust(characters) for words, characters in texts).encode("utf-16-le")
    photo = Random(number).randbytes(1024)
    return len(text).to_bytes(2, "big") + len(photo).to_bytes(2, "big") + text + photo
