"""The rule by which the steps of one subject become stays: local, so that a late fact changes only what it touches.

A step is a fact about one subject: it moves (`from_zone` to `to_zone`) or was only seen. Between two neighbouring
moves there is one gap, and what is in it follows from the two, from what was seen between them, and from the move
before, and from nothing else:

    before.to_zone = after.from_zone      one stay, from the one to the other
    otherwise, unless it is outside       a stay in before.to_zone that ends nobody knows when (`no_exit`), between
                                          the last time seen there and the move after
                                          a stay in after.from_zone that began nobody knows when (`no_entry`)
    no move after                         an open stay; it ages, and nothing but a move closes it

Where both zones of a broken gap are in one site, the subject did not leave the site for all that is known: the former
stay is likely to have gone on until the move after. Else it is vouched for until it was last seen, and no longer.

A punch that is `ambiguous` moves nobody, yet may have been a movement: it makes a stay that is possible, not likely.
So does being seen in a zone to which no movement led, and a movement that may have come behind the next one: it may
still be where the earlier one led.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

from traceability.presence.facts import OUTSIDE, Order, order, stream_of
from traceability.presence.moments import FUTURE, HOUR_MS, Level, Span, When
from traceability.presence.travel import Travel

Flag = Literal["no_exit", "no_entry", "assumed", "ambiguous", "corrected", "impossible"]
How = Literal["passed", "assumed", "operator", "unknown"]
Role = Literal["moved", "maybe", "seen", "void"]

AGED_MS = 16 * HOUR_MS
"""How long an open stay is likely to go on behind the last time its subject was seen."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fact about one subject. `maybe`: an ambiguous punch; `void`: declared wrong, kept for the flag it leaves.

    What was only seen stood in `from_zone`, None where that is not known.
    """

    id: str
    when: When
    subject: str
    site: str
    from_zone: str | None
    to_zone: str | None
    role: Role = "moved"
    how: How = "passed"
    lane: str | None = None
    portal: str | None = None
    count: int = 1
    outcome: str | None = None
    order: Order = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", order(self.when.best_ms, self.id))


@dataclass(frozen=True, slots=True)
class End:
    """One end of a stay: when, how it is known, by which records, and the zone on the other side (None: unknown)."""

    when: When
    how: How
    ids: tuple[str, ...]
    zone: str | None = None
    lane: str | None = None


@dataclass(frozen=True, slots=True)
class Stay:
    """A subject in a zone. `end` None: open. `seen`: the last time it was seen there; flags are sorted."""

    subject: str
    site: str
    zone: str
    start: End
    end: End | None
    seen: When
    flags: tuple[Flag, ...] = ()
    count: int = 1

    @property
    def id(self) -> str:
        """Unique among the stays of a subject, the same whenever derived from the same records."""
        known = "+".join(self.start.ids) or "-" + "+".join(() if self.end is None else self.end.ids)
        return f"{self.zone}@{known}"

    def extent(self, level: Level, aged_ms: int = AGED_MS) -> Span:
        """The time it covers. An open one is sure until last seen, likely until `aged_ms` after that."""
        return Span(*self.reach(level, aged_ms))

    def reach(self, level: Level, aged_ms: int = AGED_MS) -> tuple[int, int]:
        """`extent` as two numbers, for who asks it of thousands."""
        start, end = self.start.when, self.end
        if level == "possible":
            return start.first_ms, FUTURE if end is None else end.when.last_ms
        if level == "likely":
            until_ms = self.seen.best_ms + aged_ms if end is None else end.when.best_ms
            return start.best_ms, until_ms if self.is_likely else start.best_ms
        begin_ms = start.last_ms
        until_ms = self.seen.first_ms if end is None else end.when.first_ms
        return begin_ms, max(begin_ms, until_ms) if self.is_likely else begin_ms

    @property
    def is_likely(self) -> bool:
        """Whether it rests on a movement; else on an ambiguous punch alone."""
        return self.start.how != "unknown" or (self.end is not None and self.end.how != "unknown")


def stays_between(
    prior: Step | None, before: Step | None, between: Sequence[Step], after: Step | None, travel: Travel
) -> Iterator[Stay]:
    """The stays of one gap. `prior`: the move before `before`; `between`: what does not move, in order."""
    gap = _Gap(prior, before, between, after, travel)
    fits = before is not None and after is not None and _fits(before, after)
    if before is not None and _inside(before.to_zone):
        yield gap.former(before, fits)
    if after is not None and _inside(after.from_zone) and not fits:
        yield gap.unentered(after)
    yield from gap.possible()


def _inside(zone: str | None) -> bool:
    return zone is not None and zone != OUTSIDE


def _fits(before: Step, after: Step) -> bool:
    """Whether the second move begins where the first one ended."""
    if after.from_zone is None:
        return True
    here, there = before.to_zone, after.from_zone
    return here == there and (here == OUTSIDE or before.site == after.site)


@dataclass(frozen=True, slots=True)
class _Gap:
    prior: Step | None
    before: Step | None
    between: Sequence[Step]
    after: Step | None
    travel: Travel

    def former(self, before: Step, fits: bool) -> Stay:
        """The stay that began with the move before."""
        assert before.to_zone is not None
        seen, elsewhere = self._seen(before)
        flags = set(_moved_flags(before))
        end: End | None = None
        if self.after is not None and fits:
            end = _end(self.after, self.after.to_zone)
            flags |= _moved_flags(self.after)
            seen = self.after.when
        elif self.after is not None:
            end = self._lost(before, self.after, seen, elsewhere)
            flags.add("no_exit")
        elif elsewhere is not None or self._maybes(before.site, before.to_zone, leaving=True):
            flags.add("ambiguous")
        start = _end(before, before.from_zone)
        return Stay(before.subject, before.site, before.to_zone, start, end, seen, self._flags(flags), before.count)

    def unentered(self, after: Step) -> Stay:
        """The stay that the move after ended, though nothing began it."""
        assert after.from_zone is not None
        entries = self._maybes(after.site, after.from_zone, leaving=False)
        start = End(self._unseen_start(after), "unknown", tuple(step.id for step in entries))
        flags: set[Flag] = {"no_entry", *_moved_flags(after)} | ({"ambiguous"} if entries else set())
        end = _end(after, after.to_zone)
        return Stay(
            after.subject, after.site, after.from_zone, start, end, after.when, self._flags(flags), after.count
        )

    def possible(self) -> Iterator[Stay]:
        """Stays no movement tells of: where it was seen though nothing led there, or an ambiguous punch led."""
        told = {(step.site, zone) for step, zone in ((self.before, self._here), (self.after, self._left)) if step}
        for number, step in enumerate(self.between):
            if step.role == "void":
                continue
            zones = [(step.from_zone, self._since(number, step)), (step.to_zone, step.when)]
            for zone, when in zones:
                if zone is not None and zone != OUTSIDE and (step.site, zone) not in told:
                    told.add((step.site, zone))
                    yield self._unlikely(step, zone, when)
        yield from self._swapped()

    def _swapped(self) -> Iterator[Stay]:
        """Where it is if the move before this gap was made before the one before that."""
        prior, before = self.prior, self.before
        if prior is None or before is None or not _order_in_doubt(prior, before) or not _inside(prior.to_zone):
            return
        assert prior.to_zone is not None
        if (prior.site, prior.to_zone) != (before.site, before.to_zone):
            start = End(prior.when, "unknown", (prior.id, before.id), None, prior.lane)
            yield Stay(
                prior.subject,
                prior.site,
                prior.to_zone,
                start,
                self._until(prior),
                prior.when,
                ("ambiguous",),
                prior.count,
            )

    def _until(self, step: Step) -> End | None:
        """Nobody knows when, before the move after."""
        return None if self.after is None else End(step.when.until(self.after.when), "unknown", (self.after.id,))

    def _unlikely(self, step: Step, zone: str, when: When) -> Stay:
        start = End(when, "unknown", (step.id,), None, step.lane)
        end = self._until(step)
        flags: set[Flag] = {"ambiguous"} if zone == step.to_zone else {"ambiguous", "no_entry"}
        return Stay(step.subject, step.site, zone, start, end, step.when, self._flags(flags), step.count)

    def _since(self, number: int, step: Step) -> When:
        """Some time before it was seen there, behind the last sign of it."""
        signs = [sign for sign in (self.before, *self.between[:number]) if sign is not None and sign.role != "void"]
        return replace(step.when, earliest_ms=None) if not signs else step.when.since(signs[-1].when)

    @property
    def _here(self) -> str | None:
        return None if self.before is None else self.before.to_zone

    @property
    def _left(self) -> str | None:
        return None if self.after is None else self.after.from_zone

    def _seen(self, before: Step) -> tuple[When, Step | None]:
        """The last time it was seen where the move before led, and the first time it was seen elsewhere."""
        seen = before.when
        for step in self.between:
            if step.role == "void":
                continue
            if step.site != before.site or step.from_zone not in {None, before.to_zone}:
                return seen, step
            seen = step.when
        return seen, None

    def _unseen_start(self, after: Step) -> When:
        """Between the last time it was seen elsewhere and the first time it was seen where the move after began."""
        first, elsewhere = after.when, self.before
        for step in reversed(self.between):
            if step.role == "void" or (step.site == after.site and step.from_zone is None):
                continue
            if (step.site, step.from_zone) != (after.site, after.from_zone):
                elsewhere = step
                break
            first = step.when
        return replace(first, earliest_ms=None) if elsewhere is None else first.since(elsewhere.when)

    def _lost(self, before: Step, after: Step, seen: When, elsewhere: Step | None) -> End:
        """The end of a stay that nobody saw end."""
        first = elsewhere or after
        if after.site == before.site and _inside(after.from_zone) and elsewhere is None:
            return End(after.when.since(seen), "unknown", (after.id,), None, after.lane)
        return End(seen.until(first.when), "unknown", (first.id,), None, first.lane)

    def _maybes(self, site: str, zone: str, *, leaving: bool) -> list[Step]:
        """Ambiguous punches that may have led out of a zone of a site, or into it."""
        maybes = [step for step in self.between if step.role == "maybe" and step.site == site]
        return [step for step in maybes if (step.from_zone if leaving else step.to_zone) == zone]

    def _flags(self, flags: set[Flag]) -> tuple[Flag, ...]:
        moves = [step for step in (self.prior, self.before, self.after) if step is not None]
        for first, second in pairwise(moves):
            if self.travel.contradicts(first, second):
                flags.add("impossible")
            if _order_in_doubt(first, second):
                flags.add("ambiguous")
        if any(step.role == "void" for step in self.between):
            flags.add("corrected")
        return tuple(sorted(flags))


def _end(step: Step, zone: str | None) -> End:
    return End(step.when, step.how, (step.id,), zone, step.lane)


def _moved_flags(step: Step) -> set[Flag]:
    flags: dict[How, Flag] = {"assumed": "assumed", "operator": "corrected"}
    return {flags[step.how]} if step.how in flags else set()


def _order_in_doubt(first: Step, second: Step) -> bool:
    """Whether the second may have been before the first; records of one journal are in order."""
    return second.when.first_ms < first.when.last_ms and stream_of(first.id) != stream_of(second.id)
