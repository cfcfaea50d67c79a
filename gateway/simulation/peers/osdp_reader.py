"""OSDP readers on one two-wire bus, played by libosdp's own reader half over memory.

Each reader hears all that is on the wire, the answers of the others included, and answers what is for its
address. A card waits in the reader until it is asked, and a lost answer is said again. libosdp reads its own clock,
so these readers live in real time; everything else is told the time.

The standard gives the secure channel to libosdp on both sides here; that its two halves agree with other makers'
readers is not shown by this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from gateway.simulation.devices import Sent

DATA_BITS = 24
CARD_BITS = 26
HALF_BITS = 12
START = 0x53
HEAD_BYTES = 5
SEQUENCE = 0x03
QUIET_LOG = 0
MODEL = 1


class _Wire:
    """One reader's end of the bus, as libosdp sees it."""

    def __init__(self) -> None:
        self.id = 0
        self.input = bytearray()
        self.output = bytearray()

    def read(self, most: int) -> bytes:
        data = bytes(self.input[:most])
        del self.input[:most]
        return data

    def write(self, data: bytes) -> int:
        self.output += data
        return len(data)

    def flush(self) -> None:
        self.input.clear()


@dataclass(frozen=True, slots=True)
class Order:
    """What the panel has ordered: `light` (colour number), `beep` (times), `text` or `output`."""

    kind: str
    value: int | str


class OsdpReader:
    """A reader at `address`; with a 16-byte `key` it talks in a secure channel only, `installing` takes a key first.

    `is_silent`: hung, it hears and says nothing. `orders` is what its light, buzzer and display were told.
    A question that comes again is answered by the same bytes, as the standard has it. libosdp 3.2.9's reader half
    does not do that and would lose a card with an answer; so it never sees the second question.
    """

    def __init__(self, address: int, key: bytes | None = None, *, installing: bool = False) -> None:
        import osdp_sys

        self._sys: Any = osdp_sys
        self.address = address
        self.is_silent = False
        self.refused_events = 0
        self.orders: list[Order] = []
        self.wire = _Wire()
        self._waiting = bytearray()
        self._question = self._answer = b""
        osdp_sys.set_loglevel(QUIET_LOG)
        flags = osdp_sys.FLAG_ENFORCE_SECURE if key else osdp_sys.FLAG_INSTALL_MODE if installing else 0
        about = {"version": 1, "model": MODEL, "vendor_code": 0x5A5A5A, "serial_number": address,
                 "firmware_version": 0x010203}  # fmt: skip
        link = {"name": f"reader-{address}", "address": address, "flags": flags, "scbk": key, "channel": self.wire}
        self._reader = osdp_sys.PeripheralDevice(
            about | link, capabilities=self._capabilities(secure=key is not None or installing)
        )
        self._reader.set_command_callback(self._obey)

    def _capabilities(self, *, secure: bool) -> list[dict[str, int]]:
        have = {
            self._sys.CAP_CARD_DATA_FORMAT: (1, 0),
            self._sys.CAP_READER_LED_CONTROL: (1, 1),
            self._sys.CAP_READER_AUDIBLE_OUTPUT: (1, 1),
            self._sys.CAP_READER_TEXT_OUTPUT: (1, 1),
            self._sys.CAP_CHECK_CHARACTER_SUPPORT: (1, 0),
            self._sys.CAP_COMMUNICATION_SECURITY: (int(secure), int(secure)),
        }
        return [
            {"function_code": code, "compliance_level": level, "num_items": count}
            for code, (level, count) in have.items()
        ]

    def present(self, bits: int, data: bytes) -> None:
        """A card of `bits` bits, first bit first."""
        self._submit({
            "event": self._sys.EVENT_CARDREAD, "reader_no": 0, "format": self._sys.CARD_FMT_RAW_WIEGAND,
            "direction": 0, "length": bits, "data": data,
        })  # fmt: skip

    def press(self, keys: str) -> None:
        """Somebody types on its keypad."""
        self._submit({"event": self._sys.EVENT_KEYPRESS, "reader_no": 0, "data": keys.encode("ascii")})

    def report(self, *, tampered: bool, power_failed: bool = False) -> None:
        """Its case is opened or closed, its supply fails or is back."""
        report = bytes([tampered, power_failed])
        self._submit({"event": self._sys.EVENT_STATUS, "type": self._sys.STATUS_REPORT_LOCAL, "report": report})

    def hear(self, data: bytes) -> None:
        """This is on the wire, in any pieces."""
        self._waiting += data

    def work(self) -> bytes:
        """Let it go on with what it has heard; what it says."""
        if self.is_silent:
            self._waiting.clear()
            return b""
        said = b""
        for frame in _frames(self._waiting):
            if frame == self._question and frame[4] & SEQUENCE:
                said += self._answer
                continue
            self.wire.input += frame
            answer = self._refresh()
            if frame[1] == self.address:
                self._question, self._answer = frame, answer
            said += answer
        late = self._refresh()
        self._answer += late
        return said + late

    def _refresh(self) -> bytes:
        self._reader.refresh()
        said = bytes(self.wire.output)
        self.wire.output.clear()
        return said

    def _submit(self, event: dict[str, object]) -> None:
        if not self._reader.submit_event(event):
            self.refused_events += 1

    def _obey(self, order: dict[str, Any]) -> tuple[int, None]:
        kinds = {
            self._sys.CMD_LED: ("light", "on_color"),
            self._sys.CMD_BUZZER: ("beep", "rep_count"),
            self._sys.CMD_TEXT: ("text", "data"),
            self._sys.CMD_OUTPUT: ("output", "output_no"),
        }
        if order["command"] in kinds:
            kind, key = kinds[order["command"]]
            self.orders.append(Order(kind, order[key]))
        return 0, None


