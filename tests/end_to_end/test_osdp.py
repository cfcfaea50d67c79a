"""OSDP in real time: libosdp's readers in a process of their own, a two-wire bus as a pty, our driver over it.

OSDP_READS=1000 and OSDP_SILENCE_S=30 give the full length; the figures are printed with -s.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from random import Random

import pytest

from drivers.osdp import Options

from .osdp_bench import KEY, WRONG_KEY, Bench, bench, key_file

READS = int(os.environ.get("OSDP_READS", "60"))
SILENCE_S = float(os.environ.get("OSDP_SILENCE_S", "11"))
PACE_S = 0.25
MOST_S = 5.0
DOWN_S = 10.0
BACK_S = 5.0


def secured(folder: Path, *addresses: int) -> list[Options]:
    return [Options(address=address, key_file=key_file(folder)) for address in addresses]


def all_up(line: Bench, units: int) -> None:
    assert line.pump(MOST_S, lambda: all(line.state(unit) == "up" for unit in range(units))), line.told


@pytest.fixture
def two(tmp_path: Path):
    with bench(secured(tmp_path, 1, 2), [(1, KEY), (2, KEY)]) as line:
        all_up(line, 2)
        yield line


def latencies(line: Bench, presented: list[list[tuple[float, str]]]) -> list[float]:
    """Presentation to event, all readers; every card is there, once, in the order of its reader."""
    waits = []
    for unit, cards in enumerate(presented):
        read = line.cards(unit)
        assert [value for _, value in read] == [value for _, value in cards]
        waits += [at - since for (at, _), (since, _) in zip(read, cards, strict=True)]
    return waits


def figures(what: str, waits: list[float]) -> None:
    ordered = sorted(1000 * wait for wait in waits)
    late = ordered[int(len(ordered) * 0.99)]
    print(f"\n{what}: {len(ordered)} reads, median {statistics.median(ordered):.0f} ms, 99 % {late:.0f} ms, "
          f"worst {ordered[-1]:.0f} ms")  # fmt: skip


@pytest.mark.alone
def test_two_secured_readers_on_one_bus_lose_and_double_nothing(two: Bench) -> None:
    rng, presented = Random(8), [[], []]
    for n in range(READS):
        card, unit = f"{rng.getrandbits(24):06X}", n % 2
        presented[unit].append((two.do(f"{unit + 1}:{card}"), card))
        two.pump(rng.uniform(0.2, 1.0) * PACE_S)
    two.pump(1.0)
    waits = latencies(two, presented)
    figures("two readers", waits)
    assert max(waits) < 1.0
    assert two.longest_call_s < 0.1, "the driver kept the loop waiting"
    assert [kind for unit in (0, 1) for _, kind, _ in two.changes(unit)] == ["up", "up"]


def test_a_wrong_key_is_refused_and_said_and_the_other_reader_works(tmp_path: Path) -> None:
    with bench(secured(tmp_path, 1, 2), [(1, KEY), (2, WRONG_KEY)]) as line:
        assert line.pump(MOST_S, lambda: (line.state(0), line.state(1)) == ("up", "down"))
        line.do("2:ABCDEF")
        at = line.do("1:6F6C3A")
        line.pump(7.0)
        ((kind, reason),) = [(kind, reason) for _, kind, reason in line.changes(1)]
        assert (kind, reason.partition(":")[0]) == ("down", "key refused")
        assert line.cards(1) == []
        ((read_at, card),) = line.cards(0)
        assert (card, read_at - at < 1.0) == ("6F6C3A", True)


@pytest.mark.alone
def test_a_silent_reader_is_soon_down_and_soon_back_while_the_other_goes_on_reading(two: Bench) -> None:
    silent_at, rng, presented = two.do("2:silent"), Random(9), []
    while (card := f"{rng.getrandbits(24):06X}") and (at := two.do(f"1:{card}")) - silent_at < SILENCE_S:
        presented.append((at, card))
        two.pump(0.5)
    down_at = next(at for at, kind, _ in two.changes(1) if kind == "down")
    back_at = two.do("2:back")
    assert two.pump(BACK_S, lambda: two.state(1) == "up")
    up_at = two.changes(1)[-1][0]
    two.do("2:00FACE")
    two.pump(1.0)
    figures("beside a silent one", latencies(two, [[*presented, (at, card)]]))
    print(f"silent {back_at - silent_at:.1f} s: down after {down_at - silent_at:.1f} s, "
          f"back {up_at - back_at:.1f} s after it answers again")  # fmt: skip
    assert down_at - silent_at < DOWN_S
    assert [value for _, value in two.cards(1)] == ["00FACE"]
    assert [kind for _, kind, _ in two.changes(1)] == ["up", "down", "up"]
    assert [kind for _, kind, _ in two.changes(0)] == ["up"]
