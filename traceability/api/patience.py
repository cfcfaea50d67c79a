"""How often an address may be refused before it has to wait: ten times at once, then once in six seconds."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable

BURST = 10
REFILL_S = 6.0
MAX_ADDRESSES = 4096


class Patience:
    """Counts refusals by address; remembers the latest few thousand addresses. Safe to share among threads."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: a clock that only rises."""
        self._now_s = now_s
        self._lock = threading.Lock()
        self._debts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Whole seconds until this address may ask again; 0: now."""
        with self._lock:
            excess = self._debt(address) - (BURST - 1)
        return math.ceil(excess * REFILL_S) if excess > 0 else 0

    def refused(self, address: str) -> None:
        """It was refused once more."""
        with self._lock:
            self._debts[address] = (self._debt(address) + 1, self._now_s())
            self._debts.move_to_end(address)
            if len(self._debts) > MAX_ADDRESSES:
                self._debts.popitem(last=False)

    def _debt(self, address: str) -> float:
        debt, since_s = self._debts.get(address, (0.0, self._now_s()))
        return max(0.0, debt - (self._now_s() - since_s) / REFILL_S)
