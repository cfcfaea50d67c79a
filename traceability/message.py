"""A message of lines, read: what each line says, in columns, and what cannot be taken.

Gateways send lines by the hundred that differ in little. A line that follows the one before it in the same message,
by the same words and with a clock that was right, is `plain`: a few comparisons tell that all `read_line` asks for
holds, and nothing but its number, its hash and its moment is kept of it. Any other is read in full and stays, in
`notable`, for those who want to know more. Which of the two it was makes no difference to what becomes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from pydantic_core import from_json

from gateway.errors import Rejected
from gateway.wire import Line, read_line
from traceability.clocks import ANCHOR_TYPE, MAX_BOOT_NS, STEP_TYPE, reading_of
from traceability.losses import LOST_TYPE
from traceability.streams import MAX_SEQ, Key

NEVER_PLAIN = {LOST_TYPE, ANCHOR_TYPE, STEP_TYPE}
PLAIN_BYTES = 4096

_PLAIN_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(slots=True)
class Block:
    """Lines of one epoch in the order in which they came, as columns: number, SHA-256, `prev`, bytes.

    `moments`: boot and nanoseconds since it of plain lines; None for those in `notable`, by their place.
    """

    key: Key
    seqs: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    prevs: list[str] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    moments: list[tuple[str, int] | None] = field(default_factory=list)
    notable: dict[int, Line] = field(default_factory=dict)

    def add(self, line: Line, own_hash: bytes) -> None:
        """Add a line that was read in full."""
        self.notable[len(self.seqs)] = line
        self.add_plain(line.seq, own_hash, line.prev, line.raw, None)

    def add_plain(self, seq: int, own_hash: bytes, prev: str, raw: bytes, moment: tuple[str, int] | None) -> None:
        """Add one row to the columns."""
        self.seqs.append(seq)
        self.hashes.append(own_hash)
        self.prevs.append(prev)
        self.raws.append(raw)
        self.moments.append(moment)

    def only(self, places: Sequence[int]) -> Block:
        """Those lines of it that stand at these places."""
        return Block(
            self.key,
            [self.seqs[at] for at in places],
            [self.hashes[at] for at in places],
            [self.prevs[at] for at in places],
            [self.raws[at] for at in places],
            [self.moments[at] for at in places],
            {new: self.notable[old] for new, old in enumerate(places) if old in self.notable},
        )


@dataclass(slots=True)
class Message:
    """The lines of one message from this gateway's topic; `refused` with the reason."""

    site: str
    gateway: str
    blocks: list[Block]
    refused: list[tuple[bytes, str]]


def read_message(site: str, gateway: str, raw_lines: Iterable[bytes]) -> Message:
    """Read the lines of a message. Raises nothing, whatever the bytes."""
    reader = _Reader(site, gateway)
    for raw in raw_lines:
        if not reader.plain(raw):
            reader.full(raw)
    return Message(site, gateway, list(reader.blocks.values()), reader.refused)


class _Reader:
    """Knows the words of the lines before: what was read in full once need not be examined again."""

    def __init__(self, site: str, gateway: str) -> None:
        self.blocks: dict[str, Block] = {}
        self.refused: list[tuple[bytes, str]] = []
        self._site = site
        self._gateway = gateway
        self._prefix = f"{site}/{gateway}/"
        self._block: Block | None = None
        self._seq, self._hash = 0, ""
        self._types, self._sources, self._boots = set[str](), set[str](), set[str]()

    def plain(self, raw: bytes) -> bool:
        """Take a line that follows the one before it; False: it has to be read in full."""
        block = self._block
        if block is None or len(raw) > PLAIN_BYTES:
            return False
        try:
            event = from_json(raw, allow_inf_nan=False, cache_strings="keys")
            data, time = event["data"], event["time"]
            clock, seq = data["clock"], data["seq"]
            boot, boot_ns = clock["boot"], clock["boot_ns"]
            if not (
                type(seq) is type(boot_ns) is int
                and seq == self._seq + 1 <= MAX_SEQ
                and data["prev"] == self._hash
                and data["epoch"] == block.key.epoch
                and data["site"] == self._site
                and event["id"] == f"{self._prefix}{block.key.epoch}/{seq}"
                and event["type"] in self._types
                and (event["source"] in self._sources or self._is_own(event["source"]))
                and event["specversion"] == "1.0"
                and boot in self._boots
                and 0 <= boot_ns <= MAX_BOOT_NS
                and clock["state"] == "synced"
                and clock.get("waited_since") is None
                and _PLAIN_TIME.fullmatch(time)
            ):
                return False
            datetime.fromisoformat(time)
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        own_hash = sha256(raw).digest()
        self._seq, self._hash = seq, own_hash.hex()
        block.add_plain(seq, own_hash, data["prev"], raw, (boot, boot_ns))
        return True

    def full(self, raw: bytes) -> None:
        """Take or refuse a line by all that `read_line` asks for."""
        try:
            line = self._read(raw)
        except Rejected as error:
            self.refused.append((raw, error.message))
            return
        block = self.blocks.get(line.epoch)
        if block is None:
            block = self.blocks[line.epoch] = Block(Key(self._site, self._gateway, line.epoch))
        own_hash = sha256(raw).digest()
        block.add(line, own_hash)
        self._learn(block, line, own_hash)

    def _read(self, raw: bytes) -> Line:
        line = read_line(raw)
        if (line.site, line.gateway) != (self._site, self._gateway):
            raise Rejected("the record is of another gateway than the topic")
        if line.seq > MAX_SEQ:
            raise Rejected(f"seq is beyond {MAX_SEQ}")
        return line

    def _is_own(self, source: str) -> bool:
        """/site/gateway, or /site/gateway/device."""
        own = f"/{self._site}/{self._gateway}"
        is_own = source == own or (source.startswith(f"{own}/") and source.count("/") == 3)
        if is_own:
            self._sources.add(source)
        return is_own

    def _learn(self, block: Block, line: Line, own_hash: bytes) -> None:
        self._block, self._seq, self._hash = block, line.seq, own_hash.hex()
        if line.type not in NEVER_PLAIN:
            self._types.add(line.type)
        boot = reading_of(line).boot
        if boot:
            self._boots.add(boot)
