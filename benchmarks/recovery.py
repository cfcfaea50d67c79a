"""How long after a fault until records flow again, and what a punch waits for while a long backlog drains.

    python benchmarks/recovery.py replug stopped frozen half_open backlog --outages 1 5 20 --records 100000

Real daemon, broker and centre; a card every 0.2 s. `subscriber`: from the moment the broker serves again to the first
record at a client that comes back within 0.05 s; `centre`: to the first record committed in the ledger. `half_open`
needs root: gateway and centre lose every packet to and from the broker without being told.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.simulation import frames
from gateway.wire import unpack

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from faults.netns import ALL, ENDS, FarBroker, Network
from measure import KEY, PREFIX, PUNCHGATE, Gateway, figures, rss_mib, say, site, subscriber, wait_until

SCENES = ("replug", "stopped", "frozen", "half_open", "backlog")
LIMITS_S = {"replug": 5.0, "stopped": 2.0, "frozen": 2.0, "backlog": 1.0}
SWIPE_EVERY_S = 0.2
WAIT_S, FILL_S = 60.0, 400.0
TELL_EVERY_S = 5.0
HEAP = 200
TOKEN = b'"token":"'
CARD = b"punchgate.credential.read.v1"
CENTRE = '[centre]\nurl = "{url}"\nprefix = "{prefix}"\ndatabase = "ledger.sqlite"\nstate_dir = "centre"\n'


class Centre:
    """`punchgate centre run` on a ledger in this folder; `wrapper`: what to run it with."""

    def __init__(self, folder: Path, url: str, wrapper: Sequence[str] = ()) -> None:
        self._ledger = folder / "ledger.sqlite"
        settings = folder / "centre.toml"
        insecure = "" if "127.0.0.1" in url else "insecure = true\n"
        settings.write_text(CENTRE.format(url=url, prefix=PREFIX) + insecure + '\n[log]\nlevel = "error"\n')
        self._process = subprocess.Popen([*wrapper, PUNCHGATE, "centre", "run", "-c", str(settings)])

    def first_since(self, unix_s: float) -> float | None:
        """When the first record after that moment was committed."""
        with sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True) as ledger:
            row = ledger.execute("SELECT min(at_ms) FROM records WHERE at_ms >= ?", (1000 * unix_s,)).fetchone()
        return None if row[0] is None else row[0] / 1000

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@contextmanager
def running(centre: Centre) -> Iterator[Centre]:
    try:
        yield centre
    finally:
        centre.stop()


class Swipes(threading.Thread):
    """A card now and then, until the end."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(daemon=True)
        self._gateway, self._over = gateway, threading.Event()
        self.count = 0

    def run(self) -> None:
        while not self._over.wait(SWIPE_EVERY_S):
            self._gateway.reader.write(frames.rdm6300(f"0D{self.count:08X}"))
            self.count += 1

    def end(self) -> None:
        self._over.set()
        self.join()


class Arrivals:
    """When each message came, in unix time, and its bytes."""

    def __init__(self) -> None:
        self.all: list[tuple[float, bytes]] = []

    def hear(self, _: float, body: bytes) -> None:
        self.all.append((time.time(), body))

    def first_since(self, unix_s: float) -> float | None:
        """When the first card came after that moment."""
        return next((at for at, body in self.all if at >= unix_s and CARD in body), None)


class Tokens:
    """When each token came first, in unix time, on whichever topic."""

    def __init__(self) -> None:
        self._at: dict[bytes, float] = {}

    def hear(self, _: float, body: bytes) -> None:
        lines = unpack(body, None if body[:1] == b"{" else "deflate")
        for line in lines:
            if (place := line.find(TOKEN)) >= 0:
                self._at.setdefault(line[place + len(TOKEN) :].split(b'"', 1)[0], time.time())

    def at(self, name: bytes) -> float | None:
        return self._at.get(name)


@contextmanager
def playing() -> Iterator[tuple[Gateway, Centre, Arrivals]]:
    """A site with a centre, a subscriber and swipes."""
    with site() as gateway, running(Centre(gateway.folder, gateway.broker.url)) as centre:
        heard = Arrivals()
        gateway.start()
        with subscriber(gateway.broker, f"{PREFIX}/hq/edge-01/records", heard.hear):
            swipes = Swipes(gateway)
            swipes.start()
            wait_until(lambda: gateway.status()["settled"] > 5)
            try:
                yield gateway, centre, heard
            finally:
                swipes.end()


def replug(arguments: argparse.Namespace) -> dict[str, Any]:
    """From the moment the device's node is back to the first record of a card presented from then on."""
    took = []
    with playing() as (gateway, _, heard):
        for _ in range(arguments.repeat):
            gateway.reader.unplug()
            time.sleep(1.0)
            took.append(_first(gateway.reader.plug, heard.first_since))
            tell(f"  replug: {took[-1]:.2f} s")
            time.sleep(0.5)
    return {"subscriber": figures(took)}


def stopped(arguments: argparse.Namespace) -> dict[str, Any]:
    """mosquitto is ended and started."""
    with playing() as (gateway, centre, heard):
        return _outages(arguments, gateway.broker.stop, gateway.broker.start, centre, heard)


def frozen(arguments: argparse.Namespace) -> dict[str, Any]:
    """mosquitto stands still, its connections stay."""
    with playing() as (gateway, centre, heard):

        def send(number: signal.Signals) -> None:
            os.kill(gateway.broker.pid or 0, number)

        return _outages(arguments, lambda: send(signal.SIGSTOP), lambda: send(signal.SIGCONT), centre, heard)


