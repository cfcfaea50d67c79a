"""An answer of many packets: prepare, data, data, …, ok. It ends when its bytes are there.

The closing `ok` comes later and answers nothing; an `ok` or a refusal before the end breaks the answer off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from drivers.zk import packets
from drivers.zk.packets import Packet
from drivers.zk.questions import ANSWER_S, MOST_LOG_BYTES

Came = Literal["more", "all", "broken"]


@dataclass(slots=True)
class Coming:
    """What has come of it. `size`: how much there will be, None: not said yet; the next piece is late at `until`."""

    size: int | None
    until: float
    data: bytearray = field(default_factory=bytearray)

    def take(self, packet: Packet, at: float) -> Came:
        """A piece: is there more to come?"""
        self.until = at + ANSWER_S
        if packet.command == packets.PREPARE:
            self.size = int.from_bytes(packet.data[:4], "little") if self.size is None else self.size
        elif packet.command == packets.DATA:
            self.size = len(packet.data) if self.size is None else self.size
            self.data += packet.data
        if self.size is not None and len(self.data) >= self.size:
            del self.data[self.size :]
            return "all"
        return "broken" if packet.command >= packets.OK or (self.size or 0) > MOST_LOG_BYTES else "more"
