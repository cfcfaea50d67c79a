"""Readers of the Chinese resident ID card, second generation (SDT module). RS-232 or USB serial, 115200 8N1.

    AA AA AA 96 69 | length 2, high byte first | SW1 SW2 SW3 | data | XOR from the first length byte on    (module)
    AA AA AA 96 69 | length 2                  | cmd para    | data | XOR                                  (host)
                     `- counts everything behind itself, the XOR too; 3 is always a host's command

A card is read in three questions, and then it is used up: the module finds it again only after it was LIFTED, also if
the reading failed. So one presentation gives one read. What is asked next, and what an answer makes of it:

    state       asks     answer                     next state
    empty       find     no_card, a failure, none   empty
                         card_found                 found
    found       select   selected, ok               selected
                         a failure, none            used
    selected    read     card or document, failure  used
                         none                       unanswered   the answer was lost, perhaps not the card
    unanswered  read     anything, none             used
    used        find     no_card, none              empty        lifted, or lies there used up: it does not say which
                         card_found                 found        the next card, or a module that needs no lifting
                         a failure                  used

A module that needs no lifting reads the lying card again and again: the same number, with no `no_card` heard since,
is `repeat`. Of other documents not even the number is told unless `documents` names them. What is printed on the card
leaves this module only with `desk`; the photo never does.

Sources: qiwenming IDCardDemo README, readidentifiercardinfoutil.cpp (frames, SW3), waitingsong/node-idcard-reader
README (lifting); 12 FF, 30 03 and the names of the rarer failures: common knowledge, not in a source we read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.asking import AskingDriver, Heard, Request
from drivers.cn_id_card import OTHERS
from drivers.contract import Command, Driver, DriverSpec
from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.framing import GAP_S, FrameStream, check_gap
from drivers.sdt_frame import COMMANDS, FAILURES, MAX_BYTES, SELF_TEST, Decoder, command, redact

POLL_S = 0.3
QUICK_S, READ_S = 1.0, 2.0
"""How long the module may take for find and select; for reading the card and sending 1295 bytes at 115200 baud."""

HELD_S = 10.0
"""A module that needs no lifting reads a lying card about once a second. The same number after longer is a visit."""

FAILED, CARD, NOTHING = "a failure", "a card or document", "no answer"
QUESTIONS = {name: command(*code) for code, name in COMMANDS.items() if name in ("find", "select", "read")}
TABLE: dict[str, tuple[str, dict[str, str]]] = {
    "empty": ("find", {"no_card": "empty", "card_found": "found", FAILED: "empty", NOTHING: "empty"}),
    "found": (
        "select",
        {"selected": "selected", "ok": "selected", "select_failed": "used", FAILED: "used", NOTHING: "used"},
    ),
    "selected": ("read", {CARD: "used", "read_failed": "used", FAILED: "used", NOTHING: "unanswered"}),
    "unanswered": ("read", {CARD: "used", "read_failed": "used", FAILED: "used", NOTHING: "used"}),
    "used": ("find", {"no_card": "empty", "card_found": "found", FAILED: "used", NOTHING: "empty"}),
}
"""State: what it asks, and the answers it knows with the state each leads to. Other answers are late ones."""
SETTLED = ("no_card", CARD)
"""Answers behind which there is no card that was not told: a failure leaves one unread."""


@dataclass(frozen=True, slots=True)
class Options:
    """One reader.

    `poll_s`: seconds from one search for a card to the next, at least 0.3. `desk`: tell what is printed on the card,
    as the visitor desk needs it. `documents`: other documents whose number is told too. `gap_s`: silence in seconds
    that gives up a partial frame.
    """

    poll_s: float = POLL_S
    desk: bool = False
    documents: tuple[str, ...] = ()
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if not POLL_S <= self.poll_s <= 10.0:
            raise ValueError(f"poll_s: {self.poll_s} is not between {POLL_S} and 10 seconds")
        for name in self.documents:
            if name not in OTHERS:
                raise ValueError(f"documents: {name!r} is no other document; they are {', '.join(OTHERS)}")
        check_gap(self.gap_s)


class Talk:
    """The Script: TABLE and a clock. See drivers.asking."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._due: float | None = None
        self.stop()

    def start(self, unit: int, mark: str | None, at: float) -> None:
        """Begin to search."""
        self.stop()
        self._due = at

    def stop(self) -> None:
        """Forget the card, and the number that was told."""
        self._state = "empty"
        self._due = None
        self._found_at = float("-inf")
        self._told: str | None = None
        self._told_at = 0.0
        self._is_faulty = False

    def due(self) -> float | None:
        """When the next question may be asked."""
        return self._due

    def ask(self, at: float) -> Request | None:
        """The question of this state."""
        question = TABLE[self._state][0]
        if question == "find":
            self._found_at = at
        return Request(QUESTIONS[question], timeout_s=READ_S if question == "read" else QUICK_S, expects=question)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        """Go on if it answers what was asked; tell a number and a fault once."""
        word = _word(event)
        answers = asked is not None and word in TABLE[self._state][1]
        if answers:
            self._go(word, at)
        settled_at = self._found_at if answers and word in SETTLED else None
        return Heard((self._once(event, word, at),), answers, is_shown=word != "", settled_at=settled_at)

    def miss(self, asked: Request, at: float) -> None:
        """No answer leads on like any other."""
        self._go(NOTHING, at)

    def order(self, command: Command, at: float) -> None:
        """The module has nothing to show."""

    def _go(self, word: str, at: float) -> None:
        self._state = TABLE[self._state][1][word]
        self._due = max(at, self._found_at + self._poll_s) if TABLE[self._state][0] == "find" else at

    def _once(self, event: Event, word: str, at: float) -> Event:
        if word == "no_card":
            self._told = None
        if isinstance(event, CardRead):
            return self._read(event, at)
        is_fault = isinstance(event, DeviceChange)
        if is_fault and self._is_faulty:
            event = Frame(name=FAILURES[SELF_TEST], fields=event.fields)
        self._is_faulty = is_fault or (self._is_faulty and not word)
        return event

    def _read(self, event: CardRead, at: float) -> Event:
        self._is_faulty = False
        is_repeat = event.value == self._told and at - self._told_at <= HELD_S
        self._told, self._told_at = event.value, at
        if not is_repeat:
            return event
        fields = {key: value for key, value in event.fields.items() if key != "text"}
        return CardRead(scheme=event.scheme, value=event.value, bits=event.bits, fields=fields | {"repeat": True})


