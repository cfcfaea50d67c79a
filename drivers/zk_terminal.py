"""ZKTeco time attendance terminals. TCP, port 4370.

    50 50 82 7D | size LE32 | command LE16 | checksum LE16 | session LE16 | reply LE16 | data
                              `----------- size bytes: the payload ----------------------'
    checksum: the 16-bit sum of the payload's words, carry added, inverted

The terminal keeps a log of all punches; what it tells live it tells only to who listens just then. So the log is read
after every connect, every `pull_s` seconds, and as soon as something live hints at news, and each entry is told once
(`drivers.zk.cursor`), with its age by the terminal's own clock (`drivers.zk.age`), which may be wrong. Nothing is
written to the terminal, and its log is never cleared. A log saved as a file of 40-byte records is read as well.
Packets: `drivers.zk.packets`; records: `drivers.zk.records`; the conversation: `drivers.zk.talk`.
Source: adrobinoga/zk-protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.contract import Driver, DriverSpec
from drivers.framing import FrameStream, check_gap
from drivers.zk.asked import AskedTerminal
from drivers.zk.packets import HEAD_BYTES, MOST_BYTES
from drivers.zk.pull import History
from drivers.zk.questions import ANSWER_S
from drivers.zk.redact import redact
from drivers.zk.stream import Form, Line
from drivers.zk.talk import Talk

GAP_S = 5.0
PULL_S = 60.0
HISTORY_DAYS = 7
MOST_KEY = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Options:
    """`form`: packets (`tcp`), bare 40-byte records (`attlog`), or whatever comes (`auto`); who talks has packets.

    `pull_s`: seconds between two readings of the log, 5..3600. `history`: what the very first reading tells of the
    past: `all`, `none`, or the entries of so many days. `comm_key`: the terminal's communication key, 0 if it has
    none. `gap_s`: silence in seconds after which a partial packet is given up.
    """

    form: Form = "auto"
    pull_s: float = PULL_S
    history: int | str = HISTORY_DAYS
    comm_key: int = 0
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 5.0 <= self.pull_s <= 3600.0:
            raise ValueError(f"pull_s: {self.pull_s} is not between 5 and 3600 seconds")
        if self.history not in ("all", "none") and not (isinstance(self.history, int) and 0 <= self.history <= 3650):
            raise ValueError(f"history: {self.history!r} is neither all nor none nor a number of days up to 3650")
        if not 0 <= self.comm_key <= MOST_KEY:
            raise ValueError(f"comm_key: {self.comm_key} is not between 0 and {MOST_KEY}")
        check_gap(self.gap_s)


def build(units: Sequence[Options], /) -> Driver:
    """The decoder of one terminal, and the one who asks it."""
    options = units[0]
    line = Line(options.form)
    stream = FrameStream(
        line.judge, max_bytes=HEAD_BYTES + MOST_BYTES, gap_s=options.gap_s, forget=line.forget, edge=line.edge
    )
    history: History = options.history  # type: ignore[assignment]
    return AskedTerminal(stream, Talk(line, pull_s=options.pull_s, history=history, comm_key=options.comm_key))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """The log is read every `pull_s`, in at most six questions, the last one for the time behind it."""
    return options.pull_s + 6 * ANSWER_S


DRIVER = DriverSpec(
    name="zk_terminal",
    title="ZKTeco time attendance terminals",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    has_memory=True,
    asks=True,
    latency=_latency_s,
    proof_bits=60,
    tcp_port=4370,
    redact=redact,
    wiring="TCP, port 4370; the gateway connects to the terminal",
    frame="50 50 82 7D, size, command, checksum, session, reply, data",
    example="""\
[[ports]]
url = "socket://10.1.0.9:4370"

  [[ports.devices]]
  id = "clock-1"
  driver = "zk_terminal"
  lane = "lobby-1"
  side = "both"
  options = { pull_s = 60, history = 7 }
""",
)