class OsdpBus:
    """Readers that share one line. A deed is a card's 24 data bits as 6 hex digits, `tamper`, `closed`, `silent` or
    `back`; `2:` in front of it names the second reader.
    """

    model = "osdp_bus"
    driver = "osdp"
    baud = 9600
    options = 'address = 1, secure = "off"'
    directions = ""

    def __init__(self, readers: Sequence[OsdpReader] = ()) -> None:
        self.readers = list(readers) or [OsdpReader(1), OsdpReader(2)]
        self.others = tuple(f'address = {reader.address}, secure = "off"' for reader in self.readers[1:])

    def new_deed(self, rng: Random) -> str:
        """A card at the first reader, as the driver names it."""
        return f"{rng.getrandbits(DATA_BITS):06X}"

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody does it; a reader says nothing unasked. ValueError: not a deed of this device."""
        number, colon, what = deed.rpartition(":")
        if colon and number not in map(str, range(1, len(self.readers) + 1)):
            raise ValueError(f"there is no reader {number!r} on this bus")
        reader = self.readers[int(number) - 1 if colon else 0]
        match what:
            case "tamper" | "closed":
                reader.report(tampered=what == "tamper")
            case "silent" | "back":
                reader.is_silent = what == "silent"
            case _:
                reader.present(CARD_BITS, card_26(what))
        return []

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """The panel has written this; who is meant answers."""
        for reader in self.readers:
            reader.hear(data)
        return self.tick(at)

    def tick(self, at: float) -> list[Sent]:
        """Time goes by; what one reader says, the others hear."""
        sent = []
        for reader in self.readers:
            said = reader.work()
            if said:
                sent.append(Sent(0.0, said))
                for other in self.readers:
                    if other is not reader:
                        other.hear(said)
                        other.work()
        return sent


class OneOsdpReader(OsdpBus):
    """The same with one reader, at the address they have from the factory, plain."""

    model = "osdp_reader"
    options = 'address = 0, secure = "off"'

    def __init__(self) -> None:
        super().__init__([OsdpReader(0)])


def _frames(waiting: bytearray) -> list[bytes]:
    """Take the whole frames, without marks, off the bytes that wait: 53, address, length LSB MSB, …"""
    frames: list[bytes] = []
    while (start := waiting.find(START)) >= 0:
        del waiting[:start]
        size = int.from_bytes(waiting[2:4], "little")
        if len(waiting) < HEAD_BYTES or len(waiting) < size:
            return frames
        if size > HEAD_BYTES:
            frames.append(bytes(waiting[:size]))
        del waiting[: size if size > HEAD_BYTES else 1]
    waiting.clear()
    return frames


def card_26(digits: str) -> bytes:
    """26 bits around 24: even parity over the first 12 in front, odd over the last 12 behind. ValueError: no card."""
    if len(digits) * 4 != DATA_BITS:
        raise ValueError(f"a card has {DATA_BITS // 4} hex digits here, not {digits!r}")
    data = f"{int(digits, 16):0{DATA_BITS}b}"
    even = str(data[:HALF_BITS].count("1") % 2)
    odd = str(1 - data[HALF_BITS:].count("1") % 2)
    return int(f"{even}{data}{odd}".ljust(32, "0"), 2).to_bytes(4, "big")
