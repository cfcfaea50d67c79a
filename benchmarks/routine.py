"""Rows of one week again in later weeks: people have routines, and encoding ten million stays one by one takes long.

A row as the encoder made it is read once as what grows from week to week: moments by a week, numbers of records by
how many its gateway makes in one. Wherever such a number stands in text, in names and in bodies, it grows too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traceability.presence.moments import DAY_MS
from traceability.whereabouts.rows import Row

WEEK_MS = 7 * DAY_MS
MOMENTS = frozenset({"known_from", "known_to", "best_ms", "earliest_ms", "latest_ms", "first_ms", "last_ms", "at_ms"})
NUMBERS = frozenset({"seq", "newest"})
LATEST_MS = 10**13
"""Behind it are moments that stand for never."""

_GROWING = re.compile(r'(?P<ms>(?<![\d-])\d{13}(?!\d))|/(?P<gateway>edge-\d+)/(?P<epoch>[0-9a-f]{16})/(?P<seq>\d+)'
                      r'|"seq":(?P<alone>\d+)')  # fmt: skip


@dataclass(frozen=True, slots=True)
class Routine:
    """One row; `again(k)` is the same k weeks later."""

    fixed: Row
    numbers: Sequence[tuple[str, int, int]]
    texts: Sequence[tuple[str, str, Sequence[tuple[int, int]]]]

    def again(self, weeks: int) -> Row:
        row = dict(self.fixed)
        for name, base, step in self.numbers:
            row[name] = base + weeks * step
        for name, template, grown in self.texts:
            row[name] = template % tuple([base + weeks * step for base, step in grown])
        return row


def routine_of(row: Row, a_week: Mapping[str, int], gateway: str | None = None) -> Routine:
    """`a_week`: records of each gateway in a week; `gateway`: the one of the row's own numbers."""
    numbers, texts = [], []
    for name, value in row.items():
        if isinstance(value, int) and name in MOMENTS and 0 < value < LATEST_MS:
            numbers.append((name, value, WEEK_MS))
        elif isinstance(value, int) and name in NUMBERS and gateway is not None:
            numbers.append((name, value, a_week[gateway]))
        elif isinstance(value, str) and name in {"name", "body"}:
            texts.append((name, *_template(value, a_week, gateway)))
    return Routine(row, numbers, texts)


def _template(text: str, a_week: Mapping[str, int], own: str | None) -> tuple[str, Sequence[tuple[int, int]]]:
    grown: list[tuple[int, int]] = []

    def found(match: re.Match[str]) -> str:
        if match["ms"]:
            grown.append((int(match["ms"]), WEEK_MS))
            return "%d"
        if match["alone"]:
            grown.append((int(match["alone"]), a_week[own or ""]))
            return '"seq":%d'
        grown.append((int(match["seq"]), a_week[match["gateway"]]))
        return f"/{match['gateway']}/{match['epoch']}/%d"

    return _GROWING.sub(found, text.replace("%", "%%")), grown
