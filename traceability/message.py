"""A message of lines, read: what each line says, in columns, and what cannot be taken.

Gateways send lines by the hundred that differ in little. A line that follows the one before it in the same message,
by the same words and with a clock that was right, is `plain`: a few comparisons tell that all `read_line` asks for
holds, and nothing but its number, its hash and its moment is kept of it. Any other is read in full and stays, in
`notable`, for those who want to know more. Which of the two it was makes no difference to what becomes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from pydantic_core import from_json

from gateway.errors import Rejected
from gateway.wire import Line, read_line
from traceability.clocks import ANCHOR_TYPE, MAX_BOOT_NS, STEP_TYPE, reading_of
from traceability.losses import LOST_TYPE
from traceability.spans import runs
from traceability.streams import MAX_SEQ, Key

NEVER_PLAIN = {LOST_TYPE, ANCHOR_TYPE, STEP_TYPE}
PLAIN_BYTES = 4096

_PLAIN_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")


@dataclass(slots=True)
class Block:
    """Lines of one epoch in the order in which they came, as columns: number, SHA-256, bytes.

    `notable`: those that were read in full, by their place; `moments`: of the others, how far each boot got (ns).
    """

    key: Key
    seqs: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    raws: list[bytes] = field(default_factory=list)
    notable: dict[int, Line] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)

    def prev_at(self, place: int) -> str:
        """What a line names as the hash of the one before: of a plain line it is that of the line before it here."""
        line = self.notable.get(place)
        return self.hashes[place - 1].hex() if line is None else line.prev

    def is_in_order(self) -> bool:
        """Whether it is one run of seqs, lowest first."""
        first = self.seqs[0] if self.seqs else 0
        return self.seqs == list(range(first, first + len(self.seqs)))

    def runs(self) -> list[tuple[int, int]]:
        """Its seqs, in any order, as the ranges they form."""
        return [(self.seqs[0], self.seqs[-1])] if self.seqs and self.is_in_order() else list(runs(self.seqs))

    def fits(self) -> bool:
        """Whether each line names the one before it here. Plain lines do."""
        return all(not at or line.prev == self.hashes[at - 1].hex() for at, line in self.notable.items())

    def only(self, places: Sequence[int]) -> Block:
        """Those lines of it that stand at these places, all read in full."""
        return Block(
            self.key,
            [self.seqs[at] for at in places],
            [self.hashes[at] for at in places],
            [self.raws[at] for at in places],
            {new: self.notable.get(old) or read_line(self.raws[old]) for new, old in enumerate(places)},
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
    lines = iter(raw_lines)
    for raw in lines:
        reader.full(raw)
        other = reader.plain(lines)
        while other is not None:
            reader.full(other)
            other = reader.plain(lines)
    return Message(site, gateway, list(reader.blocks.values()), reader.refused)


class _Reader:
    """Knows the words of the lines before: what was read in full once need not be examined again."""

    def __init__(self, site: str, gateway: str) -> None:
        self.blocks: dict[str, Block] = {}
        self.refused: list[tuple[bytes, str]] = []
        self._site = site
        self._gateway = gateway
        self._block: Block | None = None
        self._types, self._sources, self._boots = set[str](), set[str](), set[str]()

    def plain(self, lines: Iterator[bytes]) -> bytes | None:
        """Take lines as long as each follows the one before it; the first that has to be read in full, if any."""
        block = self._block
        if block is None:
            return next(lines, None)
        site, epoch, moments = self._site, block.key.epoch, block.moments
        types, sources, boots = self._types, self._sources, self._boots
        name = f"{site}/{self._gateway}/{epoch}/"
        seq, last = block.seqs[-1], block.hashes[-1].hex()
        for raw in lines:
            if len(raw) > PLAIN_BYTES:
                return raw
            try:
                event = from_json(raw, allow_inf_nan=False, cache_strings="keys")
                data, time = event["data"], event["time"]
                clock, number = data["clock"], data["seq"]
                boot, boot_ns = clock["boot"], clock["boot_ns"]
                if not (
                    type(number) is type(boot_ns) is int
                    and number == seq + 1 <= MAX_SEQ
                    and data["prev"] == last
                    and data["epoch"] == epoch
                    and data["site"] == site
                    and event["id"] == f"{name}{number}"
                    and event["type"] in types
                    and (event["source"] in sources or self._is_own(event["source"]))
                    and event["specversion"] == "1.0"
                    and boot in boots
                    and 0 <= boot_ns <= MAX_BOOT_NS
                    and clock["state"] == "synced"
                    and clock.get("waited_since") is None
                    and _PLAIN_TIME.fullmatch(time)
                ):
                    return raw
                datetime.fromisoformat(time)
            except (ValueError, TypeError, KeyError, AttributeError):
                return raw
            own_hash = sha256(raw).digest()
            seq, last = number, own_hash.hex()
            block.seqs.append(seq)
            block.hashes.append(own_hash)
            block.raws.append(raw)
            if boot_ns > moments.get(boot, -1):
                moments[boot] = boot_ns
        return None

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
        block.notable[len(block.seqs)] = line
        block.seqs.append(line.seq)
        block.hashes.append(sha256(raw).digest())
        block.raws.append(raw)
        self._block = block
        if line.type not in NEVER_PLAIN:
            self._types.add(line.type)
        boot = reading_of(line).boot
        if boot:
            self._boots.add(boot)

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
