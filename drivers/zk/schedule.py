"""When a terminal is asked for its log, when only for its size, and when for nothing.

    a live event, a clock that jumped   the log at once; the entry of a live event may come late: some more looks
    otherwise, every `poll_s`           time and size, a few bytes; the log only if the size says something new
    a log whose size says nothing       every `pull_s`: it is not told, or the log is full and the oldest entries go
    a log of the same size              every CHECK_S: it may have been cleared and have grown again
    a refusal of anything               a rest of 1, 2, 4 … 60 s, in which nothing but the time is asked

A full log may be overwritten where nobody knows it, so that nothing changes at the place. So it is read `thoroughly`,
all of it: when several looks for the entry of a live event found none, and from time to time.
"""

from __future__ import annotations

from dataclasses import dataclass

KEEP_S = 20.0
"""A terminal drops a connection on which nothing is asked."""
CHECK_S = 600.0
THOROUGH_S = 3600.0
LEAST_THOROUGH_S = 60.0
FIRST_REST_S, MOST_REST_S = 1.0, 60.0
LOOK_AGAIN_S = 1.0
LOOKS = 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the terminal says of its log: entries, and how many there is room for; None: it does not say."""

    count: int | None = None
    room: int | None = None

    @property
    def is_full(self) -> bool:
        """Whether the size cannot grow any more."""
        return self.count is not None and self.room is not None and 0 < self.room <= self.count


class Schedule:
    """Plain state: it is told the time (monotonic seconds) and never looks. `pull_s` is the option."""

    def __init__(self, pull_s: float) -> None:
        self._pull_s = pull_s
        self._poll_s = min(pull_s, KEEP_S)
        self._rest_s = FIRST_REST_S
        self._not_before = 0.0
        self._is_hinted = False
        self._was_hinted = False
        self._is_hurried = False
        self._looks = 0
        self._look_at: float | None = None
        self._known: tuple[int | None, ...] = ()  # counts that mean the log that was read last
        self._has_read = False
        self._has_sizes = False  # it was asked for them once
        self._is_fresh = False
        self._read_at = 0.0
        self._thorough_at: float | None = None  # the next time
        self._least_at = 0.0  # not before
        self.thoroughly = False
        self.sizes = Sizes()

    def anew(self) -> None:
        """Another round begins, in which no size has been told so far."""
        self._is_fresh = False

    def told(self, sizes: Sizes) -> None:
        """The terminal says how long its log is."""
        self.sizes, self._is_fresh, self._has_sizes = sizes, True, True

    def hint(self) -> None:
        """There is something to read."""
        self._is_hinted = True

    def hurry(self) -> None:
        """The log is to be read now, whatever its size."""
        self._is_hurried = True

    def refused(self, at: float) -> float:
        """Something was refused: until when to rest."""
        self._not_before, self._rest_s = at + self._rest_s, min(2 * self._rest_s, MOST_REST_S)
        return self._not_before

    def idle_until(self, at: float) -> float:
        """When the next question is to be asked of an idle terminal; during a rest it is only kept."""
        if at < self._not_before:
            return min(self._not_before, at + KEEP_S)
        if self._is_hinted or self._is_hurried:
            return at
        return at + self._poll_s if self._look_at is None else min(self._look_at, at + self._poll_s)

    def rests(self, at: float) -> bool:
        """Whether nothing of the log is to be asked now."""
        return at < self._not_before

    def is_hinted(self, at: float) -> bool:
        """Whether the log is to be read without asking for its size; once it must be asked how much room there is."""
        is_wanted = self._is_hinted or self._is_hurried or (self._look_at is not None and at >= self._look_at)
        return is_wanted and self._has_sizes

    @property
    def is_same(self) -> bool:
        """Whether `sizes` say that nothing has come since the log was read."""
        return self.sizes.count is not None and self.sizes.count in self._known and not self.sizes.is_full

    def is_due(self, at: float) -> bool:
        """Whether `sizes`, just told, or the time want the log to be read."""
        if not self._has_read or (self.sizes.count is not None and self.sizes.count not in self._known):
            return True
        return at - self._read_at >= (max(CHECK_S, self._pull_s) if self.is_same else self._pull_s)

    def begins(self, at: float, *, is_unsure: bool = False) -> None:
        """The log is being read; `is_unsure`: nobody knows where it goes on."""
        self._was_hinted, self._is_hinted = self._is_hinted or self._look_at is not None, False
        self._is_hurried = False
        if self._thorough_at is None:
            self._thorough_at = at + CHECK_S
        if self._was_hinted and self._looks == LOOKS:
            self._thorough_at = min(self._thorough_at, max(at, self._least_at))
        self.thoroughly = (self.sizes.is_full or is_unsure) and at >= self._thorough_at

    def ended(self, at: float, entries: int, *, found: bool, whole: bool) -> None:
        """It has been read, as far as was wanted (else it is read on at once).

        `entries`: how many it has; `found`: there was something new.
        """
        self._rest_s = FIRST_REST_S
        self._known = (entries, self.sizes.count) if self._is_fresh else (entries,)
        self._has_read, self._read_at = True, at
        if self.thoroughly and whole:
            self._thorough_at, self._least_at = at + THOROUGH_S, at + LEAST_THOROUGH_S
        self._is_hurried = not whole
        looks_again = self._was_hinted and not found and self._looks < LOOKS
        self._looks = self._looks + 1 if looks_again else 0
        self._look_at = at + LOOK_AGAIN_S if looks_again else None
