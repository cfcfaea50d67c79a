"""Passages from running totals: a device that counts is asked now and then, and the difference went through.

What a total may do between two readings, and what is made of it:

    first reading ever        the base line: nothing is told
    the same                  nothing
    up to `jump` more         so many went through (also over the end of the counter, at `modulus`)
    more than that, or less   doubtful: nothing, until a second reading says the same or up to `jump` more; then
        up to `most` more       so many went through
        less, or beyond it      somebody has set the counter: a new base line, nobody is invented

This is for totals that are read as text and have no known width. Registers of 16 and 32 bits, where the speed of
people tells a leap from noise, are judged by `drivers.modbus.counters`.

The values survive a restart as text (`mark`, `restore`): what passed in between is told with the first reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

WORD = 1 << 16
LONG = 1 << 32
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What a reading means: `count` people; `is_missed`: they passed while nobody asked. `set_from`: the total was
    set by somebody, and was this before. `is_base`: the first reading of all.
    """

    count: int = 0
    is_missed: bool = False
    set_from: int | None = None
    is_base: bool = False


class Total:
    """One total. `modulus`: where it begins again at 0, None: nowhere; `jump`: how much more needs no second reading;
    `most`: how much more is believed at all.
    """

    def __init__(self, *, modulus: int | None = None, jump: int = 1, most: int = MOST) -> None:
        self._modulus = modulus
        self._jump = jump
        self._most = most
        self.value: int | None = None
        self._doubtful: int | None = None
        self._was_away = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the last reading wants a second one, the sooner the better."""
        return self._doubtful is not None

    def restore(self, value: int) -> None:
        """The total that was read last, before a restart."""
        self.value, self._doubtful, self._was_away = value, None, True

    def pause(self) -> None:
        """Nobody could ask for a while: what the next reading brings passed meanwhile."""
        self._was_away = self.value is not None

    def read(self, value: int) -> Change | None:
        """The total is `value` now; None: nobody passed, or it is doubtful."""
        if self.value is None:
            self.value = value
            return Change(is_base=True)
        more = self._more(self.value, value)
        if more is None or more > self._jump:
            return self._doubt(value)
        return self._accept(value, Change(more) if more else None)

    def _doubt(self, value: int) -> Change | None:
        assert self.value is not None
        before, self._doubtful = self._doubtful, value
        since = None if before is None else self._more(before, value)
        if since is None or since > self._jump:
            return None
        more = self._more(self.value, value)
        if more is not None and more <= self._most:
            return self._accept(value, Change(more))
        return self._accept(value, Change(set_from=self.value))

    def _accept(self, value: int, change: Change | None) -> Change | None:
        self.value, self._doubtful = value, None
        was_away, self._was_away = self._was_away, False
        if change is not None and change.count and was_away:
            return Change(change.count, is_missed=True)
        return change

    def _more(self, old: int, new: int) -> int | None:
        """By how much it rose; None: it fell. Over its end it rises by up to `most`."""
        if new >= old:
            return new - old
        round_it = None if self._modulus is None else new - old + self._modulus
        return round_it if round_it is not None and round_it <= self._most else None


class Totals:
    """The totals of one device, by name."""

    def __init__(self, names: Iterable[str], *, modulus: int | None = None, jump: int = 1, most: int = MOST) -> None:
        self._modulus, self._jump, self._most = modulus, jump, most
        self._names = tuple(names)
        self._totals = self._anew()

    def _anew(self) -> dict[str, Total]:
        return {name: Total(modulus=self._modulus, jump=self._jump, most=self._most) for name in self._names}

    def __getitem__(self, name: str) -> Total:
        return self._totals[name]

    def pause(self) -> None:
        """Nobody could ask for a while."""
        for total in self._totals.values():
            total.pause()

    @property
    def is_known(self) -> bool:
        """Whether every total has been read, now or before a restart."""
        return all(total.value is not None for total in self._totals.values())

    def mark(self) -> str:
        """The totals as text, for `restore`."""
        known = {name: total.value for name, total in self._totals.items() if total.value is not None}
        return json.dumps(known, separators=(",", ":"))

    def restore(self, mark: str | None) -> None:
        """Begin anew, from the totals of a mark; a mark that is none of ours is none."""
        self._totals = self._anew()
        try:
            kept = json.loads(mark or "{}")
        except ValueError:
            return
        for name, total in self._totals.items():
            value = kept.get(name) if isinstance(kept, dict) else None
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                total.restore(value)
