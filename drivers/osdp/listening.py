"""What is said on the bus, whoever asked: one event for each frame, without a key and without a word of our own.

A number that repeats means "say that again": a reader answers a repeated question with the same bytes. The same reply
from the same reader, with nothing of its own in between, is therefore `repeat` and no second card, until the link
would have been given up; sequence 0 begins anew and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.framing import Bad, Good, Noise, Verdict
from drivers.osdp import wire
from drivers.osdp.cards import describe, name, parse_fmt, parse_raw
from drivers.osdp.options import Options
from drivers.osdp.wire import Packet

LINK_S = 8.0
"""Both sides give the link up after that, and begin anew."""
HIDDEN_REPLIES = (wire.KEYPAD, wire.PIVDATAR)
Heard = tuple[Packet, bytes]


class Bus:
    """Judges the frames of one bus. `heard` keeps the latest packets until somebody takes them.

    `reveals`: who only listens sees all there is; in a daemon's events, keypad digits and keys are left out.
    """

    def __init__(self, units: Sequence[Options]) -> None:
        self._units = {unit.address: index for index, unit in enumerate(units)}
        if len(self._units) < len(units):
            raise ValueError("address: two readers on this line have the same one, or none; give each its own")
        self.reveals = True
        self._latest: dict[int, tuple[bytes, float]] = {}
        self.heard: list[Heard] = []

    def judge(self, data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        """What begins at `start`; see drivers.framing."""
        first = start
        if data[first] == wire.MARK:
            if first + 1 == stop:
                return None
            first += 1
        if data[first] != wire.START:
            return _noise(data, start, stop)
        if stop - first < wire.HEAD_BYTES:
            return None
        size = wire.frame_bytes(bytes(data[first : first + wire.HEAD_BYTES]))
        if size is None:
            return Bad(first - start + wire.HEAD_BYTES, "length")
        if stop - first < size:
            return None
        frame, whole = bytes(data[first : first + size]), first - start + size
        if not wire.check_holds(frame):
            return Bad(whole, "integrity")
        packet = wire.parse(frame)
        if packet is None:
            return Bad(whole, "format")
        self.heard.append((packet, frame))
        return Good(whole, (self._event(packet, frame, at),))

    def unit_of(self, address: int) -> int | None:
        """The configured reader at an address."""
        return self._units.get(address, self._units.get(None))

    def take(self) -> list[Heard]:
        """The packets since the last call."""
        heard, self.heard = self.heard, []
        return heard

    def forget(self) -> None:
        """Forget the latest replies."""
        self._latest.clear()
        self.heard.clear()

    def _event(self, packet: Packet, frame: bytes, at: float) -> Event:
        unit = self.unit_of(packet.address)
        fields = _fields(packet, reveal=self.reveals)
        if not packet.is_reply:
            return Frame(name=packet.name, unit=unit, fields=fields)
        if self._repeated(packet, frame, at):
            return Frame(name="repeat", unit=unit, fields=_without_content(fields) | {"of": packet.name})
        if packet.is_encrypted:
            return Frame(name=packet.name, unit=unit, fields=fields)
        return _meaning(packet, unit, fields)

    def _repeated(self, packet: Packet, frame: bytes, at: float) -> bool:
        latest = self._latest.get(packet.address)
        if packet.sequence and latest is not None and latest[0] == frame and at - latest[1] < LINK_S:
            return packet.code != wire.ACK
        self._latest[packet.address] = frame, at
        return False


def _noise(data: bytearray, start: int, stop: int) -> Verdict | None:
    """Bytes up to the next frame's mark or start."""
    following = data.find(wire.START, start + 1, stop)
    end = stop if following < 0 else following
    if data[end - 1] == wire.MARK and end - 1 > start:
        end -= 1
    return Noise(end - start)


def _fields(packet: Packet, *, reveal: bool) -> dict[str, object]:
    """What is known of every frame; secrets only if they may be seen."""
    fields: dict[str, object] = {
        "address": packet.address,
        "reply": packet.is_reply,
        "sequence": packet.sequence,
        "integrity": packet.integrity,
        "code": packet.code,
        "name": packet.name,
    }
    if packet.block_type is not None:
        fields |= {"scb_type": packet.block_type, "scb_data": packet.block.hex()}
    if packet.mac:
        fields |= {"mac4": packet.mac.hex(), "encrypted": packet.is_encrypted}
    if reveal or not _is_secret(packet):
        fields["payload"] = packet.payload.hex()
    if packet.is_reply and packet.code == wire.KEYPAD and not packet.is_encrypted:
        fields |= _keypad(packet.payload, reveal=reveal)
    return fields


def _is_secret(packet: Packet) -> bool:
    if packet.is_encrypted:
        return True
    return packet.code in HIDDEN_REPLIES if packet.is_reply else packet.code == wire.KEYSET


def _keypad(payload: bytes, *, reveal: bool) -> dict[str, object]:
    """Keys are PINs: how many were pressed is all that anybody else may know."""
    if len(payload) < 2 or len(payload) != 2 + payload[1]:
        return {"malformed": True}
    keypad: dict[str, object] = {"reader": payload[0]}
    keypad |= {"digits": payload[2:].decode("latin-1")} if reveal else {"count": payload[1]}
    return {"keypad": keypad}


def _meaning(packet: Packet, unit: int | None, fields: dict[str, object]) -> Event:
    """What a readable reply says."""
    if packet.code == wire.RAW and (raw := parse_raw(packet.payload)) is not None:
        scheme, value, bits = name(raw.data, raw.bits)
        return CardRead(scheme=scheme, value=value, bits=bits, unit=unit, fields=fields | {"card": describe(raw)})
    if packet.code == wire.FMT and (fmt := parse_fmt(packet.payload)) is not None:
        reader, direction, text = fmt
        card = {"reader": reader, "direction": direction}
        return CardRead(scheme="osdp-fmt", value=text, bits=None, unit=unit, fields=fields | {"card": card})
    if packet.code in (wire.RAW, wire.FMT):
        return Frame(name=packet.name, unit=unit, fields=fields | {"malformed": True})
    if packet.code == wire.ISTATR:
        fields["inputs"] = list(packet.payload)
    if packet.code == wire.NAK and packet.payload:
        fields["refused"] = wire.REFUSALS.get(packet.payload[0], "unknown")
    trouble = _trouble(packet)
    if trouble is not None:
        return DeviceChange(kind=trouble[0], reason=trouble[1], unit=unit, fields=fields)
    return Frame(name=packet.name, unit=unit, fields=fields)


def _trouble(packet: Packet) -> tuple[str, str] | None:
    """Kind and reason of a status reply that is no good news."""
    match packet.code, tuple(packet.payload):
        case wire.LSTATR, (1, power):
            return "tamper", "the reader reports tampering" + (" and a power failure" if power else "")
        case wire.LSTATR, (_, 1):
            return "power", "the reader reports a power failure"
        case wire.RSTATR, (2, *_):
            return "tamper", "an attached reader reports tampering"
        case wire.RSTATR, (1, *_):
            return "fault", "an attached reader is not connected"
    return None


def _without_content(fields: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if key not in ("payload", "card", "keypad", "inputs")}


def bare(event: Event) -> Frame:
    """What is left of an event whose meaning somebody else tells."""
    return Frame(name=str(event.fields["name"]), unit=event.unit, fields=_without_content(dict(event.fields)))
