"""The control panel of one bus as a driver: libosdp asks, we listen along, and say what it means.

Every byte goes through our own decoder first. libosdp is handed whole replies only, with the right check, from the
reader it has asked last and with the number it has asked with. So noise costs it a repeated question instead of the
link, and an echo or a late answer never meets it.

    START ──> trying ──link, and the secure channel where there must be one──> up
                ^                                                              │
                └──revived by us, since libosdp would rest 300 s <──lost <─────┘   LOST_S without it is `down`

libosdp reads its own clock for its time-outs; everything else here lives by the times it is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from drivers.contract import FEEDBACK, START, TEXT, Command
from drivers.events import CardRead, DeviceChange, Event
from drivers.framing import FrameStream
from drivers.osdp import wire
from drivers.osdp.keys import NoKey, read_key
from drivers.osdp.listening import Bus, bare
from drivers.osdp.options import Options
from drivers.osdp.panel import Link, Panel, library
from drivers.osdp.reader import Reader
from drivers.osdp.wire import Packet

STEP_S = 0.02
"""libosdp wants to be called at least every 50 ms."""
SILENCE_S = 0.01
"""After an answer the line rests before the next question, at least two characters: 2 ms at 9600 baud."""
MOST_BYTES = 256
"""libosdp's room for one frame."""
HELD = ("FMT", "KEYPAD")
MARKED_BYTES = wire.MAX_BYTES + 1
HANDSHAKE = {wire.CHLNG: (wire.CCRYPT, 0x12), wire.SCRYPT: (wire.RMAC_I, 0x14)}
"""Question to the code and security block of its answer."""


