"""The troubles of a gateway as they come over its box, in order of time, and what of the truth they make."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from gateway.records import Draft, Lost
from gateway.simulation.city.blame import Blind
from gateway.simulation.city.box import Act, Box
from gateway.simulation.city.layout import LanePlan
from gateway.simulation.city.troubles import Death, Silence, Span, Troubles
from gateway.wire import GENESIS


class Fate:
    """Acts for the timeline of a box."""

    def __init__(self, box: Box, troubles: Troubles) -> None:
        self._box = box
        self._troubles = troubles
        self._cuts = 0
        self._boots = 0
        self._epochs = 0

    def acts(self) -> Iterator[Act]:
        """From the first start to the last trouble, in order."""
        settings, troubles = self._box.settings, self._troubles
        acts: list[Act] = [(settings.begin_ms, 0, self._begin)]

        def span(of: Span, begin: Callable[[], None], end: Callable[[], None]) -> None:
            acts.extend(((of.from_ms, 0, begin), (of.to_ms, 0, end)))

        for outage in troubles.outages:
            span(outage, self._cut, self._mend)
        for outage in troubles.pruned:
            span(outage, self._cut, self._mend_pruned)
        for death in troubles.deaths:
            span(death.span, partial(self._die, death), partial(self._rise, death))
            if death.wrong_ms:
                acts.append((death.span.to_ms + death.wrong_ms, 0, self._set_clock))
        for silence in troubles.silences:
            span(silence.span, partial(self._silence, silence), partial(self._restore, silence))
        for full in troubles.full:
            span(full, self._fill, partial(self._empty, full))
        for holdover in troubles.holdovers:
            span(holdover, self._hold, self._set_clock)
        self._note_one_sided()
        return iter(sorted(acts, key=lambda act: act[:2]))

    def _begin(self) -> None:
        self._box.start()
        self._connect()

    # --- the network

    def _cut(self) -> None:
        if self._box.sender.is_up:
            self._box.blame.settle()
        self._cuts += 1
        self._box.sender.cut(self._box.clock.true_ms)

    def _mend(self) -> None:
        self._cuts -= 1
        self._connect()

    def _mend_pruned(self) -> None:
        self._prune()
        self._mend()

    def _connect(self) -> None:
        if not self._cuts and self._box.alive and not self._box.sender.is_up:
            self._box.sender.connect(self._box.clock.true_ms)
            self._box.blame.settle()

    def _prune(self) -> None:
        """The older half of what waits is gone, and that is said."""
        waiting = self._box.sender.waiting
        gone = len(waiting) // 2
        while 0 < gone < len(waiting) and waiting[gone].at_ms == waiting[gone - 1].at_ms:
            gone += 1
        if not gone or not self._box.alive:
            return
        lost, self._box.sender.waiting = waiting[:gone], waiting[gone:]
        self._lose(lost[0].at_ms, lost[-1].at_ms)
        first, last = lost[0].seq, lost[-1].seq
        body = Lost(cause="pruned", epoch=self._box.chain.epoch, first=first, last=last, count=gone)
        self._box.write([Draft(body, self._box.clock.now())])

    # --- the box

    def _die(self, death: Death) -> None:
        box = self._box
        box.sender.cut(box.clock.true_ms)
        box.die()
        if death.loses == "damage" and box.sender.waiting:
            self._lose(box.sender.waiting[0].at_ms, box.clock.true_ms)
        self._blind(None, None, death.span, "gateway_dead")

    def _rise(self, death: Death) -> None:
        box = self._box
        if death.is_power_cut:
            self._boots += 1
            box.clock.start(box.name("boot", self._boots))
        if death.clock == "unset":
            box.clock.set("unset", -box.clock.booted_ms)
        elif death.clock == "restored":
            box.clock.set("restored", death.skew_ms)
        if death.wrong_ms:
            wrong = Span(death.span.to_ms, death.span.to_ms + death.wrong_ms)
            self._blind(None, None, wrong, f"clock_{death.clock}")
        if death.loses == "damage":
            self._renew()
        box.start()
        self._connect()

    def _renew(self) -> None:
        """A new journal, whose first record tells what of the old one is lost."""
        box, self._epochs = self._box, self._epochs + 1
        old, waiting = (box.chain.epoch, box.chain.seq, box.chain.head), box.sender.waiting
        box.sender.waiting = []
        box.chain.renew(box.name("epoch", self._epochs))
        first = waiting[0].seq if waiting else None
        body = Lost(
            cause="damage",
            epoch=old[0],
            first=first,
            last=waiting[-1].seq if waiting else None,
            count=len(waiting),
            previous={"epoch": old[0], "seq": old[1], "hash": old[2] if old[1] else GENESIS},
        )
        box.write([Draft(body, box.clock.now())])

    def _set_clock(self) -> None:
        self._box.clock.set("synced", 0)
        if self._box.alive:
            self._box.time.look()

    def _hold(self) -> None:
        self._box.clock.set("holdover", 0)

    # --- devices and disk

    def _silence(self, silence: Silence) -> None:
        self._box.silence(silence.lane, silence.device, said=silence.said)
        why = "device_down" if silence.said else "silent_sensor"
        self._blind(self._box.lanes[silence.lane], silence.device, silence.span, why)

    def _restore(self, silence: Silence) -> None:
        self._box.restore(silence.lane, silence.device)

    def _fill(self) -> None:
        self._box.is_full = True

    def _empty(self, full: Span) -> None:
        self._box.empty()
        self._blind(None, None, full, "lost")

    # --- the truth

    def _lose(self, from_ms: int, to_ms: int) -> None:
        self._box.blame.lose(from_ms, to_ms)
        self._blind(None, None, Span(from_ms, to_ms + 1), "lost")

    def _blind(self, plan: LanePlan | None, device: str | None, span: Span, why: str) -> None:
        lane = None if plan is None else plan.rules.id
        blind = Blind(self._box.site, self._box.gateway, lane, device, span.from_ms, span.to_ms, why)
        self._box.blame.blind.append(blind)

    def _note_one_sided(self) -> None:
        settings = self._box.settings
        for plan in self._box.lanes.values():
            for side in {"in", "out"} - set(plan.sides):
                self._blind(plan, plan.reader(side), Span(settings.begin_ms, settings.end_ms), "one_sided")
