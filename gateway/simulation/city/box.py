"""One gateway of the city: what happens at its lanes becomes events of devices, and those become lines.

The pairing, the anchors, the encoder and the tokens are the product's own; only serial bytes and disks are left out.
Time is the true time of the timeline; the box itself knows its own clocks alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import count
from math import floor

from drivers.events import CardRead, DeviceChange, Event, Passage
from gateway import passage
from gateway.records import Draft, Lost, Notice, Punch
from gateway.simulation.city import walk
from gateway.simulation.city.blame import Blame
from gateway.simulation.city.chain import Chain
from gateway.simulation.city.clocks import BoxClock
from gateway.simulation.city.deliveries import Delivery
from gateway.simulation.city.layout import LanePlan
from gateway.simulation.city.people import read_of
from gateway.simulation.city.sending import Made, Sender
from gateway.simulation.city.settings import PRIVACY, SECOND, Settings
from gateway.simulation.city.walk import Crossing, Habit
from gateway.timekeeping.anchors import Timekeeping
from gateway.wire import Origin, timestamp

VERSION = "city"
FRAME_MS = 200
SETTLE_MS = 8 * SECOND
"""So long after a device has come back reads from before may still take a pass."""

Act = tuple[int, int, Callable[[], None]]


@dataclass(slots=True)
class Missed:
    """Readings of a device that a full journal did not take; own clock, unix ms."""

    count: int
    from_ms: int
    to_ms: int


class Box:
    """`run` once. `false` collects the ids of punches that tell what did not happen."""

    def __init__(
        self,
        settings: Settings,
        site: str,
        gateway: str,
        lanes: dict[int, LanePlan],
        cards: Sequence[str],
        blame: Blame,
        sink: Callable[[Delivery], None],
    ) -> None:
        self.settings, self.site, self.gateway, self.blame = settings, site, gateway, blame
        self.lanes, self._cards = lanes, cards
        self.clock = BoxClock(settings.begin_ms, self.name("boot", 0))
        self.chain = Chain(Origin(site, gateway, settings.timezone, self.name("epoch", 0)))
        self.sender = Sender(site, gateway, self._state, sink)
        self.time = Timekeeping(self.clock, self.write)
        self.alive = False
        self.is_full = False
        self.mute: dict[str, bool] = {}
        """Devices that give nothing; true: the gateway knows."""
        self._settled_ms = dict.fromkeys(lanes, 0)
        self._missed: dict[str, Missed] = {}
        self._assuming: set[str] = set()
        self._heard: set[int] = set()
        self._last_punch: str | None = None

    def name(self, kind: str, number: int) -> str:
        """Hex digits for a boot or an epoch."""
        return self.settings.digits(kind, self.site, self.gateway, number)

    def run(self, kept: array[int], troubles: Iterator[Act]) -> None:
        """The whole time of the city."""
        streams = (self._crossings(kept), troubles, self._heartbeats())
        for at_ms, _, act in merge(*streams, key=lambda each: each[:2]):
            self._pass_time(at_ms)
            act()
        self._pass_time(self.settings.end_ms)
        self.sender.close()

    # --- life and death

    def start(self) -> None:
        """The process begins; devices that answer are there."""
        self._passage = passage.Passage(
            [plan.rules for plan in self.lanes.values()],
            [device for plan in self.lanes.values() for device in plan.devices()],
            PRIVACY,
        )
        self.alive = True
        self.say("gateway.started", {"version": VERSION, "config": self.settings.digits("config", self.site)})
        self.time = Timekeeping(self.clock, self.write)
        self.time.begin()
        self.write(self._passage.recover(self.chain.open_reads(), self.clock.now()))
        for number, plan in self.lanes.items():
            self._settled_ms[number] = self.clock.true_ms + SETTLE_MS
            for device in plan.devices():
                if not self.mute.get(device.id, False):
                    self.feed(device.id, DeviceChange(kind="up"))

    def die(self) -> None:
        """The process is gone at once."""
        self.alive = False
        self._heard.clear()
        self._assuming.clear()

    def silence(self, number: int, device: str, *, said: bool) -> None:
        """A device gives nothing from now on."""
        self.mute[device] = said
        if said and self.alive:
            self.feed(device, DeviceChange(kind="down", reason="no answer"))

    def restore(self, number: int, device: str) -> None:
        """A device is back."""
        said = self.mute.pop(device)
        self._settled_ms[number] = self.clock.true_ms + SETTLE_MS
        if said and self.alive:
            self.feed(device, DeviceChange(kind="up"))

    def empty(self) -> None:
        """The journal takes readings again, and says what it has not taken."""
        self.is_full = False
        missed, self._missed = self._missed, {}
        moment = self.clock.now()
        for device, it in sorted(missed.items()):
            lost = Lost(
                device=device, cause="quota", count=it.count, since=timestamp(it.from_ms), until=timestamp(it.to_ms)
            )
            self.write([Draft(lost, moment)])
        for number in self.lanes:
            self._settled_ms[number] = self.clock.true_ms + SETTLE_MS

    # --- records

    def say(self, kind: str, details: dict[str, object]) -> None:
        """A record of the gateway itself."""
        self.write([Draft(Notice(kind=kind, details=details), self.clock.now())])

    def write(self, drafts: Sequence[Draft]) -> None:
        """Records, in order, and on their way."""
        for draft in drafts:
            line = self.chain.write(draft)
            self.sender.take(Made(self.clock.true_ms, self.chain.seq, line))
            body = draft.body
            if isinstance(body, Punch):
                self._last_punch = f"{self.site}/{self.gateway}/{self.chain.epoch}/{self.chain.seq}"
            elif isinstance(body, Notice) and body.kind == "device.fault" and body.lane is not None:
                self._assuming.add(body.lane)

    def feed(self, device: str, event: Event) -> bool:
        """What a device says; false: nobody was there to hear it, or to keep it."""
        if not self.alive or (device in self.mute and not isinstance(event, DeviceChange)):
            return False
        if self.is_full and not isinstance(event, DeviceChange):
            now_ms = self.clock.unix_ms()
            missed = self._missed.setdefault(device, Missed(0, now_ms, now_ms))
            missed.count, missed.to_ms = missed.count + 1, now_ms
            return False
        self.write(self._passage.handle(device, event, self.clock.now()))
        return True

    def _pass_time(self, at_ms: int) -> None:
        """Ticks that are due before that moment."""
        while self.alive and not self.is_full and (due := self._passage.deadline()) is not None:
            due_ms = max(self.clock.true_ms, self.clock.booted_ms + floor(due * 1000) + 1)
            if due_ms > at_ms:
                break
            self.clock.true_ms = due_ms
            self.write(self._passage.tick(self.clock.now()))
        self.clock.true_ms = at_ms
        self.sender.release(at_ms)

    def _heartbeats(self) -> Iterator[Act]:
        every_ms = self.settings.heartbeat_s * SECOND
        for at_ms in range(self.settings.begin_ms + every_ms, self.settings.end_ms, every_ms):
            yield at_ms, 2, self._beat

    def _beat(self) -> None:
        if self.alive:
            self.time.look()
            self.sender.say(self.clock.true_ms)
        if self.sender.is_up:
            self.blame.settle()

    def _state(self) -> dict[str, object]:
        words = self.clock.now().words()
        return {
            "epoch": self.chain.epoch,
            "oldest": 1,
            "newest": self.chain.seq,
            "head": self.chain.head,
            "version": VERSION,
            "boot": self.clock.boot,
            "time": timestamp(self.clock.unix_ms()),
            "clock": {name: words[name] for name in ("state", "source", "error_ms")},
            "settle": "receipt",
        }

    # --- people

    def _crossings(self, kept: array[int]) -> Iterator[Act]:
        acts: list[Act] = []
        for number, it in enumerate(walk.crossings(kept)):
            acts += self._acts(number, it)
        return iter(sorted(acts, key=lambda act: act[:2]))

    def _acts(self, number: int, it: Crossing) -> Iterator[Act]:
        plan = self.lanes[it.lane]
        side = "in" if it.is_in else "out"
        read_ms = it.read_ms
        if it.card >= 0 and side in plan.sides:
            card, reader = self._cards[it.card], plan.reader(side)
            if it.habit is Habit.REFUSED_FIRST:
                yield read_ms, 1, lambda: self._present(None, reader, read_of(card, "denied"))
                read_ms += 2 * SECOND
            last = count(read_ms, FRAME_MS)
            for _ in range(3 if it.habit is Habit.HELD else 1):
                yield next(last), 1, lambda: self._present(number, reader, read_of(card))
        if plan.is_sensed and it.is_made and it.habit is not Habit.FIRE_DOOR:
            yield it.pass_ms, 1, lambda: self._go_through(number, plan, it)
        else:
            yield read_ms, 2, lambda: self._judge(number, plan, it, self._is_read(number))

    def _present(self, number: int | None, reader: str, event: CardRead) -> None:
        if self.feed(reader, event) and number is not None:
            self._heard.add(number)

    def _is_read(self, number: int) -> bool:
        is_read = number in self._heard
        self._heard.discard(number)
        return is_read

    def _go_through(self, number: int, plan: LanePlan, it: Crossing) -> None:
        """The sensor's part; then it is known whether the records tell it."""
        is_told = self.feed(plan.arm, Passage(direction="left" if it.is_in else "right"))
        if is_told:
            self._assuming.discard(plan.rules.id)
        self._judge(number, plan, it, self._is_read(number) and (is_told or plan.rules.id in self._assuming))

    def _judge(self, number: int, plan: LanePlan, it: Crossing, is_told: bool) -> None:
        at_ms = self.clock.true_ms
        if not it.is_made:
            if is_told and not plan.is_sensed:
                self.blame.miss(plan, it, at_ms, "walked_away", self._last_punch)
        elif it.habit is Habit.FIRE_DOOR:
            self.blame.miss(plan, it, at_ms, "fire_door")
        elif is_told and at_ms >= self._settled_ms[it.lane]:
            self.blame.see(plan, it, at_ms)
        else:
            self.blame.miss(plan, it, at_ms, self._why(plan, it))

    def _why(self, plan: LanePlan, it: Crossing) -> str:
        if it.habit is Habit.BEHIND:
            return "tailgate"
        if ("in" if it.is_in else "out") not in plan.sides:
            return "one_sided"
        if not self.alive:
            return "gateway_dead"
        if self.is_full:
            return "lost"
        is_silent = self.mute.get(plan.arm) is False
        return "silent_sensor" if is_silent else "device_down"
