"""What Modbus says, without its framing: function code first, big-endian words behind it.

    01 coils  02 discrete inputs  03 holding  04 input registers      address 2 | count 2      bytes 1 | data
    05 write coil  06 write register                                address 2 | value 2      the same
    0F write coils 10 write registers          address 2 | count 2 | bytes 1 | data            address 2 | count 2
    2B 0E identification                       2B 0E | code 1 | object 1   2B 0E | code, conformity, more, next, n, …
    80 + function                                                                              exception code

The left column is the request, the right one the reply. A reply does not say what it is about: it is understood only
beside its request. Source: MODBUS Application Protocol Specification V1.1b3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct

READS = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
MAX_BITS, MAX_REGISTERS = 2000, 125
MAX_DATA_BYTES = 250
EXCEPTION = 0x80
EXCEPTION_CODES = range(1, 12)
IDENTIFY = b"\x2b\x0e"
_REQUEST = Struct(">BHH")


@dataclass(frozen=True, slots=True)
class Question:
    """A read of `count` bits or registers from `address` of a unit."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def pdu(self) -> bytes:
        """The request, 5 bytes."""
        return _REQUEST.pack(self.function, self.address, self.count)

    @property
    def data_bytes(self) -> int:
        """How many bytes of data the reply has."""
        return (self.count + 7) // 8 if self.function <= 2 else 2 * self.count


@dataclass(frozen=True, slots=True)
class Said:
    """A PDU and what it says; `question` if it asks, `values` (bits or registers) if it answers a read."""

    name: str
    fields: dict[str, object]
    question: Question | None = None
    values: list[int] | None = None
    about: Question | None = field(default=None)
    """The question it answers, where it is known."""


def sizes(data: bytes | bytearray, start: int, have: int) -> list[int]:
    """Lengths the PDU at `start` could have; `have` bytes of it are here, a length not known yet is above that."""
    function = data[start]
    if function in READS:
        return _read_sizes(data, start, have)
    if function in (5, 6):
        return [5] if function == 6 or have < 5 or data[start + 3 : start + 5] in (b"\xff\x00", b"\0\0") else []
    if function in (0x0F, 0x10):
        return [5, *_write_sizes(data, start, have)]
    if function == IDENTIFY[0]:
        return _identity_sizes(data, start, have)
    is_exception = function & EXCEPTION and (have < 2 or data[start + 1] in EXCEPTION_CODES)
    return [2] if is_exception else []


def _read_sizes(data: bytes | bytearray, start: int, have: int) -> list[int]:
    function = data[start]
    found = [5] if have < 5 or is_count(function, data[start + 3] << 8 | data[start + 4]) else []
    if have < 2:
        return [*found, 3]
    count = data[start + 1]
    if 1 <= count <= MAX_DATA_BYTES and (function <= 2 or count % 2 == 0):
        found.append(2 + count)
    return found


def _write_sizes(data: bytes | bytearray, start: int, have: int) -> list[int]:
    if have < 6:
        return [7]
    count, size = data[start + 3] << 8 | data[start + 4], data[start + 5]
    expected = (count + 7) // 8 if data[start] == 0x0F else 2 * count
    return [6 + size] if 0 < size == expected else []


def _identity_sizes(data: bytes | bytearray, start: int, have: int) -> list[int]:
    if have >= 2 and data[start + 1] != IDENTIFY[1]:
        return []
    size, objects = 7, data[start + 6] if have > 6 else 0
    for _ in range(objects):
        if have < size + 2:
            size += 2
            break
        size += 2 + data[start + size + 1]
    return [4, min(size, MAX_DATA_BYTES)]


def is_count(function: int, count: int) -> bool:
    """Whether so many can be read at once."""
    return 1 <= count <= (MAX_BITS if function <= 2 else MAX_REGISTERS)


def understand(unit: int, pdu: bytes, asked: Question | None) -> Said | None:
    """What a whole PDU of `unit` says; `asked` is the read it may answer. None: it is none."""
    if not pdu or len(pdu) not in sizes(pdu, 0, len(pdu)):
        return None
    function = pdu[0]
    fields: dict[str, object] = {"function": function}
    if function & EXCEPTION:
        return Said("exception", _about(fields, asked) | {"exception": pdu[1]}, about=asked)
    if function in READS:
        return _understand_read(unit, pdu, asked, fields)
    if function == IDENTIFY[0]:
        return Said("request" if len(pdu) == 4 else "reply", fields)
    return _understand_write(pdu, fields)


def _about(fields: dict[str, object], asked: Question | None) -> dict[str, object]:
    return fields if asked is None else fields | {"address": asked.address, "count": asked.count}


def _understand_read(unit: int, pdu: bytes, asked: Question | None, fields: dict[str, object]) -> Said:
    data = pdu[2:]
    is_reply = len(data) == pdu[1]
    fits = asked is not None and is_reply and len(data) == asked.data_bytes and pdu != asked.pdu
    if len(pdu) == 5 and not fits:
        function, address, count = _REQUEST.unpack(pdu)
        if is_count(function, count):
            question = Question(unit, function, address, count)
            return Said("request", _about(fields, question), question)
    about = asked if fits else None
    fields = _about(fields, about)
    if pdu[0] > 2:
        registers = [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]
        return Said("reply", fields | {"registers": registers}, values=registers, about=about)
    bits = [byte >> place & 1 for byte in data for place in range(8)]
    bits = bits[: about.count] if about is not None else bits
    single = {"byte": data[0]} if len(data) == 1 else {}
    return Said("reply", fields | {"bits": bits} | single, values=bits, about=about)


def _understand_write(pdu: bytes, fields: dict[str, object]) -> Said:
    function, address, value = _REQUEST.unpack(pdu[:5])
    fields["address"] = address
    if function in (5, 6):
        return Said("request", fields | {"value": value == 0xFF00 if function == 5 else value})
    if len(pdu) == 5:
        return Said("reply", fields | {"count": value})
    data = pdu[6:]
    if function == 0x0F:
        values = [byte >> place & 1 for byte in data for place in range(8)][:value]
    else:
        values = [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]
    return Said("request", fields | {"values": values})
