"""How large a city is, for how long, and how much goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from random import Random
from zoneinfo import ZoneInfo

from gateway.passage.rules import Privacy

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
OUTSIDE, YARD = "outside", "yard"
PRIVACY = Privacy("k1", bytes.fromhex("00112233445566778899aabbccddeeff" * 2))
"""The organisation's key is that of the worked example in the documentation."""


@dataclass(frozen=True)
class Settings:
    """`calm`: nothing breaks, every card is known, every lane has readers on both sides. Times are unix ms."""

    sites: int = 50
    people: int = 20_000
    days: int = 30
    seed: int = 1
    start: str = "2026-11-02"
    timezone: str = "Asia/Shanghai"
    calm: bool = False
    heartbeat_s: int = 600

    def __post_init__(self) -> None:
        if not (1 <= self.sites <= 99 and 1 <= self.people <= 999_999 and 1 <= self.days <= 366):
            raise ValueError("a city has 1 to 99 sites, 1 to 999999 people and 1 to 366 days")
        if self.heartbeat_s < 1:
            raise ValueError("heartbeat_s is 1 or more")

    @cached_property
    def begin_ms(self) -> int:
        """Midnight of the first day, by the clocks of the city."""
        return self.midnight_ms(0)

    @cached_property
    def end_ms(self) -> int:
        """Midnight behind the last day."""
        return self.midnight_ms(self.days)

    def midnight_ms(self, day: int) -> int:
        """The beginning of a day; 0 is the first."""
        there = date.fromisoformat(self.start) + timedelta(days=day)
        midnight = datetime(there.year, there.month, there.day, tzinfo=ZoneInfo(self.timezone))
        return round(midnight.timestamp() * 1000)

    def random(self, *names: object) -> Random:
        """Chance of its own for each thing that has a name, the same for the same seed."""
        return Random("/".join(map(str, (self.seed, *names))))

    def digits(self, *names: object, length: int = 16) -> str:
        """Hex digits that belong to a name."""
        return sha256("/".join(map(str, (self.seed, *names))).encode()).hexdigest()[:length]
