"""What all readers of 13.56 MHz cards share: the sizes of a UID, cards whose UID is drawn anew, cards held there."""

from __future__ import annotations

from drivers.contract import Swap
from drivers.events import CardRead

UID_BYTES = (4, 7, 10)
RANDOM = 0x08
"""First byte of a four-byte UID that the card makes up each time it is powered (ISO 14443-3)."""
CASCADE = 0x88
"""First byte of four that are only the beginning of a longer UID (ISO 14443-3)."""
HOLD_S = 0.8
REMEMBERED = 16


def check_hold(hold_s: float) -> None:
    """Refuse an impossible time in seconds (ValueError)."""
    if not 0.0 <= hold_s <= 10.0:
        raise ValueError(f"hold_s: {hold_s} is not between 0 and 10 seconds")


class Held:
    """Tells a card that is held there from one that comes again: by the time since it answered last."""

    def __init__(self, hold_s: float) -> None:
        self._hold_s = hold_s
        self._answered_at: dict[bytes, float] = {}

    def forget(self) -> None:
        """Nothing is held."""
        self._answered_at.clear()

    def event(self, uid: bytes, fields: dict[str, object], at: float) -> CardRead:
        """A `card_read`, with `repeat` if the same card answered at most `hold_s` ago."""
        before = self._answered_at.pop(uid, None)
        self._answered_at[uid] = at
        if len(self._answered_at) > REMEMBERED:
            del self._answered_at[next(iter(self._answered_at))]
        if len(uid) == UID_BYTES[0] and uid[0] == RANDOM:
            fields = fields | {"random_uid": True}
        if self._hold_s and before is not None and at - before <= self._hold_s:
            fields = fields | {"repeat": True}
        return CardRead(scheme="iso14443", value=uid.hex().upper(), bits=8 * len(uid), fields=fields)


def other_uid(uid: bytes, swap: Swap) -> bytes:
    """Another UID of the same kind: a marked first byte stays, and none becomes marked."""
    made = bytes.fromhex(swap(uid.hex().upper()))
    if uid[0] in (RANDOM, CASCADE):
        return uid[:1] + made[1:]
    return bytes([made[0] ^ 0x01]) + made[1:] if made[0] in (RANDOM, CASCADE) else made
