"""NXP PN532 on its high-speed UART (HSU): modules and readers for 13.56 MHz cards. 115200 8N1.

    00 00 FF | n | n check | D5 4B | targets | 1 | SENS_RES 2 | SAK | m | UID m | (ATS) | data check | 00
               |   |         |                                                           `- with D5 .. ATS: sum 0
               |   `- sum of both is 0                       D4: the host, D5: the module; n counts from here to ATS
               `- n = 0, check FF: acknowledge

The module is woken and set up, then asked for one card of type A (4A 01 00). It acknowledges at once and is silent
until a card comes: an acknowledgement shows that it is alive, silence behind it only that there is no card.

    state       asks     answer          next state
    asleep      wake     set up          ready
    ready       list     acknowledge     listening     asked again after LISTEN_S, to see that it is alive
                         cards or none   ready         after `poll_s`; also where the acknowledgement was lost
                         silence         asleep        it may have lost its supply
    listening   nothing  cards or none   ready

A question that was acknowledged and is followed by the next one has met no card: that is what a card is dated by.
Cards that a module finds by itself when told to (D5 61, InAutoPoll) are understood too; we do not ask for them.

A card that stays answers each question: the same UID within `hold_s` of its previous answer is `repeat`.

Sources: NXP UM0701 (PN532 user manual) for the frames; three public drivers' comments for recorded answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.asking import AskingDriver, Heard, Request
from drivers.contract import Command, Driver, DriverSpec
from drivers.events import Event
from drivers.framing import FrameStream, check_gap
from drivers.pn532_frame import MAX_BYTES, Decoder, frame, redact
from drivers.uids import HOLD_S, check_hold

POLL_S = 0.2
GAP_S = 0.1  # less than ANSWER_S: the next answer must not complete a frame that lost a byte
ANSWER_S = 0.3
LISTEN_S = 0.8
"""Twice that is how old a card can be that comes between two questions."""
WAKE = bytes.fromhex("5555") + bytes(14) + frame(bytes.fromhex("D41401"))
LIST = frame(bytes.fromhex("D44A0100"))

ACK, SET_UP, LISTED, SILENCE = "ack", "set up", "cards or none", "silence"
TABLE: dict[str, tuple[bytes | None, dict[str, str]]] = {
    "asleep": (WAKE, {SET_UP: "ready", SILENCE: "asleep"}),
    "ready": (LIST, {ACK: "listening", LISTED: "ready", SILENCE: "asleep"}),
    "listening": (None, {LISTED: "ready"}),
}
"""State: what it asks, and the answers it knows with the state each leads to."""
PAUSES = {("asleep", SET_UP): 0.0, ("ready", ACK): LISTEN_S}
"""State and answer: seconds to the next question, where it is not `poll_s`."""


@dataclass(frozen=True, slots=True)
class Options:
    """One module.

    `poll_s`: seconds from an answer to the next question, 0.02 to 5. `hold_s`: seconds within which the next answer
    of a card is a repeat, 0 tells every answer. `gap_s`: silence in seconds that gives up a partial frame.
    """

    poll_s: float = POLL_S
    hold_s: float = HOLD_S
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not 0.02 <= self.poll_s <= 5.0:
            raise ValueError(f"poll_s: {self.poll_s} is not between 0.02 and 5 seconds")
        check_hold(self.hold_s)
        check_gap(self.gap_s)


class Talk:
    """The Script: TABLE and a clock. See drivers.asking."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._due: float | None = None
        self.stop()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """Wake it."""
        self.stop()
        self._due = at

    def stop(self) -> None:
        """It may be asleep when the line comes back."""
        self._state, self._due = "asleep", None
        self._asked_at = float("-inf")
        self._silent_at: float | None = None

    def due(self) -> float | None:
        """When the next question may be asked."""
        return self._due

    def ask(self, at: float) -> Request | None:
        """The question of this state; a card that does not come is asked for again."""
        self._silent_at = None
        if self._state == "listening":
            self._state, self._silent_at = "ready", self._asked_at
        self._asked_at = at
        question = TABLE[self._state][0]
        return None if question is None else Request(question, timeout_s=ANSWER_S)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """Go on with what leads on from this state."""
        word = _word(event)
        is_known = word in TABLE[self._state][1]
        settled_at = None
        if is_known:
            settled_at = {ACK: self._silent_at, LISTED: self._asked_at}.get(word)
            self._go(word, at)
        is_shown = event.fields.get("kind") == "response"
        return Heard((event,), answers=is_known and asked is not None, is_shown=is_shown, settled_at=settled_at)

    def miss(self, asked: Request, at: float) -> None:
        """No acknowledgement and no card."""
        self._go(SILENCE, at)

    def order(self, command: Command, at: float) -> None:
        """The chip has nothing to show."""

    def _go(self, word: str, at: float) -> None:
        self._due = at + PAUSES.get((self._state, word), self._poll_s)
        self._state = TABLE[self._state][1][word]


def _word(event: Event) -> str:
    """An event as TABLE knows it; empty: nothing that leads on."""
    if event.fields.get("kind") == "ack":
        return ACK
    if event.fields.get("kind") != "response":
        return ""
    answered = str(event.fields.get("data", ""))[:4]
    return {"d515": SET_UP, "d54b": LISTED}.get(answered, "")


def build(units: Sequence[Options], /) -> Driver:
    """The driver of one module."""
    decoder = Decoder(units[0].hold_s)
    stream = FrameStream(decoder.judge, max_bytes=MAX_BYTES, gap_s=units[0].gap_s, forget=decoder.forget)
    return AskingDriver(stream, Talk(units[0].poll_s))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """The card's question is acknowledged, then answered."""
    return options.poll_s + 2 * ANSWER_S


DRIVER = DriverSpec(
    name="pn532",
    title="NXP PN532 modules and readers for 13.56 MHz cards (HSU)",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=115200,
    asks=True,
    latency=_latency_s,
    bauds=(115200, 9600, 57600),
    proof_bits=48,
    redact=redact,
    wiring="UART at 3.3 V (TX, RX, GND; both switches of the module at HSU), 115200 8N1, or a USB serial adapter",
    frame="00 00 FF, length, its complement, D4 or D5, data, complement of the sum, 00",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "gate-1-in"
  driver = "pn532"
  lane = "lobby-1"
  side = "in"
  options = { hold_s = 0.8 }
""",
)
