"""What a reader of the Len Adr Cmd family (drivers.uhf_len) is asked: its inventory, and a beep if wanted."""

from __future__ import annotations

from drivers import uhf_asking
from drivers.asking import Request
from drivers.checksums import crc16
from drivers.events import Event, Frame

ANSWER_S = 2.5
SIGNAL_S = 0.5
ACTIVE_S = 30.0
INVENTORY, SIGNAL, PUSH = 0x01, 0x33, 0xEE
MORE = 0x03
WHOLE = (0x01, 0x02, 0xFB)
"""How an inventory ends that has told what is near: done, time over, no tag. 04 is a full memory."""
Q_AND_SESSION = bytes([4, 0])
REFUSALS = (0xFD, 0xFE, 0xFF)
BEEPS = {"read": bytes([1, 1, 1]), "refused": bytes([3, 1, 3])}
"""On and off in 50 ms, times."""


class Dialogue:
    """One reader. The 18 asks for an inventory without parameters, the UR for one with them, and the wrong one is
    refused or not answered: then it is the other form's turn, until one has been answered.
    """

    def __init__(self, unit: int, address: int, answer_s: float, *, beeps: bool) -> None:
        self._unit = unit
        self._address = address
        self._answer_s = answer_s
        self._beeps = beeps
        self._signal: bytes | None = None
        self._has_parameters = False
        self._is_understood = False
        self._refused = 0

    def question(self) -> Request:
        """A beep that is owed, else the inventory."""
        if self._signal is not None:
            signal, self._signal = self._signal, None
            return self._request(SIGNAL, signal, SIGNAL_S, "signal")
        data = Q_AND_SESSION if self._has_parameters else b""
        return self._request(INVENTORY, data, self._answer_s, uhf_asking.INVENTORY)

    def _request(self, command: int, data: bytes, timeout_s: float, expects: str) -> Request:
        frame = bytes([4 + len(data), self._address, command]) + data
        return Request(frame + crc16(frame, "crc16-mcrf4xx").to_bytes(2, "little"), self._unit, timeout_s, expects)

    def takes(self, event: Event, asked: Request) -> bool:
        """The last frame of the answer; a reader in active mode is there too."""
        command, status = event.fields.get("cmd"), event.fields.get("status")
        if command == PUSH:
            return True
        if command != asked.data[2] or status in (None, MORE):
            return False
        if command == INVENTORY:
            self._is_understood = status not in REFUSALS
            self._refused = 0 if self._is_understood else self._refused + 1
            self._has_parameters ^= not self._is_understood
        return True

    def settled_at(self, event: Event, asked_at: float) -> float | None:
        """The last frame of an inventory, with tags or without, but not one that breaks off."""
        is_whole = event.fields.get("cmd") == INVENTORY and event.fields.get("status") in WHOLE
        return asked_at if is_whole else None

    def complaint(self, event: Event) -> tuple[str, str | None] | None:
        """An antenna that is missing, or an inventory that is refused in both forms."""
        if event.fields.get("cmd") != INVENTORY or "status" not in event.fields:
            return None
        if isinstance(event, Frame) and event.name == "antenna_missing":
            return "", "no antenna"
        is_refused = event.fields["status"] in REFUSALS
        return "", "inventory refused" if is_refused and self._refused else None

    def pause_s(self, event: Event) -> float:
        """A reader in active mode tells by itself: it is not asked until it has been silent for long."""
        return ACTIVE_S if event.fields.get("cmd") == PUSH else 0.0

    def order(self, state: str) -> None:
        """Beep once for a read, three times for a refusal."""
        if self._beeps:
            self._signal = BEEPS.get(state, self._signal)

    def restart(self) -> None:
        """What was owed is late by now; and if this is not the first miss, perhaps it is the form."""
        self._signal = None
        self._refused = 0
        self._has_parameters ^= not self._is_understood
        self._is_understood = False
