"""The way from a box to the centre: what is sent at once, what waits for the network, what a state message says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

from gateway.simulation.city.deliveries import Delivery, Leaf
from gateway.simulation.city.settings import SECOND
from gateway.wire import compact

LIVE_MS, REPLAY_MS, STATE_MS, BATCH = 80, 20, 50, 200
TOGETHER_MS = 1 * SECOND
"""What is made within so long goes in one message."""
WILL_MS = 45 * SECOND
"""So long a broker waits before it says that a client is gone."""


@dataclass(frozen=True, slots=True)
class Made:
    """A line, its number, and when it was made (true ms)."""

    at_ms: int
    seq: int
    line: bytes


class Sender:
    """Gives deliveries to `sink` in order of arrival. `head` makes the members of a state that are the journal's."""

    def __init__(
        self, site: str, gateway: str, head: Callable[[], dict[str, object]], sink: Callable[[Delivery], None]
    ) -> None:
        self._name = (site, gateway)
        self._head = head
        self._sink = sink
        self._due: list[tuple[int, int, Delivery, int]] = []
        self._number = 0
        self._live: list[Made] = []
        self.waiting: list[Made] = []
        self.is_up = False

    def take(self, made: Made) -> None:
        """A line that has just been made."""
        if not self.is_up:
            self.waiting.append(made)
            return
        if self._live and (made.at_ms - self._live[0].at_ms > TOGETHER_MS or len(self._live) >= BATCH):
            self._flush()
        self._live.append(made)

    def connect(self, at_ms: int) -> None:
        """The way is free: first a state, then what has waited, in batches."""
        self.is_up = True
        self.say(at_ms)
        waiting, self.waiting = self.waiting, []
        for number, first in enumerate(range(0, len(waiting), BATCH)):
            self._put(at_ms + LIVE_MS + number * REPLAY_MS, "replay", waiting[first : first + BATCH])

    def cut(self, at_ms: int) -> None:
        """Nothing gets through any more; the broker tells so after a while, with the numbers of now."""
        self._flush()
        if self.is_up:
            self._say(at_ms + WILL_MS, at_ms, "offline")
        self.is_up = False

    def say(self, at_ms: int) -> None:
        """A state message, if it gets through."""
        if self.is_up:
            self._flush()
            self._say(at_ms + STATE_MS, at_ms, "online")

    def release(self, at_ms: int) -> None:
        """Let arrive what arrives up to then."""
        if self._live and at_ms - self._live[0].at_ms > TOGETHER_MS:
            self._flush()
        while self._due and self._due[0][0] <= at_ms:
            self._sink(heappop(self._due)[2])

    def close(self) -> None:
        """Everything that is under way arrives; what waits does not."""
        self._flush()
        while self._due:
            self._sink(heappop(self._due)[2])

    def _flush(self) -> None:
        live, self._live = self._live, []
        if live:
            self._put(live[-1].at_ms + LIVE_MS, "records", live)

    def _say(self, arrive_ms: int, at_ms: int, status: Literal["online", "offline"]) -> None:
        head = self._head()
        newest = head["newest"]
        assert isinstance(newest, int)
        open_seqs = [seq for *_, seq in self._due if seq] + [made.seq for made in self.waiting[:1]]
        settled = min(open_seqs) - 1 if open_seqs else newest
        self._push(arrive_ms, "state", [compact({"status": status, **head, "settled": max(0, settled)})], 0)

    def _put(self, arrive_ms: int, leaf: Leaf, made: list[Made]) -> None:
        self._push(arrive_ms, leaf, [each.line for each in made], made[0].seq)

    def _push(self, arrive_ms: int, leaf: Leaf, lines: list[bytes], seq: int) -> None:
        self._number += 1
        heappush(self._due, (arrive_ms, self._number, Delivery(arrive_ms, *self._name, leaf, lines), seq))
