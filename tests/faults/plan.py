"""What goes wrong when, drawn from a seed before anything happens: the same seed is the same story.

A fault strikes one target and is mended after `lasts_s`. On one target there is one fault at a time; on different
targets they overlap, so the broker may freeze while the gateway is dead and a plug is out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

DEFAULT_COUNT, DEFAULT_SEED = 100, 1
"""A selection in which every kind of fault is drawn."""
PER_EPISODE = 25
GAP_S = (0.05, 1.3)
STRACE_SYNCS = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to fail. `weight`: how often it is drawn; `needs`: what the machine must have for it.

    `deadly`: the daemon may end by itself meanwhile, and is started again as systemd would.
    """

    name: str
    target: str
    weight: int
    lasts_s: tuple[float, float] = (0.0, 0.0)
    needs: str = ""
    deadly: bool = False


KINDS = (
    Kind("kill", "gateway", 8, (0.0, 0.8)),
    Kind("terminate", "gateway", 2, (0.0, 0.5)),
    Kind("stop", "gateway", 4, (0.2, 2.0)),
    Kind("sync_fails", "gateway", 5, (2.0, 3.5), "strace", deadly=True),
    Kind("sync_kills", "gateway", 5, (2.0, 3.5), "strace", deadly=True),
    Kind("write_fails", "gateway", 4, (0.3, 1.5), "strace", deadly=True),
    Kind("slow_disk", "gateway", 3, (0.5, 2.0), "strace"),
    Kind("disk_full", "gateway", 4, (0.3, 1.5), "tmpfs"),
    Kind("read_only", "gateway", 3, (0.8, 2.0), "tmpfs", deadly=True),
    Kind("wipe", "broker", 6, (0.0, 2.0)),
    Kind("freeze", "broker", 5, (0.5, 3.0)),
    Kind("kill", "centre", 5, (0.0, 1.0)),
    Kind("stop", "centre", 3, (0.5, 2.0)),
    Kind("lock", "centre", 4, (0.5, 3.0)),
    Kind("restore", "centre", 3, (0.5, 2.0)),
    Kind("cut", "gateway_link", 4),
    Kind("refuse", "gateway_link", 2, (0.3, 1.5)),
    Kind("delay", "gateway_link", 3, (0.5, 2.0)),
    Kind("half_open", "gateway_link", 4, (0.5, 2.5)),
    Kind("deaf", "gateway_link", 4, (0.5, 2.5)),
    Kind("cut", "centre_link", 3),
    Kind("delay", "centre_link", 2, (0.5, 2.0)),
    Kind("half_open", "centre_link", 3, (0.5, 2.5)),
    Kind("deaf", "centre_link", 3, (0.5, 2.5)),
    Kind("unplug", "port", 7, (0.0, 1.2)),
    Kind("babble", "port", 4, (0.2, 0.6)),
    Kind("hold", "port", 3, (0.2, 2.0)),
    Kind("repeated", "receipts", 3),
    Kind("shuffled", "receipts", 3),
    Kind("forged", "receipts", 4),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One stroke: `after_s` since the stroke before it; `value` is the kind's own number in 0..1."""

    kind: Kind
    after_s: float
    lasts_s: float
    value: float

    def __str__(self) -> str:
        return (
            f"+{self.after_s:.2f} s {self.kind.target}.{self.kind.name} for {self.lasts_s:.2f} s ({self.value:.3f})"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """One episode: the scene and its faults. `tmpfs`: the state lies on a small one; `queue`: the broker's limit."""

    seed: int
    tmpfs: bool
    signed: bool
    queue: int
    faults: tuple[Fault, ...]

    @property
    def replay(self) -> str:
        return f"pytest tests/faults --fault-count {len(self.faults)} --fault-seed {self.seed}"

    def __str__(self) -> str:
        scene = f"tmpfs={self.tmpfs} signed={self.signed} queue={self.queue}"
        return "\n".join([f"seed {self.seed}: {scene}", *(f"  {fault}" for fault in self.faults)])


def draw(seed: int, count: int, means: frozenset[str]) -> Plan:
    """The episode of a seed; `means` are what this machine has: root, strace."""
    rng = random.Random(seed)
    tmpfs = rng.random() < 0.5 and "root" in means
    signed, queue = rng.random() < 0.7, rng.choice((0, 0, 10))
    able = means | ({"tmpfs"} if tmpfs else set())
    kinds = [kind for kind in KINDS if not kind.needs or kind.needs in able]
    deck = [kind for kind in kinds for _ in range(kind.weight)]
    drawn = [kind for _ in range(0, count, len(deck)) for kind in rng.sample(deck, len(deck))][:count]
    faults = [Fault(kind, rng.uniform(*GAP_S), rng.uniform(*kind.lasts_s), rng.random()) for kind in drawn]
    return Plan(seed, tmpfs, signed, queue, tuple(faults))
