"""Pair the facts of one lane anew, with other parameters: what would the punches be with a longer window, say.

The gateway's punches are its conclusions and stay what they are; `credential.read` and `passage.sensed` are the facts
they rest on, so the centre can conclude again. Rules and words are those of the page about pairing, for lanes whose
devices speak by themselves: time is CLOCK_BOOTTIME of one boot (`tick_ms`), never the wall clock, and nothing is
paired across boots. Left to the gateway: sensors that are asked, sensors that fall silent, alarms, runs of repeats.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from traceability.presence.facts import Punch, order
from traceability.presence.moments import Span
from traceability.presence.readings import Passing, Reading, Rules

MAX_SINGLE_PASSES = 32
"""As many people of one pass are judged one by one, as at the gateway; the rest as one."""


@dataclass(frozen=True, slots=True)
class _Trace:
    """A read that still explains a pass in that direction, up to `until_ms`."""

    read: Reading
    direction: str
    until_ms: float

    def bears_on(self, sensed: Passing) -> bool:
        return sensed.tick_ms <= self.until_ms and _fits(self.direction, sensed.direction)


def pair(
    facts: Iterable[Reading | Passing],
    rules: Rules,
    blind: Sequence[tuple[str, Span]] = (),
    until_ms: Mapping[str, float] | None = None,
) -> list[Punch]:
    """The punches of one lane; ids are those of reads or passes with `paired` and a number before the last part.

    `blind`: when a sensor was down, as ticks of a life; `until_ms`: up to which tick of it all is known, or its last
    fact: a window that ends later is ambiguous.
    """
    ordered = sorted(facts, key=lambda each: (each.life, each.tick_ms, order(0, each.id)))
    punches: list[Punch] = []
    for life, of_life in groupby(ordered, key=lambda each: each.life):
        lane = _Lane(rules, [span for name, span in blind if name == life])
        for each in of_life:
            lane.hear(each)
        lane.finish((until_ms or {}).get(life))
        punches += lane.punches
    return punches


@dataclass(slots=True)
class _Lane:
    rules: Rules
    blind: Sequence[Span]
    punches: list[Punch] = field(default_factory=list)
    reads: deque[Reading] = field(default_factory=deque)
    burst: list[Reading] = field(default_factory=list)
    waiting: deque[Passing] = field(default_factory=deque)
    completed: _Trace | None = None
    denied: list[_Trace] = field(default_factory=list)
    unclear: list[_Trace] = field(default_factory=list)
    named: dict[str, int] = field(default_factory=dict)

    def hear(self, fact: Reading | Passing) -> None:
        self._elapse(fact.tick_ms)
        if isinstance(fact, Reading):
            self._read(fact)
        else:
            singles = min(fact.count, MAX_SINGLE_PASSES)
            for number in range(singles):
                self._pass(replace(fact, count=1 if number < singles - 1 else fact.count - singles + 1))

    def finish(self, until_ms: float | None) -> None:
        """The end of the life, or of what is known of it: what is open stays unknown."""
        if until_ms is not None:
            self._elapse(until_ms)
        while self.waiting:
            self._overdue(self.waiting.popleft())
        while self.reads:
            self._leave_ambiguous()

    # --- reads

    def _read(self, read: Reading) -> None:
        if not self.rules.has_sensor:
            self._of_read(read, "denied" if read.denied else "assumed", "confirmed" if read.denied else "assumed")
        elif read.denied:
            self._deny(read)
        elif not read.live:
            self._of_read(read, "ambiguous", "ambiguous", [read])
            self.unclear.append(self._trace(read))
        else:
            self._join(read)
            waited = next((sensed for sensed in self.waiting if _fits(read.side, sensed.direction)), None)
            if waited is not None:
                self.waiting.remove(waited)
                self._complete(read, waited)

    def _deny(self, read: Reading) -> None:
        self._of_read(read, "denied", "confirmed")
        if not read.live:
            return
        self.denied.append(self._trace(read))
        waited = next((sensed for sensed in self.waiting if _fits(read.side, sensed.direction)), None)
        if waited is not None:
            self.waiting.remove(waited)
            self._force(waited)

    def _join(self, read: Reading) -> None:
        self.reads.append(read)
        self.burst.append(read)

    def _settle(self, read: Reading) -> None:
        """A burst ends when no read is open."""
        self.reads.remove(read)
        if not self.reads:
            self.burst.clear()

    # --- passes

    def _pass(self, sensed: Passing) -> None:
        if not self.rules.has_sensor:
            return
        fitting = [read for read in self.reads if _fits(read.side, sensed.direction)]
        if not sensed.live:
            candidates = [*self._doubts(sensed), *fitting]
            if candidates:
                self._question(sensed, candidates)
            else:
                self._unread(sensed, "ambiguous")
        elif fitting:
            self._complete(fitting[0], sensed)
        elif self.reads:
            self._of_pass(sensed, "wrong_way", "confirmed", self.reads[0])
        elif self._denials(sensed):
            self._force(sensed)
        elif self.completed is not None and self.completed.bears_on(sensed):
            self._tailgate(sensed, self.completed)
        else:
            self.waiting.append(sensed)

    def _complete(self, read: Reading, sensed: Passing) -> None:
        earlier = self._doubts(sensed)
        alone = len(self.burst) == 1 and not earlier
        self._settle(read)
        direction = _heading(sensed.direction, read.side)
        confidence = "confirmed" if alone and self._is_watched(read) else "assumed"
        self._punch(read, sensed, "completed", confidence, direction)
        self.completed = _Trace(read, direction, sensed.tick_ms + self.rules.pass_timeout_ms)
        self.denied = [trace for trace in self.denied if not _fits(trace.direction, sensed.direction)]

    def _force(self, sensed: Passing) -> None:
        """A denied read explains one pass and no more."""
        denials = self._denials(sensed)
        self.denied.remove(denials[0])
        self._of_pass(sensed, "forced", "confirmed" if len(denials) == 1 else "assumed", denials[0].read)

    def _tailgate(self, sensed: Passing, trace: _Trace) -> None:
        if self.rules.controlled:
            direction = _heading(sensed.direction, trace.direction)
            self._punch(trace.read, sensed, "tailgate", "confirmed", direction)
        else:
            self._of_pass(sensed, "anonymous", "confirmed", None)

    def _overdue(self, sensed: Passing) -> None:
        """No read came for it."""
        doubts = self._doubts(sensed)
        if self.completed is not None and self.completed.bears_on(sensed):
            self._tailgate(sensed, self.completed)
        elif doubts:
            self._question(sensed, doubts)
        else:
            self._unread(sensed, "confirmed")

    def _unread(self, sensed: Passing, confidence: str) -> None:
        self._of_pass(sensed, "forced" if self.rules.controlled else "anonymous", confidence, None)

    def _question(self, sensed: Passing, candidates: Sequence[Reading]) -> None:
        self._punch(None, sensed, "ambiguous", "ambiguous", sensed.direction, candidates)

    # --- time

    def _elapse(self, now_ms: float) -> None:
        """Judge what ended before this moment, in the order in which it ended."""
        while True:
            waiting_ms = self.waiting[0].tick_ms + self.rules.reorder_ms if self.waiting else now_ms
            window_ms = self.reads[0].tick_ms + self.rules.pass_timeout_ms if self.reads else now_ms
            if min(waiting_ms, window_ms) >= now_ms:
                return
            if waiting_ms <= window_ms:
                self._overdue(self.waiting.popleft())
            else:
                self._window()

    def _window(self) -> None:
        """Nobody passed in the window of the oldest open read."""
        read = self.reads[0]
        if len(self.burst) == 1 and self._is_watched(read):
            self._settle(read)
            self._of_read(read, "not_taken", "confirmed")
        else:
            self._leave_ambiguous()

    def _leave_ambiguous(self) -> None:
        read = self.reads[0]
        candidates = list(self.burst)
        self._settle(read)
        self._of_read(read, "ambiguous", "ambiguous", candidates)

    # --- what several share

    def _is_watched(self, read: Reading) -> bool:
        window = Span(int(read.tick_ms), int(read.tick_ms + self.rules.pass_timeout_ms))
        return not any(span.meets(window) for span in self.blind)

    def _trace(self, read: Reading) -> _Trace:
        return _Trace(read, read.side, read.tick_ms + self.rules.pass_timeout_ms)

    def _denials(self, sensed: Passing) -> list[_Trace]:
        return [trace for trace in self.denied if trace.bears_on(sensed)]

    def _doubts(self, sensed: Passing) -> list[Reading]:
        return [trace.read for trace in self.unclear if trace.bears_on(sensed)]

    def _of_read(self, read: Reading, outcome: str, confidence: str, candidates: Sequence[Reading] = ()) -> None:
        self._punch(read, None, outcome, confidence, _heading("unknown", read.side), candidates)

    def _of_pass(self, sensed: Passing, outcome: str, confidence: str, linked: Reading | None) -> None:
        direction = _heading(sensed.direction, "unknown" if linked is None else linked.side)
        self._punch(linked, sensed, outcome, confidence, direction)

    def _punch(
        self,
        read: Reading | None,
        sensed: Passing | None,
        outcome: str,
        confidence: str,
        direction: str,
        candidates: Sequence[Reading] = (),
    ) -> None:
        """Dated by the pass, else by the read; it names the read's owner if it is about him."""
        named = read if sensed is None or outcome == "completed" else None
        fact = sensed or read
        assert fact is not None
        origin = named or fact
        ends = {"in": (self.rules.from_zone, self.rules.to_zone), "out": (self.rules.to_zone, self.rules.from_zone)}
        from_zone, to_zone = ends.get(direction, (None, None))
        refs = [each.id for each in (read, sensed, *candidates) if each is not None]
        self.punches.append(
            Punch(
                id=self._name(origin),
                known_ms=max(each.known_ms for each in (read, sensed) if each is not None),
                when=fact.when,
                site=fact.site,
                portal=fact.portal,
                lane=fact.lane,
                direction=direction,
                from_zone=from_zone,
                to_zone=to_zone,
                kind="anonymous" if named is None else named.kind,
                token=None if named is None else named.token,
                outcome=outcome,
                confidence=confidence,
                count=origin.count,
                device=origin.device if read is None else read.device,
                refs=tuple(dict.fromkeys(refs)),
            )
        )

    def _name(self, origin: Reading | Passing) -> str:
        """One punch for a read, as many as there were people for a pass."""
        stream, _, seq = origin.id.rpartition("/")
        number = self.named.get(origin.id, 0) + 1
        self.named[origin.id] = number
        return f"{stream}/paired/{number}/{seq}"


def _fits(side: str, direction: str) -> bool:
    """What is not known rules nothing out."""
    return side == direction or side in {"both", "unknown"} or direction in {"both", "unknown"}


def _heading(sensed: str, side: str) -> str:
    """The sensor's word, else the side on which the reader stands, else unknown."""
    if sensed != "unknown":
        return sensed
    return side if side in {"in", "out"} else "unknown"