def half_open(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both clients of the broker are cut off without a word."""
    with tempfile.TemporaryDirectory() as name, Network() as network, FarBroker(network, Path(name)) as broker:
        inside = network.inside("gateway")
        gateway = Gateway(Path(name), broker)
        gateway.insecure()
        centre = Centre(Path(name), broker.url, inside)
        gateway.start(inside)
        swipes = Swipes(gateway)
        swipes.start()
        wait_until(lambda: gateway.status()["settled"] > 5)
        try:
            return _outages(arguments, lambda: network.lose(ALL, *ENDS), network.heal, centre, None)
        finally:
            swipes.end()
            centre.stop()
            gateway.stop()


def backlog(arguments: argparse.Namespace) -> dict[str, Any]:
    """Cards presented one after the other while a long backlog drains to a centre on the same machine."""
    with site() as gateway, running(Centre(gateway.folder, gateway.broker.url)):
        gateway.start()
        wait_until(lambda: gateway.status()["settled"] > 0)
        gateway.broker.stop()
        _fill(gateway, arguments.records)
        newest, piled_mib = int(gateway.status()["newest"]), rss_mib(gateway.pid)
        gateway.broker.start()
        begun, delays, heard = time.monotonic(), [], Tokens()
        told_at = begun
        with subscriber(gateway.broker, f"{PREFIX}/hq/edge-01/#", heard.hear):
            while gateway.status()["settled"] < newest:
                number = f"FF{len(delays):08X}"
                name, card = token(number), frames.rdm6300(number)
                delays.append(
                    _first(lambda card=card: gateway.reader.write(card), lambda _, name=name: heard.at(name))
                )
                time.sleep(0.05)
                if time.monotonic() - told_at >= TELL_EVERY_S:
                    told_at = time.monotonic()
                    settled = gateway.status()["settled"]
                    tell(f"  {settled} of {newest} records settled, slowest card {max(delays):.2f} s")
            drained_s = time.monotonic() - begun
        found = {"live": figures(delays), "swipes": len(delays), "records": newest, "drained_s": round(drained_s, 1)}
        return found | {"rss_mib": {"piled": round(piled_mib, 1), "drained": round(rss_mib(gateway.pid), 1)}}


def _outages(
    arguments: argparse.Namespace,
    begin: Callable[[], None],
    end: Callable[[], None],
    centre: Centre,
    heard: Arrivals | None,
) -> dict[str, Any]:
    """By length of the outage in s: seconds to the first record at the subscriber and at the centre."""
    found: dict[str, Any] = {}
    for outage_s in arguments.outages:
        at_subscriber, at_centre = [], []
        for _ in range(arguments.repeat):
            begin()
            time.sleep(outage_s)
            begun = time.time()
            at_centre.append(_first(end, centre.first_since))
            tell(f"  {outage_s:g} s of outage: {at_centre[-1]:.2f} s to the centre")
            if heard is not None:
                wait_until(lambda begun=begun: heard.first_since(begun) is not None, WAIT_S)
                at_subscriber.append((heard.first_since(begun) or begun) - begun)
            time.sleep(2.0)
        found[f"{outage_s:g}"] = {"centre": figures(at_centre)} | (
            {"subscriber": figures(at_subscriber)} if heard is not None else {}
        )
    return found


def _first(deed: Callable[[], Any], first_since: Callable[[float], float | None]) -> float:
    """Seconds from the deed to what it leads to."""
    begun = time.time()
    deed()
    wait_until(lambda: first_since(begun) is not None, WAIT_S)
    return (first_since(begun) or begun) - begun


def token(card: str) -> bytes:
    """As the gateway of `measure.site` names it."""
    return b"k1:" + hmac.new(KEY, f"em4100:{card}".encode(), hashlib.sha256).hexdigest()[:32].encode()


def _fill(gateway: Gateway, records: int) -> None:
    """Two records a card; heaps, because one line is read at its leisure."""
    told_at = time.monotonic()
    for at in range(0, records // 2, HEAP):
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            tell(f"  {2 * at} of {records} records piled up")
        heap = b"".join(frames.rdm6300(f"0C{at + number:08X}") for number in range(HEAP))
        wait_until(lambda heap=heap: gateway.reader.write(heap), WAIT_S)
    wait_until(lambda: not gateway.reader.unread(), WAIT_S)  # this also pushes what the kernel had no room for
    wait_until(lambda: int(gateway.status()["newest"]) >= records, FILL_S)


def tell(*words: object) -> None:
    """How far it is, for who waits: on stderr."""
    print(*words, file=sys.stderr, flush=True)


def main() -> int:
    arguments = _arguments()
    result = {}
    for name in arguments.scenes:
        tell(f"{name}: {(globals()[name].__doc__ or '').splitlines()[0]}")
        begun = time.monotonic()
        result[name] = globals()[name](arguments)
        tell(f"{name}: at most {_worst(result[name]):.2f} s; took {time.monotonic() - begun:.0f} s")
    worst = {name: _worst(result[name]) for name in result}
    say({**result, "limits_s": LIMITS_S}, "; ".join(f"{name} {value:.2f} s" for name, value in worst.items()))
    return int(any(worst[name] > LIMITS_S.get(name, WAIT_S) for name in worst))


def _worst(found: dict[str, Any]) -> float:
    """The largest figure of a scene."""
    inner = [_worst(value) for value in found.values() if isinstance(value, dict)]
    return max([found.get("max", 0.0), *inner])


def _scene(name: str) -> str:
    if name not in SCENES:
        raise argparse.ArgumentTypeError(f"{name}: there are {', '.join(SCENES)}")
    return name


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "scenes", nargs="*", default=list(SCENES), metavar="SCENE", type=_scene, help=", ".join(SCENES)
    )
    parser.add_argument("--outages", type=float, nargs="+", default=[1.0, 5.0, 20.0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
