"""How fast a backlog reaches a subscriber once the broker is back, and what it costs a punch made meanwhile.

The limit is measured in the same run: the same lines in the same batches, published by a bare MQTT client.
`--records 20000`; settle = "puback", so that the subscriber is all there is.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from gateway.simulation import frames
from gateway.wire import pack, unpack

sys.path.insert(0, str(Path(__file__).parent))

from measure import PREFIX, Gateway, figures, say, site, subscriber, wait_until

BATCH = 200
TOPIC = f"{PREFIX}/hq/edge-01"


class Arrivals:
    """The lines as they come, and when the first and the last came."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.first = self.last = 0.0

    def hear(self, at: float, body: bytes) -> None:
        lines = unpack(body, None if body[:1] == b"{" else "deflate")
        self.first, self.last = self.first or at, at
        self.lines += lines


def main() -> int:
    arguments = _arguments()
    past, present, bare = Arrivals(), Arrivals(), Arrivals()
    with site() as gateway:
        _settle_by_puback(gateway)
        gateway.start()
        gateway.broker.stop()
        _fill(gateway, arguments.records)
        backlog = int(gateway.status()["newest"])
        gateway.broker.start()
        with (
            subscriber(gateway.broker, f"{TOPIC}/replay", past.hear),
            subscriber(gateway.broker, f"{TOPIC}/records", present.hear),
        ):
            wait_until(lambda: bool(past.lines))
            delays = _swipe_meanwhile(gateway, present, backlog)
        seconds = past.last - past.first
        with subscriber(gateway.broker, "bare", bare.hear) as client:
            for at in range(0, len(past.lines), BATCH):
                client.publish("bare", pack(past.lines[at : at + BATCH], deflate=True).body, qos=1)
            wait_until(lambda: len(bare.lines) == len(past.lines))
    rate, limit = len(past.lines) / seconds, len(bare.lines) / (bare.last - bare.first)
    result = {
        "records": len(past.lines),
        "records_per_s": round(rate),
        "bare_client_records_per_s": round(limit),
        "ratio": round(rate / limit, 3),
        "live_meanwhile_ms": figures(delays) if delays else None,
    }
    say(
        result,
        f"replay: {rate:.0f} records/s, a bare client {limit:.0f}; live meanwhile {result['live_meanwhile_ms']}",
    )
    return 0


def _settle_by_puback(gateway: Gateway) -> None:
    file = gateway.folder / "punchgate.toml"
    file.write_text(file.read_text().replace("[privacy]", 'settle = "puback"\n\n[privacy]'))


def _fill(gateway: Gateway, records: int) -> None:
    for number in range(records // 2):
        wait_until(lambda card=number: gateway.reader.write(frames.rdm6300(f"0C{card:08X}")))
    wait_until(lambda: int(gateway.status()["newest"]) >= records)


def _swipe_meanwhile(gateway: Gateway, present: Arrivals, backlog: int) -> list[float]:
    """Swipe now and then until the backlog is settled; ms from the last byte to the subscriber."""
    delays: list[float] = []
    while int(gateway.status()["settled"]) < backlog:
        heard = len(present.lines)
        gateway.reader.write(frames.rdm6300(f"FF{len(delays):08X}"))
        written = time.monotonic()
        wait_until(lambda heard=heard: len(present.lines) > heard)
        delays.append(1000 * (present.last - written))
        time.sleep(0.02)
    return delays


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
