"""What a ZKTeco terminal remembers of one person's punch: the log's records of 40, 16 or 8 bytes, and the live ones.

    40:  user serial LE16 | user id, 24 characters padded with NULs | verify | time LE32 | state | 8 more
    16:  user id LE32 | time LE32 | verify | state | 2 unused | work code LE32
     8:  user serial LE16 | verify | time LE32 | state           (no user id: the serial number stands for it)

    live: user id (LE16 in 10 and 14 bytes, LE32 in 12, 24 characters in 32, 36, 37 and 52) | verify | state
          | year - 2000, month, day, hour, minute, second | the rest is unknown

Time LE32 is ((year % 100) * 372 + (month - 1) * 31 + day - 1) * 86400 + seconds of the day, on the terminal's clock.
Source: adrobinoga/zk-protocol sections/data-record.md, terminal.md (whose decoding formula drifts; this is the
inverse of its encoder) and realtime.md; the sizes of old records and of live ones from public captures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from struct import Struct

WIDTHS = (40, 16, 8)
HEADER_BYTES = 4
"""A log begins with its size in bytes, LE32."""
STATES = frozenset({0, 1, 2, 3, 4, 5, 255})
MOST_VERIFY = 30
MOST_YEAR = 2100
FIRST_YEAR = 2005
"""Before there were such terminals: bytes that are something else are often dated 2000."""
STRICT40 = rb"(?s:..(?=[!-~]{1,20}\0{4})[!-~\0]{24}[\0-\x1e].{4}[\0-\x05\xff].{4}[\0\xff]\0\0\0)"
"""One 40-byte record as strict as its fields allow: an id of 1..20 printable characters, NULs up to 24, …"""
LOOSE40 = rb"(?s:..(?:(?=[!-~]{1,23}\0)[!-~\0]{24}.{6}|[!-~]{24}[\0-\x1e].{4}[\0-\x05\xff]).{8})"
"""One by its user id and its length alone, for a place where one should stand. An id that fills its field could be
any text: there verify and state must be known ones."""

_FIELDS40 = Struct("<H24sBIB8s")
_FIELDS16 = Struct("<IIBB2sI")
_FIELDS8 = Struct("<HBIB")
_SHAPE40 = re.compile(STRICT40)
_LOOSE40 = re.compile(LOOSE40)
_LIVE_IDS = {10: 2, 14: 2, 12: 4, 32: 24, 36: 24, 37: 24, 52: 24}
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Entry:
    """One punch. `stamp` is the terminal's time as it encodes it (rising with time), `serial` None if not told."""

    user: str
    verify: int
    stamp: int
    state: int
    serial: int | None = None

    @property
    def time(self) -> datetime | None:
        """The terminal's time; None: there is no such day."""
        return from_stamp(self.stamp)

    @property
    def local_time(self) -> str:
        """The terminal's time as text, also of a day that does not exist."""
        days, second = divmod(self.stamp, _DAY)
        months, day = divmod(days, 31)
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        return f"{2000 + months // 12}-{months % 12 + 1:02d}-{day + 1:02d} {clock}"

    @property
    def key(self) -> str:
        """12 hex digits that stand for this punch: who, when, how and in which state."""
        text = f"{self.user}\0{self.stamp}\0{self.verify}\0{self.state}".encode()
        return blake2b(text, digest_size=6).hexdigest()

    def fields(self) -> dict[str, object]:
        """What is told beside the user's number."""
        serial: dict[str, object] = {} if self.serial is None else {"user_sn": self.serial}
        return serial | {
            "user_id": self.user,
            "verify": self.verify,
            "state": self.state,
            "local_time": self.local_time,
        }


def to_stamp(time: datetime) -> int:
    """A time as the terminal encodes it; its clock begins with 2000."""
    if time.year < 2000:
        return 0
    days = (time.year - 2000) * 372 + (time.month - 1) * 31 + time.day - 1
    return days * _DAY + time.hour * 3600 + time.minute * 60 + time.second


_FIRST = to_stamp(datetime(FIRST_YEAR, 1, 1))  # noqa: DTZ001 - the terminal's own clock


def from_stamp(stamp: int) -> datetime | None:
    """The time of an encoded one; None: the 31st of a month that has 30 days, and the like."""
    days, second = divmod(stamp, _DAY)
    months, day = divmod(days, 31)
    try:
        return datetime(  # noqa: DTZ001 - the terminal's own clock, which knows no zone
            2000 + months // 12, months % 12 + 1, day + 1, second // 3600, second // 60 % 60, second % 60
        )
    except ValueError:
        return None


def entry(record: bytes) -> Entry:
    """The punch in a record of 40, 16 or 8 bytes."""
    if len(record) == 40:
        serial, user, verify, stamp, state, _ = _FIELDS40.unpack(record)
        return Entry(_text(user) or str(serial), verify, stamp, state, serial)
    if len(record) == 16:
        number, stamp, verify, state, _, _ = _FIELDS16.unpack(record)
        return Entry(str(number), verify, stamp, state)
    serial, verify, stamp, state = _FIELDS8.unpack(record)
    return Entry(str(serial), verify, stamp, state, serial)


def is_strict(record: bytes) -> bool:
    """Whether bytes look like a record of their size and like nothing else."""
    if len(record) == 40 and not (_SHAPE40.fullmatch(record) and _is_padded(record)):
        return False
    if len(record) == 16 and record[10:12] != b"\0\0":
        return False
    found = entry(record)
    if found.verify > MOST_VERIFY or found.state not in STATES or found.user == "0":
        return False
    return found.time is not None and found.time.year < MOST_YEAR


def is_loose(record: bytes) -> bool:
    """Whether 40 bytes may be a record where one should stand: a padded user id, and a day of the calendar."""
    found = entry(record)
    is_shaped = _LOOSE40.fullmatch(record) is not None and _is_padded(record) and found.user != "0"
    return is_shaped and found.time is not None and found.time.year < MOST_YEAR


def _is_padded(record: bytes) -> bool:
    return b"\0" not in record[2:26].rstrip(b"\0")


def records_in(data: bytes, width: int) -> Iterator[bytes]:
    """The whole records at the beginning of `data`."""
    for start in range(0, len(data) - width + 1, width):
        yield data[start : start + width]


def width_of(data: bytes, total: int, count: int | None = None) -> int | None:
    """The size of a log's records: `data` is its beginning behind the header, `total` its bytes without the header.

    `count`: how many entries the terminal said it holds; more may have come since, so that what the records look like
    counts for more. None: nothing fits.
    """
    fitting = [width for width in WIDTHS if total % width == 0 and total >= width]
    said = [width for width in fitting if count and total == count * width]
    first = {width: list(records_in(data, width))[:8] for width in fitting}
    strict = [width for width in fitting if first[width] and all(is_strict(record) for record in first[width])]
    usual = [width for width in strict if all(entry(record).stamp >= _FIRST for record in first[width])]
    for likely in (usual, strict, said):
        if likely:
            return next((width for width in likely if width in said), likely[0])
    return None


def live(data: bytes) -> Entry | None:
    """The punch in an attendance event; None: a size nobody has seen, or no day of the calendar."""
    size = _LIVE_IDS.get(len(data))
    if size is None:
        return None
    user = _text(data[:size]) if size == 24 else str(int.from_bytes(data[:size], "little"))
    verify, state, year, month, day, hour, minute, second = data[size : size + 8]
    try:
        time = datetime(2000 + year % 100, month, day, hour, minute, second)  # noqa: DTZ001 - as above
    except ValueError:
        return None
    return Entry(user, verify, to_stamp(time), state)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
