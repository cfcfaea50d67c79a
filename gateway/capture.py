"""What the lines say becomes records: events go through pairing, comings and goings are noted.

The device registry keeps since when nobody reads a port, for a daemon that has to read what this one no longer could.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import structlog

from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Incomplete, Scan
from gateway.clock import Clock, Moment
from gateway.directory import Registry
from gateway.log import Once
from gateway.passage import Passage
from gateway.port import Line, Way
from gateway.records import CredentialRead, Draft, Heard, Item, Notice
from gateway.status import Monitor
from gateway.unwatched import sign
from gateway.wire import timestamp

log = structlog.get_logger()

MAX_REASONS = 8
UNREADABLE = "unreadable_document"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device stands."""

    lane: str
    portal: str


class Feedback:
    """Shows people what became of their cards, on those devices of `lines` that we talk to anyway.

    A card is `read` at once and `accepted` when its record is durable, or `buffering` while the uplink is down; it is
    `refused` if neither journal nor emergency ring could take the record. `when_taken` tells which.
    """

    def __init__(
        self,
        when_taken: Callable[[Sequence[Draft], Callable[[bool], None]], None],
        is_online: Callable[[], bool],
    ) -> None:
        self.lines: Sequence[Line] = ()
        self._when_taken = when_taken
        self._is_online = is_online

    def show(self, device: str, events: Sequence[tuple[Event, Sequence[Draft]]]) -> None:
        """What these events, each with the records just made of it, mean to whoever stands there."""
        for line in self.lines:
            if device in line.health and line.rules.is_asked(device):
                for event, drafts in events:
                    self._show(line, device, event, drafts)

    def _show(self, line: Line, device: str, event: Event, drafts: Sequence[Draft]) -> None:
        if _is_refusal(event):
            line.show(device, "refused")
        elif isinstance(event, CardRead | Scan):
            line.show(device, "read")
            reads = [draft for draft in drafts if isinstance(draft.body, CredentialRead)]
            self._when_taken(reads, lambda is_taken: line.show(device, self._became(is_taken=is_taken)))

    def _became(self, *, is_taken: bool) -> str:
        if not is_taken:
            return "refused"
        return "accepted" if self._is_online() else "buffering"


def _is_of_the_device(event: Event) -> bool:
    """Whether only the device itself can have said it. A frame may be an echo of ours, or a bus speaking for it."""
    if isinstance(event, DeviceChange):
        return event.kind == "up"
    return not isinstance(event, Frame | Incomplete)


def _is_refusal(event: Event) -> bool:
    if isinstance(event, Frame):
        return event.name == UNREADABLE
    return isinstance(event, CardRead) and event.decision == "denied"


