"""From the last byte on the wire to a subscriber, at a few swipes a second, beside the floor of this machine.

Each swipe is paired with the floor measured right after it: one fsync of 8 KiB on the same disk and one round
through the same broker. What is above it is ours. `--swipes 100 --rate 5`
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from queue import Empty, SimpleQueue

from paho.mqtt.client import Client

from gateway.simulation import frames

sys.path.insert(0, str(Path(__file__).parent))

from measure import PREFIX, figures, fsync_ms, say, site, subscriber, wait_until

LIMIT_MS = 6.0


def main() -> int:
    arguments = _arguments()
    arrived: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    echoed: SimpleQueue[float] = SimpleQueue()
    delays, floors, ratios = [], [], []
    with site() as gateway:
        gateway.start()
        with (
            subscriber(gateway.broker, f"{PREFIX}/hq/edge-01/#", lambda at, body: arrived.put((at, body))),
            subscriber(gateway.broker, "floor", lambda at, _: echoed.put(at)) as client,
        ):
            wait_until(lambda: gateway.status()["uplink"]["reason"] is None)  # the backlog has been taken
            time.sleep(0.5)
            while not arrived.empty():
                arrived.get()
            for number in range(arguments.swipes):
                due = time.monotonic() + 1 / arguments.rate
                gateway.reader.write(frames.rdm6300(f"0C{number:08X}"))
                written = time.monotonic()
                delays.append(1000 * (_arrival(arrived) - written))
                floors.append(_floor(client, echoed, gateway.folder))
                ratios.append(delays[-1] / floors[-1])
                time.sleep(max(0.0, due - time.monotonic()))
    result = {
        "swipes": arguments.swipes,
        "rate_per_s": arguments.rate,
        "latency_ms": figures(delays),
        "floor_ms": figures(floors),
        "ratio": figures(ratios),
        "limit_ms": LIMIT_MS,
    }
    median = statistics.median(delays)
    say(result, f"last byte to subscriber: {median:.2f} ms median, floor {statistics.median(floors):.2f} ms")
    return 0 if median <= LIMIT_MS else 1


def _arrival(arrived: SimpleQueue[tuple[float, bytes]]) -> float:
    """When the punch came; the read and the punch are one transaction and one message."""
    while True:
        try:
            at, body = arrived.get(timeout=5)
        except Empty:
            raise TimeoutError("no punch within 5 s") from None
        if b"punchgate.punch.v1" in body:
            return at


def _floor(client: Client, echoed: SimpleQueue[float], folder: Path) -> float:
    (durable,) = fsync_ms(folder)
    begun = time.monotonic()
    client.publish("floor", bytes(1200), qos=1)
    return durable + 1000 * (echoed.get(timeout=5) - begun)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swipes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5.0, help="swipes a second")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