class OsdpBus:
    """The driver of one bus; `units` are its readers."""

    def __init__(self, units: Sequence[Options]) -> None:
        self._units = units
        self._bus = Bus(units)
        self.stream = FrameStream(
            self._bus.judge,
            max_bytes=MARKED_BYTES,
            gap_s=max(unit.gap_s for unit in units),
            forget=self._bus.forget,
        )
        self._panel: Panel | None = None
        self._clear()

    def _clear(self) -> None:
        self._hang_up()
        self._started: set[int] = set()
        self._speaking: set[int] = set()
        self._readers: list[Reader] = []
        self._next_at: float | None = None
        self._question: Packet | None = None
        self._output: list[bytes] = []

    def feed(self, data: bytes, at: float) -> list[Event]:
        """Take bytes that arrived at `at`; return what they mean."""
        return self._heard(self.stream.feed(data, at), at)

    def poll(self, at: float) -> list[Event]:
        """Let time pass: silences end, libosdp asks what is due, readers are given up and tried again."""
        events = self._heard(self.stream.poll(at), at)
        if self._speaking and (self._next_at is None or at >= self._next_at):
            self._next_at = at + STEP_S
            events += self._work(at)
        return events

    def next_poll(self) -> float | None:
        """The end of a silence, or libosdp's next turn."""
        times = [time for time in (self.stream.next_poll(), self._next_at) if time is not None]
        return min(times, default=None)

    def is_mid_frame(self) -> bool:
        """Whether bytes of a begun frame wait for their rest."""
        return self.stream.is_mid_frame()

    def send(self, command: Command, at: float) -> None:
        """START begins to ask one reader; FEEDBACK and TEXT are for a reader that is up."""
        if command.name == START and 0 <= command.unit < len(self._units):
            self._started.add(command.unit)
            self._bus.reveals = False
            self._speaking.add(command.unit)
            self._hang_up()
            self._next_at = at
            return
        reader = next((reader for reader in self._readers if reader.unit == command.unit), None)
        if reader is None or self._panel is None or not reader.is_up:
            return
        if command.name == FEEDBACK:
            reader.show(self._panel, str(command.values.get("state")))
        elif command.name == TEXT:
            seconds = command.values.get("seconds")
            shown_s = float(seconds) if isinstance(seconds, (int, float)) else 1.0
            reader.write(self._panel, str(command.values.get("text", "")), shown_s)

    def _hang_up(self) -> None:
        if self._panel is not None:
            self._panel.close()
        self._panel = None

    def commands(self) -> list[bytes]:
        """Drain what is to be written to the line."""
        output, self._output = self._output, []
        return output

    def close(self) -> list[Event]:
        """The input ends here."""
        rest = self.stream.close()
        self._clear()
        return rest

    def reset(self) -> None:
        """Forget everything; nothing is asked until the next START."""
        self.stream.reset()
        self._clear()

    def _heard(self, events: list[Event], at: float) -> list[Event]:
        """Pass on what the stream says, without what only libosdp may tell; give it what it has asked for."""
        packets = self._bus.take()
        told = [self._dated(event, at) if self._is_ours(event) else bare(event) for event in events]
        if self._panel is None:
            return told
        for packet, frame in packets:
            if len(frame) <= MOST_BYTES and self._is_answer(packet):
                self._question = None
                self._panel.channel.input += frame
                self._reader_at(packet.address).hear(packet, at)
                self._next_at = at + SILENCE_S
        return told

    def _is_ours(self, event: Event) -> bool:
        """Whether a started reader's event may be told as it was heard on the line, where anybody may speak for it.

        Its cards and troubles are libosdp's to tell, else they come twice, or from outside the secure channel. Only
        the digits of the FMT form, which libosdp passes over, are taken as they are from a plain reader.
        """
        if event.unit not in self._started or not isinstance(event, (CardRead, DeviceChange)):
            return True
        return event.fields["name"] == "FMT" and self._units[event.unit or 0].secure == "off"

    def _dated(self, event: Event, at: float) -> Event:
        """A started reader has kept digits, of a card or typed, until it was asked."""
        if event.unit not in self._started or event.fields.get("name") not in HELD:
            return event
        reader = next((reader for reader in self._readers if reader.unit == event.unit), None)
        return replace(event, since_s=inf if reader is None else reader.since_s(at))

    def _is_answer(self, packet: Packet) -> bool:
        asked = self._question
        if asked is None or not packet.is_reply or packet.address != asked.address:
            return False
        return packet.code == wire.BUSY or (packet.sequence == asked.sequence and _is_as_safe(packet, asked))

    def _reader_at(self, address: int) -> Reader:
        return next(reader for reader in self._readers if reader.address == address)

    def _work(self, at: float) -> list[Event]:
        """One turn of libosdp, and what comes of it."""
        events: list[Event] = []
        if self._panel is None:
            events += self._begin(at)
        if self._panel is None:
            return events
        for news in self._panel.refresh():
            events += self._readers[news.unit].told(news, at)
        self._collect(at)
        for reader in self._readers:
            events += reader.watch(self._panel, at)
        return events

    def _collect(self, at: float) -> None:
        """Take what libosdp wants to say, and remember what it has asked."""
        assert self._panel is not None
        for frame in self._panel.channel.output:
            packet = wire.parse(wire.without_mark(frame))
            if packet is not None:
                self._question = packet
                self._reader_at(packet.address).asked(packet, at)
        self._output += self._panel.channel.output
        self._panel.channel.output.clear()

    def _begin(self, at: float) -> list[Event]:
        """Build the panel of the readers that have been started and have what they need."""
        events: list[Event] = []
        links: list[Link] = []
        self._readers = []
        for unit in sorted(self._speaking):
            options = self._units[unit]
            try:
                links.append(_link(options))
            except NoKey as why:
                events.append(DeviceChange(kind="down", reason=f"no key: {why}", unit=unit))
                self._speaking.discard(unit)
                continue
            self._readers.append(Reader(unit, len(self._readers), options, at))
        if links:
            self._panel = Panel(links)
        else:
            self._next_at = None
        return events


def _is_as_safe(answer: Packet, asked: Packet) -> bool:
    """Whether an answer may stand for what it says: secured where the question was, in the form its step demands.

    libosdp 3.2.9 checks no MAC of an answer whose block claims to be of the handshake, so we do not let one in.
    """
    if answer.code == wire.NAK:
        return True
    if asked.code in HANDSHAKE:
        return (answer.code, answer.block_type) == HANDSHAKE[asked.code]
    if answer.code in (wire.CCRYPT, wire.RMAC_I):
        return False
    if asked.block_type in wire.MAC_TYPES:
        return answer.block_type in wire.MAC_TYPES or (asked.code, answer.code) == (wire.KEYSET, wire.ACK)
    return answer.block_type is None


def _link(options: Options) -> Link:
    """How a reader is to be spoken to. Raises NoKey."""
    if options.secure == "off":
        return Link(options.own_address, None)
    if not options.key_file:
        raise NoKey('name the file that holds the reader\'s key in key_file, or set secure = "off"')
    return Link(options.own_address, read_key(options.key_file), options.secure == "install")


def build(units: Sequence[Options], /) -> OsdpBus:
    """The driver of one bus. ValueError: two readers share an address; libosdp is not there for those to be asked."""
    addresses = [unit.own_address for unit in units if unit.is_spoken_to]
    if len(set(addresses)) < len(addresses):
        raise ValueError("address: two readers on this line are asked at the same one; give each its own")
    if addresses:
        library()
    return OsdpBus(units)
