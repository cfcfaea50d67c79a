"""What the lines say becomes records: events go through pairing, comings and goings are noted.

The device registry keeps since when nobody reads a port, for a daemon that has to read what this one no longer could.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from drivers.events import BadFrame, CardRead, DeviceChange, Event, Frame, Scan
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
        self._recorded: dict[str, str] = {}

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
            if isinstance(event, DeviceChange) and event.kind in ("up", "down"):
                self._answers(device, event)
            said = self._passage.handle(device, event, moment)
            if moment.device_time is None and (said or _is_refusal(event)):
                shown.append((event, said))
            items += said
            if event.mark is not None:
                items.append(Heard(device, event.mark))
        self._append(items)
        self._feedback.show(device, shown)
        return any(isinstance(item, Draft) for item in items)

    def _answers(self, device: str, change: DeviceChange) -> None:
        """A device that is asked has begun to answer, or does so no more; passage writes it down."""
        self._recorded[device] = change.kind
        if change.kind == "up":
            log.info("device.up", device=device)
        else:
            log.warning("device.down", device=device, reason=change.reason)
        self._changed()

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
        for device in line.rules.devices:
            self._seen(line, device, moment)
        self._changed()

    def port_down(self, line: Line, moment: Moment, reason: str) -> None:
        """See LineListener."""
        log.warning("port.down", port=line.rules.port.url, devices=list(line.rules.devices), reason=reason)
        for device in line.rules.devices:
            self._note(device, "down", reason, moment)
            self._append(self._passage.device_down(device, moment, reason))
        self._registry.lost(line.rules.devices, sign(moment))
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
        for device in line.rules.devices:
            self._seen(line, device, moment)

    def _seen(self, line: Line, device: str, moment: Moment) -> None:
        self._registry.seen(device, line.rules.spec.name, line.rules.port.url, timestamp(moment.time_ms))

    def _note(self, device: str, status: str, reason: str | None, moment: Moment) -> None:
        """Record that a device came or went; a port that stays away is said once."""
        if self._recorded.get(device) == status:
            return
        self._recorded[device] = status
        place = self._places[device]
        body = Notice(kind=f"device.{status}", device=device, lane=place.lane, portal=place.portal, reason=reason)
        self._append([Draft(body, moment)])
