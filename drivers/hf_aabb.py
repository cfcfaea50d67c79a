"""Modules for 13.56 MHz cards that speak AA BB: StrongLink SL500, YHY523U, YHY632 and their copies. 115200 8N1.

    AA BB | length 2 | node 2 | command 2 | data | XOR of node .. data          both numbers low byte first
            `- counts everything behind itself, the XOR too

The module answers with the same command; its data begin with a status, 00 good. It is asked in turn:

    state       asks               answer                          next state
    empty       0201 52 request    card_present                    present
                                   no_card, silence                empty
    present     0202 04 UID        a card, no_uid, silence         empty
                                   partial_uid                     large        a UID of 7 or 10 bytes begins so
    large       0212    long UID   a card, no_uid, silence         empty

Inside the frame a 00 behind an AA is stuffing: it is not counted and means nothing. A public driver of the YHY523U
stuffs so and takes it so; whether every copy does is in no source, so it is an option. On, a frame that holds as it
lies is taken so, and stuffing removed only where it does not; one that would hold both ways, as two different cards,
is refused. Off, a module that stuffs loses each card with AA in its number.

A card that stays answers each question: the same UID within `hold_s` of its previous answer is `repeat`.

Sources: Constant.java of com.fro.wifi_rfidcase (two answers; a third one there has a wrong XOR), YHY523U-driver
(commands, node FFFF for all, stuffing; not the meaning of the beep's number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.aabb_frame import ANTICOLLISION, BEEP, LED, LONG_UID, MAX_BYTES, REQUEST, Decoder, frame, redact
from drivers.asking import AskingDriver, Heard, Request
from drivers.contract import FEEDBACK, Command, Driver, DriverSpec
from drivers.events import CardRead, Event, Frame
from drivers.framing import FrameStream, check_gap
from drivers.uids import HOLD_S, check_hold

POLL_S = 0.1
GAP_S = 0.1  # less than ANSWER_S: the next answer must not complete a frame that lost a byte
ANSWER_S = 0.3
EVERY_NODE = 0xFFFF
CARD, SILENCE = "a card", "silence"
TABLE: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "empty": (REQUEST, b"\x52", {"card_present": "present", "no_card": "empty", SILENCE: "empty"}),
    "present": (
        ANTICOLLISION,
        b"\x04",
        {CARD: "empty", "partial_uid": "large", "no_uid": "empty", SILENCE: "empty"},
    ),
    "large": (LONG_UID, b"", {CARD: "empty", "partial_uid": "empty", "no_uid": "empty", SILENCE: "empty"}),
}
"""State: what it asks, and the answers it knows with the state each leads to."""
SETTLED = ("no_card", CARD)
"""Answers behind which no card is there that was not told: what has no UID yet is read later."""
SHOWN = {"accepted": (2, 10), "buffering": (3, 10), "refused": (1, 100)}
"""Feedback state: which LEDs (1 red, 2 blue or green, 3 both), how long a beep."""


@dataclass(frozen=True, slots=True)
class Options:
    """One module.

    `node`: its number, 65535 speaks to any. `stuffing`: a 00 behind an AA inside a frame means nothing. `poll_s`:
    seconds from one search for a card to the next. `hold_s`: seconds within which the next answer of a card is a
    repeat, 0 tells every answer. `feedback`: use LED and beeper. `gap_s`: silence in seconds that gives up a partial
    frame.
    """

    node: int = EVERY_NODE
    stuffing: bool = True
    poll_s: float = POLL_S
    hold_s: float = HOLD_S
    feedback: bool = True
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 0 <= self.node <= EVERY_NODE:
            raise ValueError(f"node: {self.node} is not between 0 and {EVERY_NODE}")
        if not 0.02 <= self.poll_s <= 5.0:
            raise ValueError(f"poll_s: {self.poll_s} is not between 0.02 and 5 seconds")
        check_hold(self.hold_s)
        check_gap(self.gap_s)


class Talk:
    """The Script: TABLE, a clock, and the feedback that waits. See drivers.asking."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._due: float | None = None
        self.stop()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """Begin to search."""
        self.stop()
        self._due = at

    def stop(self) -> None:
        """Forget the card and the feedback."""
        self._state, self._due = "empty", None
        self._searched_at = float("-inf")
        self._ordered_at = 0.0
        self._showing: list[tuple[int, int]] = []

    def due(self) -> float | None:
        """When the next question may be asked; feedback does not wait."""
        return self._ordered_at if self._showing else self._due

    def ask(self, at: float) -> Request | None:
        """Feedback first, then the question of this state."""
        if self._showing:
            command, value = self._showing.pop(0)
            return self._request(command, bytes([value]), "done")
        command, data, _ = TABLE[self._state]
        if command == REQUEST:
            self._searched_at = at
        return self._request(command, data, "")

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """Go on if it answers what was asked."""
        word = _word(event)
        if event.fields.get("kind") == "command":
            return Heard((event,))
        if asked is None or asked.expects:
            return Heard((event,), answers=asked is not None and word == asked.expects, is_shown=True)
        is_known = word in TABLE[self._state][2]
        if is_known:
            self._go(word, at)
        settled_at = self._searched_at if is_known and word in SETTLED else None
        return Heard((event,), answers=is_known, is_shown=True, settled_at=settled_at)

    def miss(self, asked: Request, at: float) -> None:
        """A card that went away in the middle, or a silent module."""
        if not asked.expects:
            self._go(SILENCE, at)

    def order(self, command: Command, at: float) -> None:
        """LED and beep; only the latest is shown."""
        shown = SHOWN.get(str(command.values.get("state")))
        if command.name == FEEDBACK and shown is not None and self._options.feedback:
            self._ordered_at = at
            self._showing = [(LED, shown[0]), (BEEP, shown[1])]

    def _go(self, word: str, at: float) -> None:
        self._state = TABLE[self._state][2][word]
        self._due = max(at, self._searched_at + self._options.poll_s) if self._state == "empty" else at

    def _request(self, command: int, data: bytes, expects: str) -> Request:
        made = frame(self._options.node, command, data, stuffing=self._options.stuffing)
        return Request(made, timeout_s=ANSWER_S, expects=expects)


def _word(event: Event) -> str:
    """An event as TABLE knows it."""
    if isinstance(event, Frame):
        return event.name
    return CARD if isinstance(event, CardRead) else ""


def build(units: Sequence[Options], /) -> Driver:
    """The driver of one module."""
    decoder = Decoder(units[0].hold_s, units[0].stuffing)
    stream = FrameStream(decoder.judge, max_bytes=MAX_BYTES, gap_s=units[0].gap_s, forget=decoder.forget)
    return AskingDriver(stream, Talk(units[0]))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """Request, anticollision, and the rest of a long UID."""
    return options.poll_s + 3 * ANSWER_S


DRIVER = DriverSpec(
    name="hf_aabb",
    title="Modules for 13.56 MHz cards with AA BB frames (SL500, YHY523U, YHY632)",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=115200,
    asks=True,
    latency=_latency_s,
    bauds=(115200, 19200, 9600),
    proof_bits=24,
    redact=redact,
    wiring="RS-232, UART or USB serial, 115200 8N1 (SL500: 19200)",
    frame="AA BB, length, node, command, data, XOR; asked 0201 request, 0202 UID",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-Silicon_Labs_CP2102-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "gate-1-in"
  driver = "hf_aabb"
  lane = "lobby-1"
  side = "in"
  options = { stuffing = true }
""",
)
