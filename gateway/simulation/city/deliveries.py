"""What arrives at the centre, and when: messages of a gateway, in order of arrival, in a file for each gateway.

A file is gzip. Each message is a line of JSON (`arrive_ms`, `site`, `gateway`, `leaf`, `lines`: how many follow) and
then its record lines, bytes unchanged; a state message has one line, its JSON.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush, merge
from pathlib import Path
from random import Random
from typing import Literal

from gateway.simulation.city.settings import DAY
from gateway.wire import compact

Leaf = Literal["records", "replay", "state"]
SUFFIX = ".dlv.gz"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as the centre gets it at `arrive_ms` (true unix ms), by the leaf of its topic."""

    arrive_ms: int
    site: str
    gateway: str
    leaf: Leaf
    lines: list[bytes]

    @property
    def order(self) -> tuple[int, str, str]:
        return self.arrive_ms, self.site, self.gateway


class Writer:
    """A file of deliveries; the same deliveries make the same bytes."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb")
        self._file = gzip.GzipFile("", "wb", 1, self._raw, mtime=0)

    def __call__(self, delivery: Delivery) -> None:
        head = {
            "arrive_ms": delivery.arrive_ms,
            "site": delivery.site,
            "gateway": delivery.gateway,
            "leaf": delivery.leaf,
            "lines": len(delivery.lines),
        }
        self._file.write(b"\n".join([compact(head), *delivery.lines, b""]))

    def close(self) -> None:
        self._file.close()
        self._raw.close()


def read(path: Path) -> Iterator[Delivery]:
    """The deliveries of one file."""
    with gzip.open(path, "rb") as file:
        for head in file:
            words = json.loads(head)
            lines = [file.readline()[:-1] for _ in range(words.pop("lines"))]
            yield Delivery(**words, lines=lines)


def read_all(folder: Path) -> Iterator[Delivery]:
    """The deliveries of all gateways of a city, in order of arrival."""
    paths = sorted((folder / "deliveries").glob(f"*{SUFFIX}"))
    return merge(*map(read, paths), key=lambda delivery: delivery.order)


Order = Literal["true", "shuffled", "twice", "late"]


def ordered(deliveries: Iterable[Delivery], order: Order, seed: int, *, within_ms: int = DAY) -> Iterator[Delivery]:
    """The same records as they might have come: each up to `within_ms` later (`shuffled`), each once more within a
    week (`twice`), every third one a week later (`late`). States are of their moment, and come then.
    """
    rng, waiting = Random(f"{seed}/{order}"), list[tuple[int, int, Delivery]]()
    for number, delivery in enumerate(deliveries):
        while waiting and waiting[0][0] <= delivery.arrive_ms:
            yield heappop(waiting)[2]
        if delivery.leaf == "state" or order == "true":
            yield delivery
            continue
        for wait_ms in _waits(order, rng, within_ms):
            then_ms = delivery.arrive_ms + wait_ms
            heappush(waiting, (then_ms, number, replace(delivery, arrive_ms=then_ms)))
    while waiting:
        yield heappop(waiting)[2]


def _waits(order: Order, rng: Random, within_ms: int) -> tuple[int, ...]:
    if order == "shuffled":
        return (rng.randrange(1 + within_ms),)
    if order == "twice":
        return (0, 1 + rng.randrange(7 * DAY))
    return (7 * DAY if rng.random() < 1 / 3 else 0,)


def shuffled(
    deliveries: Iterable[Delivery],
    seed: int,
    *,
    doubled: float = 0.1,
    late_share: float = 0.05,
    late_ms: int = 7 * DAY,
    jostled_ms: int = 60_000,
) -> list[Delivery]:
    """The same records in another order: each message up to `jostled_ms` later, some `late_ms` later, some twice.

    States keep their order and come last: what a gateway says of itself is of no use before its records.
    """
    rng, records, states = Random(seed), [], []
    for delivery in deliveries:
        if delivery.leaf == "state":
            states.append(delivery)
            continue
        wait_ms = late_ms if rng.random() < late_share else rng.randrange(1 + jostled_ms)
        records.append(replace(delivery, arrive_ms=delivery.arrive_ms + wait_ms))
        if rng.random() < doubled:
            records.append(
                replace(delivery, arrive_ms=delivery.arrive_ms + rng.randrange(1 + late_ms), leaf="replay")
            )
    records.sort(key=lambda delivery: delivery.order)
    last_ms = records[-1].arrive_ms if records else 0
    return records + [replace(state, arrive_ms=max(state.arrive_ms, last_ms)) for state in states]
