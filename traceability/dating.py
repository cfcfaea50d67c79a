"""When a record really happened, as far as anybody can know: from its own clock, from an anchor, or from the order.

Each record carries the wall clock and CLOCK_BOOTTIME of its moment. Wall minus boot time, the *offset*, changes only
where somebody sets the wall clock; an anchor says it aloud, with how good the clock was. So a good anchor dates every
record of its boot, however wrong the wall clock was and whichever of the two comes first:

    record   1970-01-01T00:10:07  unset         boot_ns   41 s  ─┐
    anchor   2026-11-23T08:00:00  synced        boot_ns  310 s   ├─>  2026-11-23T07:55:31 ± 0.6 s, by this anchor
    record   2026-11-23T08:00:05  synced        boot_ns  315 s  ─┘    its own clock was good

Nothing is rewritten: all is derived from what has arrived, and derived anew when more arrives. In order of belief:

1. a record whose clock was `synced`: its own clock (`clock`);
2. the nearest `synced` anchor of the same boot (`anchor`). A record in `holdover` that agrees with it keeps its time;
3. the clock somebody set last in this boot (`anchor`), or the record's own if that is it (`clock`): how good it is
   nobody knows, so there is no bound of the error;
4. only the order (`order`): between the last certain moment of the boots before and the first one of those behind.

Bounds. An anchor's own error as the kernel states it; 100 ppm of what lies between (DRIFT_PPM: what a crystal of a
small box may be off by over its temperatures; NTP's own assumption, RFC 5905's PHI, is 15); UNSEEN_MS once, because a
correction below half a second is no step to a gateway and may have been slewed in; and what the record itself says it
had been waiting, which makes it earlier, never later. Two `synced` clocks of one boot that contradict each other
cannot both be right about the moment between: the interval then spans both. CLOCK_BOOTTIME is believed: a virtual
machine that was paused breaks that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from traceability.anchors import NS_PER_MS, STEP_MS, Anchor, Boot, Reading, boots_of, drift_ms

Basis = Literal["clock", "anchor", "order"]


@dataclass(frozen=True, slots=True)
class Dated:
    """The answer; times in unix ms. None: not known, an end of the interval that is open.

    `quality` is the state of the clock that is relied upon, `by` the anchor; for the order alone, and where the error
    has no bound, `between` names the anchors of other boots that make the interval.
    """

    time_ms: int | None
    error_ms: int | None
    earliest_ms: int | None
    latest_ms: int | None
    basis: Basis
    quality: str | None = None
    by: str | None = None
    between: tuple[str | None, str | None] | None = None


class Chronicle:
    """All boots of one gateway, as its anchors tell them; `last_ns` is the last known moment of each boot."""

    def __init__(self, anchors: Iterable[Anchor], last_ns: Mapping[str, int]) -> None:
        self._boots = boots_of(anchors, last_ns)

    def date(self, reading: Reading) -> Dated:
        """When it happened, and how that is known."""
        boot = self._boots.get(reading.boot, Boot([], 0))
        dated, since_ms = _by_clocks(reading, boot), self._since_ms(reading)
        if dated.error_ms is not None:
            return _not_before(dated, since_ms)
        return _within_order(dated, _not_before(_by_order(reading, boot), since_ms))

    def _since_ms(self, reading: Reading) -> int | None:
        """The time before which it cannot have been, by a moment of an earlier boot that it names."""
        if reading.since is None or reading.since[0] not in self._boots:
            return None
        return self._boots[reading.since[0]].earliest(reading.since[1])


# --- by a clock


def _by_clocks(reading: Reading, boot: Boot) -> Dated:
    """By the best clock there is; without any the basis is `order`."""
    witnesses = boot.nearest(reading.boot_ns)
    if reading.state == "synced":
        return _spread(_own(reading, reading.error_ms), reading, witnesses)
    if witnesses:
        return _spread(_by_synced(reading, witnesses[0]), reading, witnesses)
    set_later = boot.last_set(reading)
    if set_later is not None and (reading.state == "unset" or not _agree(reading, set_later)):
        return _by_anchor(reading, set_later, None)
    if reading.state in {"restored", "holdover"}:
        return _own(reading, None)  # after somebody set it the kernel still claims 16 s for a clock in holdover
    return Dated(None, None, None, None, "order")


def _by_synced(reading: Reading, anchor: Anchor) -> Dated:
    error_ms = anchor.error_at(reading.boot_ns)
    if reading.state == "holdover" and _agree(reading, anchor):
        return _own(reading, None if error_ms is None else _held(reading, error_ms))
    return _by_anchor(reading, anchor, error_ms)


def _held(reading: Reading, error_ms: int) -> int:
    """The error of a clock in holdover that an anchor, within `error_ms`, bears out."""
    waited_ms = reading.waited_ms or 0
    return max(error_ms + reading.device_error_ms, (reading.error_ms or 0) - waited_ms) + waited_ms


def _own(reading: Reading, error_ms: int | None) -> Dated:
    """By its own clock; `error_ms` includes what it had waited."""
    time_ms = reading.time_ms
    if error_ms is None:
        return Dated(time_ms, None, None, None, "clock", reading.state)
    after_ms = max(0, error_ms - (reading.waited_ms or 0))
    return Dated(time_ms, error_ms, time_ms - error_ms, time_ms + after_ms, "clock", reading.state)


def _by_anchor(reading: Reading, anchor: Anchor, error_ms: int | None) -> Dated:
    time_ms = anchor.at(reading.boot_ns)
    if error_ms is None:
        return Dated(time_ms, None, None, None, "anchor", anchor.state, anchor.id)
    before_ms, after_ms = error_ms + reading.earlier_ms, error_ms + reading.later_ms
    first_ms, last_ms = time_ms - before_ms, time_ms + after_ms
    return Dated(time_ms, max(before_ms, after_ms), first_ms, last_ms, "anchor", anchor.state, anchor.id)


def _spread(dated: Dated, reading: Reading, witnesses: Sequence[Anchor]) -> Dated:
    """Widen the interval to what a contradicting `synced` clock of the same boot says."""
    if dated.time_ms is None or dated.earliest_ms is None or dated.latest_ms is None:
        return dated
    earliest, latest = dated.earliest_ms, dated.latest_ms
    for anchor in witnesses:
        error_ms, time_ms = anchor.error_at(reading.boot_ns), anchor.at(reading.boot_ns)
        if error_ms is None:
            continue
        first_ms, last_ms = time_ms - error_ms - reading.earlier_ms, time_ms + error_ms + reading.later_ms
        if last_ms < dated.earliest_ms or dated.latest_ms < first_ms:
            earliest, latest = min(earliest, first_ms), max(latest, last_ms)
    error_ms = max(dated.time_ms - earliest, latest - dated.time_ms)
    if (error_ms, earliest, latest) == (dated.error_ms, dated.earliest_ms, dated.latest_ms):
        return dated
    return replace(dated, error_ms=error_ms, earliest_ms=earliest, latest_ms=latest)


def _agree(reading: Reading, anchor: Anchor) -> bool:
    return abs(reading.offset_ms - anchor.offset_ms) <= STEP_MS


def _not_before(dated: Dated, since_ms: int | None) -> Dated:
    """Narrow an interval that a long wait has made wide; one that lies before that altogether is left alone."""
    low, high = dated.earliest_ms, dated.latest_ms
    if since_ms is None or (low is not None and since_ms <= low) or (high is not None and high < since_ms):
        return dated
    if dated.time_ms is None or high is None:
        return replace(dated, earliest_ms=since_ms)
    error_ms = max(dated.time_ms - since_ms, high - dated.time_ms)
    return replace(dated, error_ms=error_ms, earliest_ms=since_ms)


# --- by the order


def _by_order(reading: Reading, boot: Boot) -> Dated:
    """The boots of a gateway follow each other, so this one began after the last moment of those before.

    Within a boot CLOCK_BOOTTIME tells how long after its beginning, and how long before its end.
    """
    earliest = latest = None
    if boot.after is not None:
        since_ms = reading.boot_ns // NS_PER_MS - drift_ms(reading.boot_ns)
        earliest = boot.after.time_ms + since_ms - reading.earlier_ms
    if boot.before is not None:
        left_ns = max(0, boot.last_ns - reading.boot_ns)
        latest = boot.before.time_ms - left_ns // NS_PER_MS + drift_ms(left_ns) + reading.later_ms
    between = (boot.after.by if boot.after else None, boot.before.by if boot.before else None)
    return Dated(None, None, earliest, latest, "order", between=between)


def _within_order(dated: Dated, order: Dated) -> Dated:
    """A time nobody vouches for, with the interval of the order; a time which that disproves is not told."""
    time_ms, earliest, latest = dated.time_ms, order.earliest_ms, order.latest_ms
    if time_ms is None or (earliest is not None and time_ms < earliest) or (latest is not None and latest < time_ms):
        return order
    return replace(dated, earliest_ms=earliest, latest_ms=latest, between=order.between)