class Capture:
    """See port.LineListener. `append` makes drafts durable, and how far devices were heard behind them, in order;
    `when_durable` tells when they are, `changed` that the state of a device has changed.
    """

    def __init__(
        self,
        places: Mapping[str, Place],
        passage: Passage,
        registry: Registry,
        clock: Clock,
        append: Callable[[Sequence[Item]], None],
        when_durable: Callable[[Callable[[], None]], None],
        changed: Callable[[], None],
        feedback: Feedback,
        monitor: Monitor,
    ) -> None:
        self._places = places
        self._passage = passage
        self._registry = registry
        self._clock = clock
        self._append = append
        self._when_durable = when_durable
        self._changed = changed
        self._feedback = feedback
        self._monitor = monitor
        self._once = Once(clock.mono)
        self._told: dict[str, tuple[str, set[str | None]]] = {}
        self._asked: dict[str, Line] = {}
        self._unheard: set[str] = set()

    def heard(self, device: str, events: Sequence[Event], moment: Moment) -> bool:
        """See LineListener."""
        self._monitor.events(device, events, moment)
        items: list[Item] = []
        shown: list[tuple[Event, Sequence[Draft]]] = []
        for event in events:
            if isinstance(event, BadFrame):
                if times := self._once.due("frame.bad", device, event.flaw):
                    log.warning("frame.bad", device=device, flaw=event.flaw, bytes=event.bytes, times=times)
                continue
            self._listened(device, event, moment)
            said = self._said(device, event, moment)
            if moment.live and (said or _is_refusal(event)):
                shown.append((event, said))
            items += said
            if event.mark is not None:
                items.append(Heard(device, event.mark))
        self._append(items)
        self._feedback.show(device, shown)
        return any(isinstance(item, Draft) for item in items)

    def _said(self, device: str, event: Event, moment: Moment) -> list[Draft]:
        """What passage makes of it; that a device comes or goes is written down once, not each time it is told."""
        if not isinstance(event, DeviceChange) or event.kind not in ("up", "down"):
            return self._passage.handle(device, event, moment)
        is_new = self._is_new(device, event.kind, event.reason)
        if is_new and event.kind == "up":
            log.info("device.up", device=device)
        elif is_new:
            log.warning("device.down", device=device, reason=event.reason)
        self._changed()
        if is_new:
            return self._passage.handle(device, event, moment)
        if event.kind == "up":
            return self._passage.device_up(device, moment)
        return self._passage.device_down(device, moment, event.reason or "")

    def _listened(self, device: str, event: Event, moment: Moment) -> None:
        """A device that has to be asked is heard when it answers, and lost since its last answer."""
        if device not in self._asked:
            return
        if isinstance(event, DeviceChange) and event.kind == "down":
            self._registry.lost([device], sign(moment, event.since_s or 0.0))
            self._unheard.add(device)
        elif device in self._unheard and moment.live and _is_of_the_device(event):
            self._unheard.discard(device)
            self._seen(self._asked[device], device, moment)

    def when_durable(self, then: Callable[[], None]) -> None:
        """See LineListener."""
        self._when_durable(then)

    def overheard(self, line: Line, way: Way, data: bytes, moment: Moment) -> None:
        """See LineListener."""
        self._monitor.overheard(line.rules.port.url, line.rules.devices, way, data, moment)

    def port_up(self, line: Line, moment: Moment) -> None:
        """See LineListener."""
        log.info("port.up", port=line.rules.port.url, devices=list(line.rules.devices))
        for device in line.present:
            self._note(device, "up", None, moment)
            self._append(self._passage.device_up(device, moment))
        self._listening(line, moment)
        self._changed()

    def port_down(self, line: Line, moment: Moment, reason: str) -> None:
        """See LineListener."""
        log.warning("port.down", port=line.rules.port.url, devices=list(line.rules.devices), reason=reason)
        for device in line.rules.devices:
            self._note(device, "down", reason, moment)
            self._append(self._passage.device_down(device, moment, reason))
        self._registry.lost(line.rules.devices, sign(moment))
        self._changed()

    def port_ended(self, line: Line, stay: Container[str], moment: Moment) -> None:
        """The configuration has this line no more, or otherwise; `stay` are the devices that it still has."""
        log.info("port.ended", port=line.rules.port.url, devices=list(line.rules.devices))
        for device in line.rules.devices:
            if device in stay:
                self._note(device, "down", "the configuration has changed", moment)
            else:
                self._told.pop(device, None)
                self._note(device, "down", "the configuration has it no more", moment, {"removed": True})
            self._append(self._passage.device_down(device, moment, ""))
            self._asked.pop(device, None)
            self._unheard.discard(device)
        self._registry.lost(line.rules.devices, sign(moment))

    def moved(self, places: Mapping[str, Place]) -> None:
        """Where each device stands from now on."""
        self._places = places
        self._told = {device: told for device, told in self._told.items() if device in places}
        self._changed()

    def port_unread(self, line: Line, since: Moment, reason: str) -> None:
        """See LineListener."""
        log.warning("port.unread", port=line.rules.port.url, reason=reason)
        self._registry.lost(line.rules.devices, sign(since))
        for device in line.rules.devices:
            self._append(self._passage.device_down(device, self._clock.now(), reason))

    def port_read(self, line: Line, moment: Moment) -> None:
        """See LineListener."""
        log.info("port.read", port=line.rules.port.url)
        for device in line.present:
            self._append(self._passage.device_up(device, moment))
        self._listening(line, moment)

    def _listening(self, line: Line, moment: Moment) -> None:
        """Whoever speaks by itself is listened to from now on, whoever has to be asked when it has answered."""
        for device in line.rules.devices:
            if line.rules.is_asked(device):
                self._asked[device] = line
                self._unheard.add(device)
            else:
                self._seen(line, device, moment)

    def _seen(self, line: Line, device: str, moment: Moment) -> None:
        self._registry.seen(device, line.rules.spec.name, line.rules.port.url, timestamp(moment.time_ms))

    def _note(
        self,
        device: str,
        status: str,
        reason: str | None,
        moment: Moment,
        details: dict[str, object] | None = None,
    ) -> None:
        """Record that a device came or went; a port that stays away is said once, whatever the reasons."""
        if device in self._told and self._told[device][0] == status:
            return
        self._told[device] = (status, {reason})
        place = self._places[device]
        notice = Notice(
            kind=f"device.{status}",
            device=device,
            lane=place.lane,
            portal=place.portal,
            reason=reason,
            details=details or {},
        )
        self._append([Draft(notice, moment)])

    def _is_new(self, device: str, status: str, reason: str | None) -> bool:
        """Whether a device has not said so since it was in the other state: it says each reason once."""
        before, reasons = self._told.get(device, ("", set()))
        if before != status:
            reasons = set()
        is_new = reason not in reasons and len(reasons) < MAX_REASONS
        self._told[device] = (status, reasons | {reason} if is_new else reasons)
        return is_new
