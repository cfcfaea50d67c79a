"""Stays by zone and day: a question about an hour does not walk through a year. As tables do it, in memory."""

from __future__ import annotations

from collections.abc import Iterator

from traceability.presence.moments import DAY_MS, Span
from traceability.presence.stays import Stay
from traceability.presence.timeline import Delta

MAX_DAYS = 4
"""A stay that may be longer than this, as an open one, is kept apart and looked at every time."""

Zone = tuple[str, str]


class Index:
    """The stays of everybody, kept current by deltas."""

    def __init__(self) -> None:
        self._zones: dict[Zone, dict[int | None, set[Stay]]] = {}

    def apply(self, delta: Delta) -> None:
        """Take the stays out that are gone, and put those in that are new."""
        for stay in delta.gone:
            for day in _days(stay):
                self._zones[stay.site, stay.zone][day].discard(stay)
        for stay in delta.new:
            days = self._zones.setdefault((stay.site, stay.zone), {})
            for day in _days(stay):
                days.setdefault(day, set()).add(stay)

    def zones_of(self, site: str) -> list[Zone]:
        """The zones of a site in which anybody ever was."""
        return sorted(zone for zone in self._zones if zone[0] == site)

    def during(self, zone: Zone, window: Span) -> Iterator[Stay]:
        """Stays in a zone that may have been in a window, each once, in no order."""
        days = self._zones.get(zone, {})
        first, last = _day(window.begin_ms), _day(max(window.begin_ms, window.end_ms - 1))
        wanted = range(first, last + 1) if last - first < len(days) else [day for day in days if day is not None]
        found = set(days.get(None, ())).union(*(days.get(day, ()) for day in wanted))
        yield from (stay for stay in found if stay.extent("possible").meets(window))


def _days(stay: Stay) -> list[int | None]:
    span = stay.extent("possible")
    first, last = _day(span.begin_ms), _day(span.end_ms)
    return [None] if last - first >= MAX_DAYS else list(range(first, last + 1))


def _day(at_ms: int) -> int:
    return at_ms // DAY_MS
