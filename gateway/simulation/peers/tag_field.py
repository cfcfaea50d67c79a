"""The air before a UHF gate: people with tags walk through it, one antenna or two, and some just stand about.

A tag is not simply there: its signal rises and falls while it passes, wavers by a few dB, and at the edges half of
the rounds miss it. What a reader makes of that is its own business; this only says who is heard, where and how well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

WALK_S = 1.6
SECOND_AFTER_S = 0.9
PEAK_DBM, EDGE_DBM, WAVER_DB = -45.0, -72.0, 3.0
FAR_DBM = -76.0
EPC_BYTES = 12


@dataclass(frozen=True, slots=True)
class Heard:
    """One tag in one round: EPC and signal in dBm."""

    epc: bytes
    dbm: int


@dataclass(frozen=True, slots=True)
class _Walk:
    """Somebody passes: the field of each antenna is entered at its time."""

    epc: bytes
    enters_at: dict[int, float]


def new_epc(rng: Random) -> str:
    """A tag as it is delivered: 24 hex digits, the first four those of a common chip."""
    return f"E280{rng.getrandbits(80):020X}"


def epc_of(deed: str) -> bytes:
    """The EPC of a deed. ValueError: it is none."""
    epc = bytes.fromhex(deed)
    if not epc or len(epc) % 2 or len(epc) > 62:
        raise ValueError(f"an EPC has a multiple of four hex digits, up to 124, not {len(deed)}")
    return epc


@dataclass
class TagField:
    """Who is near. `loiterers` are tags that are always there, far away: cards in the next room."""

    rng: Random
    loiterers: list[bytes] = field(default_factory=list)
    _walks: list[_Walk] = field(default_factory=list)

    def enter(self, epc: bytes, at: float, antennas: tuple[int, ...] = (0,)) -> None:
        """Somebody walks past these antennas in this order, SECOND_AFTER_S apart, each for WALK_S seconds."""
        self._walks.append(_Walk(epc, {antenna: at + n * SECOND_AFTER_S for n, antenna in enumerate(antennas)}))

    def round(self, antenna: int, at: float) -> list[Heard]:
        """The tags that one inventory round hears at an antenna, strongest first."""
        self._walks = [walk for walk in self._walks if at < max(walk.enters_at.values()) + WALK_S]
        heard = [one for walk in self._walks if (one := self._hear(walk, antenna, at)) is not None]
        heard += [Heard(epc, self._waver(FAR_DBM)) for epc in self.loiterers if self.rng.random() < 0.5]
        return sorted(heard, key=lambda one: -one.dbm)

    def _hear(self, walk: _Walk, antenna: int, at: float) -> Heard | None:
        if antenna not in walk.enters_at:
            return None
        share = (at - walk.enters_at[antenna]) / WALK_S
        nearness = 1.0 - abs(2.0 * share - 1.0)
        if nearness < 0.0 or self.rng.random() > 0.5 + nearness:
            return None
        return Heard(walk.epc, self._waver(EDGE_DBM + nearness * (PEAK_DBM - EDGE_DBM)))

    def _waver(self, dbm: float) -> int:
        return round(dbm + self.rng.uniform(-WAVER_DB, WAVER_DB))
