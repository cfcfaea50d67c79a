"""Ten million fuzzed bytes through every driver: nothing raised, memory bounded, how fast.

    python benchmarks/decoding.py [--bytes 10000000] [--seed 1] [DRIVER …]

A third of the bytes is random, a third is the driver's own captures with bits tipped over, pieces cut out, doubled
and swapped, a third is those of all other families, equally long. They come in pieces of 1 to 4096 bytes. The
decoders only listen: one for each set of options that the captures know, all of them kept to the end, fed a slice of
the bytes in turn. The speed is that of `feed` in CPU time, the median over slices; beside it stands what Python needs
in the same run to look at each byte once (`for byte in data: pass`), which no decoder that does so could beat.

Two more speeds are told and have no limit, because a line of 115200 baud brings 0.0115 MB/s: `trickle_mb_s`, the same
bytes one to 16 at a time, and `flood_mb_s`, the slowest of false starts: the first bytes of a capture repeated for
ever. `kept_bytes` is by how much a decoder and all it refers to has grown at the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from random import Random
from statistics import median
from types import BuiltinFunctionType, FunctionType, ModuleType

from drivers import registry
from drivers.captures import Capture, load
from drivers.contract import Driver, DriverSpec
from drivers.registry import make_options

CAPTURES = Path(__file__).parent.parent / "tests" / "captures"
PIECE_BYTES, TRICKLE_BYTES = 4096, 16
SLICE_BYTES = 500_000
FLOOD_BYTES = 20_000
HEAD_BYTES = (1, 2, 3, 5, 7, 8, 12)
BYTES_A_SECOND = 1e6
"""How time passes for the decoders: the line is never silent."""
LEAST_MB_S = 1.0
MOST_KEPT_BYTES = 300_000
CODE = (type, ModuleType, FunctionType, BuiltinFunctionType)


def fuzzed(rng: Random, own: list[bytes], others: list[bytes], most: int) -> Iterator[bytes]:
    """Endless pieces of 1 to `most` bytes, as long of each kind."""
    while True:
        size = rng.randint(1, most)
        yield from (rng.randbytes(size), mutated(rng, own, size), mutated(rng, others, size))


def mutated(rng: Random, seeds: list[bytes], size: int) -> bytes:
    """`size` bytes of captures that have suffered about once in a hundred bytes; they begin anywhere."""
    data = bytearray()
    while len(data) < 2 * size:
        data += rng.choice(seeds)
    for _ in range(round(rng.uniform(0.0, len(data) / 50))):
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at : min(at + rng.randint(1, 9), at + len(data) - size)]
            case 2:
                data[at:at] = data[at : at + rng.randint(1, 40)]
            case _:
                data[at:at] = rng.randbytes(rng.randint(1, 9))
    start = rng.randint(0, len(data) - size)
    return bytes(data[start : start + size])


def speed(driver: Driver, pieces: Iterable[bytes], size: int, begin: float = 0.0) -> float:
    """MB/s of `feed` over `size` bytes."""
    batch, at = [], 0
    for piece in pieces:
        batch.append((begin + at / BYTES_A_SECOND, piece))
        at += len(piece)
        if at >= size:
            break
    begun = time.thread_time()
    for arrived, piece in batch:
        driver.feed(piece, arrived)
    return at / 1e6 / (time.thread_time() - begun)


def run(spec: DriverSpec, size: int, seed: int) -> dict[str, float]:
    """All figures of one driver."""
    own, others = load(CAPTURES / spec.name), captures_but(spec.name)
    seeds = [capture.data for capture in own], [capture.data for capture in others]
    decoders = decoders_of(spec, own)
    before = [held_bytes(decoder) for decoder in decoders]
    pieces = fuzzed(Random(seed), *seeds, PIECE_BYTES)
    slices = range(0, size, min(SLICE_BYTES, size))
    rates = [
        speed(decoder, pieces, slices.step, at / BYTES_A_SECOND)
        for at, decoder in zip(slices, cycle(decoders), strict=False)
    ]
    kept = max(held_bytes(decoder) - was for decoder, was in zip(decoders, before, strict=True))
    for decoder in decoders:
        decoder.close()
    trickle = speed(decoders_of(spec, own)[0], fuzzed(Random(seed), *seeds, TRICKLE_BYTES), SLICE_BYTES // 5)
    return {
        "mb_s": round(median(rates), 1),
        "worst_mb_s": round(min(rates), 1),
        "trickle_mb_s": round(trickle, 1),
        "flood_mb_s": round(min(floods(spec, own)), 2),
        "kept_bytes": kept,
    }


def floods(spec: DriverSpec, own: list[Capture]) -> Iterator[float]:
    """The speed of each flood."""
    heads = {capture.data[:size] for capture in own for size in HEAD_BYTES}
    for head in sorted(heads | {bytes([byte]) for byte in (0x00, 0x01, 0x30, 0xFF)}):
        flood = (head * PIECE_BYTES)[: PIECE_BYTES - PIECE_BYTES % len(head)]
        yield speed(decoders_of(spec, own)[0], cycle([flood]), FLOOD_BYTES)


def decoders_of(spec: DriverSpec, captures: list[Capture]) -> list[Driver]:
    """A decoder for each set of options that the captures know; they listen."""
    options = {repr(capture.options): make_options(spec, capture.options) for capture in captures}
    return [spec.new(option) for option in options.values()]


def captures_but(name: str) -> list[Capture]:
    """The captures of all other drivers."""
    return [capture for other in registry.names() if other != name for capture in load(CAPTURES / other)]


def held_bytes(root: object) -> int:
    """The size of an object and of all it refers to, without code."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, CODE):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return sum(sys.getsizeof(thing) for thing in seen.values())


def looked_at() -> float:
    """MB/s at which Python looks at each byte once and does nothing."""
    data, rates = Random(1).randbytes(SLICE_BYTES), []
    for _ in range(9):
        begun = time.thread_time()
        for _ in data:
            pass
        rates.append(len(data) / 1e6 / (time.thread_time() - begun))
    return median(rates)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="DRIVER", default=registry.names())
    parser.add_argument("--bytes", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    limit = looked_at()
    print(f"python looks at {limit:.0f} MB/s", file=sys.stderr)
    found = {}
    for name in arguments.names:
        found[name] = run(registry.find(name), arguments.bytes, arguments.seed)
        print(f"{name:<18} " + "  ".join(f"{key} {figure}" for key, figure in found[name].items()), file=sys.stderr)
    print(json.dumps({"python_mb_s": round(limit, 1), "bytes": arguments.bytes, "drivers": found}))
    slow = [name for name, figures in found.items() if figures["mb_s"] < LEAST_MB_S]
    fat = [name for name, figures in found.items() if figures["kept_bytes"] > MOST_KEPT_BYTES]
    print(f"slower than {LEAST_MB_S} MB/s: {slow or 'none'}; kept too much: {fat or 'none'}", file=sys.stderr)
    return int(bool(slow or fat))


if __name__ == "__main__":
    sys.exit(main())
