"""One reader as we see it over libosdp's shoulder: is it up, why not, and what does it report.

A reader is up while libosdp holds the link and, unless it is spoken to plainly, the secure channel. Cards that come
otherwise are not believed. It is down when that has not been so for LOST_S, and at once when the key is refused:
waiting would not change that. One that was up is up again only after LOST_AFTER answers in a row. libosdp would leave
a lost reader alone for 300 s; we drop and renew its link instead.

A reader keeps a card until it is asked: what it tells has happened since the last POLL that it answered with ACK. A
question that is said again is answered from before, so it counts from when it was asked first.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.osdp import wire
from drivers.osdp.cards import Raw, describe, name
from drivers.osdp.options import Options, patterns
from drivers.osdp.panel import Card, Done, News, Online, Panel, Secure, Status
from drivers.osdp.wire import Packet
from drivers.patience import Patience
from drivers.presence import LOST_AFTER, Horizon

LOST_S = 8.5
"""The standard calls a link lost after 8 s."""
FIRST_RETRY_S, RETRY_S, REFUSED_RETRY_S = 0.2, 2.0, 5.0
LAST_SEQUENCE = 3
"""Questions are numbered 1, 2, 3, 1, …; 0 begins a link."""
SILENT = "no answer"
PLAIN = "no secure channel: everybody can read along"
SECURED = "secure channel"
INSTALLED = (
    "the reader's key was handed over under SCBK-D, which everybody knows: whoever listened has it; "
    'do this on a bench, then set secure = "required"'
)
REFUSED = "key refused: the reader has another one; compare key_file with the key it was given"
REFUSED_THERE = "key refused by the reader; compare key_file with the key it was given"
INCAPABLE = 'the reader has no secure channel; get one that has, or set secure = "off" and let everybody listen'
UNSECURED = "the reader does not answer the challenge: its secure channel is off or it has no key"


class Reader:
    """The reader `unit` of the line, libosdp's number `index`, started at `at`."""

    def __init__(self, unit: int, index: int, options: Options, at: float) -> None:
        self.unit = unit
        self.index = index
        self.address = options.own_address
        self._is_plain = options.secure == "off"
        self._patterns = patterns(options.feedback)
        self._state: str | None = None
        self._said = ""
        self._reason = SILENT
        self._is_linked = self._is_secure = False
        self._heard_at = self._seen_at = at
        self._last_asked: Packet | None = None
        self._asked_at = at
        self._last_reply: Packet | None = None
        self._answers = 0
        self._was_up = False
        self._horizon, self._status_horizon = Horizon(), Horizon()
        self._revive_at: float | None = None
        self._is_dropped = self._is_installed = False
        self._patience = Patience(FIRST_RETRY_S, RETRY_S)
        self._status_due = True
        self._refused: set[int] = set()
        self._troubles: dict[str, str] = {}

    @property
    def is_up(self) -> bool:
        """Whether we have said so."""
        return self._state == "up"

    def show(self, panel: Panel, state: str) -> None:
        """Give feedback; a state without a pattern shows nothing."""
        pattern = self._patterns.get(state)
        if pattern is not None:
            lit = pattern._replace(tenths=0) if wire.LED in self._refused else pattern
            panel.show(self.index, lit._replace(beeps=0) if wire.BUZ in self._refused else lit)

    def write(self, panel: Panel, text: str, seconds: float) -> None:
        """Show a text, unless it has refused one."""
        if wire.TEXT not in self._refused:
            panel.write_text(self.index, text, seconds)

    def asked(self, packet: Packet, at: float) -> None:
        """libosdp has asked it this, perhaps once more."""
        before, reply = self._last_asked, self._last_reply
        if before is not None and reply is None:
            self._answers = 0
        if before is not None and reply is not None and packet.sequence == before.sequence % LAST_SEQUENCE + 1:
            self._accepted(before, reply)
        if before is None or not _is_repeated(packet, before):
            self._asked_at = at
        self._last_asked, self._last_reply = packet, None

    def hear(self, packet: Packet, at: float) -> None:
        """It has answered."""
        self._heard_at, self._last_reply = at, packet
        self._answers += 1

    def _accepted(self, asked: Packet, reply: Packet) -> None:
        """libosdp goes on with the next number, so it has believed the answer."""
        match asked.code, reply.code:
            case wire.POLL, wire.ACK:
                self._horizon.settled(self._asked_at)
            case wire.LSTAT, wire.LSTATR:
                self._status_horizon.settled(self._asked_at)

    def since_s(self, at: float) -> float:
        """In how many last seconds what it holds has happened; inf: since before this talk."""
        return self._horizon.since_s(at)

    def told(self, news: News, at: float) -> list[Event]:
        """What libosdp says of this reader."""
        match news:
            case Online(value=True):
                self._is_linked, self._answers, self._status_due = True, 0, wire.LSTAT not in self._refused
                self._patience.answered()
            case Online():
                return self._unlinked(at)
            case Secure():
                self._is_secure, self._answers = news.value, 0
                if news.value and news.public and not self._is_installed:
                    self._is_installed = True
                    return [DeviceChange(kind="install", reason=INSTALLED, unit=self.unit)]
            case Card() | Status() if not (self._is_plain or self._is_secure):
                return [Frame(name="not_believed", unit=self.unit, fields={"address": self.address})]
            case Card():
                return [replace(self._read(news), since_s=self.since_s(at))]
            case Status():
                return self._reported(news, at)
            case Done(is_ok=False) if self._was_refused and self._last_asked is not None:
                self._refused.add(self._last_asked.code)
        return []

    def watch(self, panel: Panel, at: float) -> list[Event]:
        """Say what has become of it, and try again where libosdp would rest."""
        self._revive(panel, at)
        if self._is_whole and at - self._heard_at < LOST_S:
            self._seen_at = self._heard_at
            if self._status_due and panel.ask_status(self.index):
                self._status_due = False
            if self._was_up and not self.is_up and self._answers < LOST_AFTER:
                return []
            return self._change("up", PLAIN if self._is_plain else SECURED, at)
        if at - self._seen_at < LOST_S:
            return []
        if self._is_linked and not self._is_whole:
            self._reason = INCAPABLE
        return self._change("down", self._reason, at)

    @property
    def _is_whole(self) -> bool:
        return self._is_linked and (self._is_plain or self._is_secure)

    @property
    def _was_refused(self) -> bool:
        return self._last_reply is not None and self._last_reply.code == wire.NAK

    def _unlinked(self, at: float) -> list[Event]:
        """libosdp has given it up, or we have asked it to."""
        self._is_linked = self._is_secure = False
        if self._is_dropped:
            return []
        self._patience.missed(at)
        refusal = self._refusal()
        self._reason = refusal or SILENT
        self._revive_at = at + REFUSED_RETRY_S if refusal else self._patience.not_before
        return self._change("down", refusal, at) if refusal else []

    def _refusal(self) -> str | None:
        """Why it was given up, if it has answered: judged by the last question and the last answer."""
        if self._last_reply is None:
            return None
        match self._last_asked and self._last_asked.code, self._last_reply.code:
            case wire.CHLNG, wire.CCRYPT:
                return REFUSED
            case wire.CHLNG, _:
                return UNSECURED
            case wire.SCRYPT, _:
                return REFUSED_THERE
            case wire.CAP, wire.PDCAP:
                return None if self._is_plain else INCAPABLE
        return None

    def _revive(self, panel: Panel, at: float) -> None:
        """Drop the link that libosdp rests on, one turn later begin anew."""
        if self._is_dropped:
            self._is_dropped = not panel.revive(self.index)
        elif self._revive_at is not None and at >= self._revive_at:
            self._revive_at, self._is_dropped = None, True
            panel.forget(self.index)

    def _change(self, state: str, reason: str, at: float) -> list[Event]:
        """Say a state once, and a new reason for being down; `down` with how long ago it was heard and believed."""
        if state == self._state and (state == "up" or reason in (self._said, SILENT)):
            return []
        self._state, self._said = state, reason
        since_s = None if state == "up" else at - self._seen_at if self._was_up else inf
        self._was_up |= state == "up"
        return [DeviceChange(kind=state, reason=reason, unit=self.unit, since_s=since_s)]

    def _read(self, card: Card) -> CardRead:
        scheme, value, bits = name(card.data, card.bits)
        told = describe(Raw(card.reader, card.format, card.bits, card.data))
        fields = {"address": self.address, "name": "RAW", "secure": self._is_secure, "card": told}
        return CardRead(scheme=scheme, value=value, bits=bits, unit=self.unit, fields=fields)

    def _reported(self, status: Status, at: float) -> list[Event]:
        """Tell what begins and what ends, since the last report that was asked for, or the last empty poll."""
        if self._last_asked is not None and self._last_asked.code == wire.LSTAT:
            since_s = self._status_horizon.since_s(at)
        else:
            since_s = self.since_s(at)
        events = self._changes(status)
        return [replace(event, since_s=since_s) for event in events]

    def _changes(self, status: Status) -> list[Event]:
        report = tuple(status.report)
        if status.is_local:
            now = {"tamper": report[0] == 1, "power": len(report) > 1 and report[1] == 1}
            source = "the reader"
        else:
            now = {"tamper": report[0] == 2, "fault": report[0] == 1}
            source = "an attached reader"
        return [event for kind, is_so in now.items() for event in self._trouble(kind, source, is_so)]

    def _trouble(self, kind: str, source: str, is_so: bool) -> list[Event]:
        known = f"{source} {kind}"
        if is_so == (known in self._troubles):
            return []
        if is_so:
            self._troubles[known] = kind
        else:
            del self._troubles[known]
        word = {"tamper": "tampering", "power": "a power failure", "fault": "that it is not connected"}[kind]
        reason = f"{source} reports {word}" if is_so else f"{source} reports the end of it: {word}"
        return [DeviceChange(kind=kind, reason=reason, unit=self.unit, fields={"active": is_so})]


def _is_repeated(packet: Packet, before: Packet) -> bool:
    """Whether a question is the one before, said again: by code and number, for a secured one looks different."""
    return bool(packet.sequence) and (packet.code, packet.sequence) == (before.code, before.sequence)
