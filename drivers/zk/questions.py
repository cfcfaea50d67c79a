"""What a ZKTeco terminal is asked, how long it may take, and where the numbers stand in its answers.

Only questions: there is no order here that disables, opens, clears or writes anything.
"""

from __future__ import annotations

from struct import pack
from typing import Literal

from drivers.zk import packets
from drivers.zk.packets import Packet
from drivers.zk.schedule import Sizes

ANSWER_S = 5.0
QUERY_S = 30.0
"""A terminal copies its whole log before it answers."""
COUNT_AT = 32
"""Where the number of log entries stands in the answer to `sizes`, LE32."""
ROOM_AT = 64
"""Where it says how many there is room for, LE32; not all firmware answers so long."""
STATED_BYTES = 13
"""The answer to a query that says how much there is to fetch: 0, size, size, check."""
MOST_LOG_BYTES = 64_000_000
NO_TIME = "the terminal does not tell its time"

Step = Literal["connect", "auth", "events", "time", "sizes", "query", "log", "chunk", "free", "behind", "idle"]
QUESTIONS: dict[Step, tuple[int, bytes, float]] = {
    "connect": (packets.CONNECT, b"", ANSWER_S),
    "events": (packets.EVENT, b"\x01\0\0\0", ANSWER_S),
    "time": (packets.GET_TIME, b"", ANSWER_S),
    "sizes": (packets.GET_SIZES, b"", ANSWER_S),
    "query": (packets.QUERY, packets.LOG_QUERY, QUERY_S),
    "log": (packets.READ_LOG, b"", QUERY_S),
    "free": (packets.FREE, b"", ANSWER_S),
    "behind": (packets.GET_TIME, b"", ANSWER_S),
}


def question(step: Step, wanted: tuple[int, int], key: int, session: int) -> tuple[int, bytes, float]:
    """Command, data and how long the answer may take; `wanted`: first byte and size of the next range."""
    if step == "auth":
        return packets.AUTH, packets.auth(key, session), ANSWER_S
    return (packets.READY, pack("<II", *wanted), QUERY_S) if step == "chunk" else QUESTIONS[step]


def time_in(packet: Packet) -> int | None:
    """The time that the answer to `time` shows, encoded; None: it is a refusal."""
    is_told = packet.command == packets.OK and len(packet.data) >= 4
    return int.from_bytes(packet.data[:4], "little") if is_told else None


def sizes_in(packet: Packet) -> Sizes:
    """What the answer to `sizes` says of the log; what is beyond belief is not said."""
    if packet.command != packets.OK:
        return Sizes()
    count, room = (
        int.from_bytes(packet.data[at : at + 4], "little") if len(packet.data) >= at + 4 else None
        for at in (COUNT_AT, ROOM_AT)
    )
    most = MOST_LOG_BYTES // 8
    return Sizes(count if count is not None and count <= most else None, room if room and room <= most else None)
