"""What Modbus says, without its framing: function code first, big-endian words behind it.

    01 coils  02 discrete inputs  03 holding  04 input registers      address 2 | count 2      bytes 1 | data
    05 write coil  06 write register                                address 2 | value 2      the same
    0F write coils 10 write registers          address 2 | count 2 | bytes 1 | data            address 2 | count 2
    07 exception status                                             nothing                status
    08 diagnostics                                                  kind 2 | data 2        the same
    0B event counter                                                nothing                status 2 | count 2
    11 server id                                                    nothing                bytes 1 | data
    16 mask write                                                   address 2 | and 2 | or 2      the same
    17 write and read registers      address 2 | count 2 | as 10, of what is written       bytes 1 | data
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
STATUS, DIAGNOSE, EVENTS, SERVER_ID, MASK, EXCHANGE = 0x07, 0x08, 0x0B, 0x11, 0x16, 0x17
FIXED_SIZES = {STATUS: [1, 2], DIAGNOSE: [5], EVENTS: [1, 5], MASK: [7]}
ID_BYTES = range(2, 65)
"""Of a server id; the specification sets no limit, but a false start should not wait for more."""
COUNTS = (2, *range(0x0B, 0x13))
"""Kinds of diagnostics that ask with 0 and are answered with a number."""
IDENTIFY = b"\x2b\x0e"
OBJECTS = ("vendor", "product", "revision", "url", "product_name", "model", "application")
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
    if function in FIXED_SIZES:
        return FIXED_SIZES[function]
    if function == SERVER_ID:
        return [1, *([3] if have < 2 else [2 + data[start + 1]] if data[start + 1] in ID_BYTES else [])]
    if function == EXCHANGE:
        return _exchange_sizes(data, start, have)
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


def _exchange_sizes(data: bytes | bytearray, start: int, have: int) -> list[int]:
    if have < 2:
        return [4]
    size = data[start + 1]
    reply = [2 + size] if 0 < size <= MAX_DATA_BYTES and size % 2 == 0 else []
    if have < 10:
        return [*reply, 12] if have < 5 or is_count(3, data[start + 3] << 8 | data[start + 4]) else reply
    count, size = data[start + 7] << 8 | data[start + 8], data[start + 9]
    return (
        [*reply, 10 + size]
        if 0 < size == 2 * count and is_count(3, data[start + 3] << 8 | data[start + 4])
        else reply
    )


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
        return _understand_identity(pdu, fields)
    if function == EXCHANGE:
        return _understand_exchange(pdu, fields)
    if function in (STATUS, DIAGNOSE, EVENTS, SERVER_ID, MASK):
        return _understand_other(pdu, fields)
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


def _understand_identity(pdu: bytes, fields: dict[str, object]) -> Said:
    """The question names an object, the reply brings a list of them: number, length, text."""
    if len(pdu) == 4:
        return Said("request", fields | {"code": pdu[2], "object": pdu[3]})
    at = 7
    while at + 2 <= len(pdu):
        number, end = pdu[at], at + 2 + pdu[at + 1]
        name = OBJECTS[number] if number < len(OBJECTS) else f"object_{number:02x}"
        fields[name] = pdu[at + 2 : end].decode("utf-8", "replace")
        at = end
    return Said("reply", fields)


def _understand_exchange(pdu: bytes, fields: dict[str, object]) -> Said:
    """Registers are written and others read in one go."""
    is_reply = len(pdu) == 2 + pdu[1]
    data = pdu[2:] if is_reply else pdu[10:]
    registers = [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]
    if is_reply:
        return Said("reply", fields | {"registers": registers})
    address, count, written = (int.from_bytes(pdu[at : at + 2], "big") for at in (1, 3, 5))
    return Said("request", fields | {"address": address, "count": count, "written": written, "values": registers})


def _understand_other(pdu: bytes, fields: dict[str, object]) -> Said:
    """What is said of the unit itself, and the mask write, whose reply is its request."""
    function, words = pdu[0], [pdu[at] << 8 | pdu[at + 1] for at in range(1, len(pdu) - 1, 2)]
    if len(pdu) == 1:
        return Said("request", fields)
    if function == STATUS:
        return Said("reply", fields | {"status": pdu[1]})
    if function == SERVER_ID:
        return Said("reply", fields | {"data": pdu[2:].hex()})
    if function == EVENTS:
        return Said("reply", fields | dict(zip(("status", "count"), words, strict=True)))
    if function == MASK:
        return Said("request", fields | dict(zip(("address", "and", "or"), words, strict=True)))
    kind, value = words
    is_reply = kind in COUNTS and value
    return Said("reply" if is_reply else "request", fields | {"diagnostic": kind, "value": value})