def _word(event: Event) -> str:
    """An event as TABLE knows it; empty: no answer of the module."""
    if event.fields.get("kind") != "response":
        return ""
    if isinstance(event, DeviceChange):
        return FAILED
    if not isinstance(event, Frame) or event.name == "unreadable_document":
        return CARD
    return FAILED if event.name in (*FAILURES.values(), "unknown") else event.name


def build(units: Sequence[Options], /) -> Driver:
    """The driver of one reader."""
    stream = FrameStream(Decoder(units[0].desk, units[0].documents).judge, max_bytes=MAX_BYTES, gap_s=units[0].gap_s)
    return AskingDriver(stream, Talk(units[0].poll_s))


def _latency_s(options: Options, line: Sequence[Options]) -> float:
    """Find, select and read."""
    return options.poll_s + 2 * QUICK_S + READ_S


DRIVER = DriverSpec(
    name="sdt_idcard",
    title="Readers of the Chinese resident ID card, second generation (SDT module)",
    options=Options,
    build=build,
    emits=frozenset({"credential"}),
    baud=115200,
    asks=True,
    latency=_latency_s,
    bauds=(115200, 57600, 38400, 19200, 9600),
    proof_bits=48,
    redact=redact,
    wiring="RS-232 (TX, RX, GND) or USB serial, 115200 8N1; a reader with a vendor's USB driver is no serial port",
    frame="AA AA AA 96 69, length, SW1 SW2 SW3, data, XOR; asked find, select, read",
    example="""\
[[ports]]
url = "/dev/serial/by-id/usb-Prolific_IDCR01-if00-port0"
baud = 115200

  [[ports.devices]]
  id = "desk-id"
  driver = "sdt_idcard"
  lane = "lobby-1"
  side = "in"
  options = { poll_s = 0.3 }
""",
)
