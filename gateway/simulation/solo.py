"""One device on a bench: an endless row of deeds, or the cards somebody types, played on one port.

The first line on stdout is the port's path, every later one a JSON object of what the port took: a log that another
program can compare with what the daemon made of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random

from gateway.simulation.devices import READERS, Reader, Sent, Turnstile, at_line_speed, ghost, noise, truncated
from gateway.simulation.peers import PEERS, new_peer
from gateway.simulation.pty import Pty
from gateway.wire import timestamp

LINGER_S = 5.0
LINGER_POLL_S = 0.02
QUIET_S = 0.2

READER_SNIPPET = """\
[[ports]]
url = "{path}"

  [[ports.devices]]
  id = "reader-1"
  driver = "{driver}"
  lane = "lobby-1"
  side = "in"
{options}"""

TURNSTILE_SNIPPET = """\
[[ports]]
url = "{path}"

  [[ports.devices]]
  id = "arm-1"
  driver = "{driver}"
  lane = "lobby-1"                 # a lane with sensor = "per_direction"
  directions = {{ left = "in", right = "out" }}
  options = {{ codes = {{ {timeout:X} = "timeout" }} }}
"""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did and what the device sends for it; `value` None: nobody did anything, the line is bad."""

    name: str
    value: str | None
    sends: list[Sent]


Device = Reader | Turnstile


def device_of(driver: str, model: str | None) -> Device:
    """The simulated device; the first model of the driver by default. LookupError naming what there is."""
    if driver == "eb_turnstile":
        return Turnstile()
    readers = [reader for reader in READERS.values() if reader.driver == driver]
    if not readers:
        talkers = {new_peer(model).driver for model in PEERS}
        known = sorted({reader.driver for reader in READERS.values()} | {"eb_turnstile"} | talkers)
        close = get_close_matches(driver.lower().replace("-", "_"), known, cutoff=0.5)
        said = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
        raise LookupError(f"no simulated device speaks {driver}; {said}")
    for reader in readers:
        if model in (None, reader.model):
            return reader
    raise LookupError(f"{driver} has no model {model}; there are {', '.join(reader.model for reader in readers)}")


def snippet(device: Device, path: str) -> str:
    """What to paste into the gateway's configuration."""
    if isinstance(device, Turnstile):
        return TURNSTILE_SNIPPET.format(path=path, driver=device.driver, timeout=device.timeout_code)
    options = f"  options = {{ {device.options} }}\n" if device.options else ""
    return READER_SNIPPET.format(path=path, driver=device.driver, options=options)


def deeds(device: Device, rng: Random, *, cards: int, noise_share: float, held: bool) -> Iterator[Deed]:
    """Somebody of `cards` people, again and again; before a share of them, something that is no frame."""
    if isinstance(device, Turnstile):
        while True:
            deed = passage(device, rng.choice(("in", "out")))
            yield from _disturbed(deed, deed.sends[0].data, rng, noise_share)
    people = [device.new_card(rng) for _ in range(cards)]
    while True:
        deed = presentation(device, rng.choice(people), rng, held=held)
        spoilt = device.encode(device.new_card(rng))
        yield from _disturbed(deed, spoilt, rng, noise_share)


def presentation(reader: Reader, card: str, rng: Random, *, held: bool) -> Deed:
    """A card at the reader, held there for a second or two if `held`. ValueError: not a card of this reader."""
    return Deed("card", card, reader.present(card, rng.uniform(0.8, 2.0) if held else 0.0, rng))


def passage(turnstile: Turnstile, heading: str) -> Deed:
    """Somebody goes through. ValueError: neither in nor out."""
    if heading == "in":
        return Deed("pass", heading, turnstile.passed("in"))
    if heading == "out":
        return Deed("pass", heading, turnstile.passed("out"))
    raise ValueError("a turnstile knows in and out")


def _disturbed(deed: Deed, frame: bytes, rng: Random, noise_share: float) -> Iterator[Deed]:
    if rng.random() < noise_share:
        yield Deed("noise", None, [Sent(0.0, noise(rng))])
        spoil = rng.choice((ghost, truncated))
        yield Deed(spoil.__name__, None, [Sent(0.0, spoil(frame, rng))])
    yield deed


def play(port: Pty, deed: Deed, say: Callable[[str], None], baud: int | None = None) -> None:
    """Send one deed in its own time; say what was taken of each frame."""
    begun = time.monotonic()
    for n, sent in enumerate(deed.sends):
        pieces: Iterable[Sent] = [sent] if baud is None else at_line_speed(sent, baud)
        taken = 0
        for piece in pieces:
            time.sleep(max(0.0, begun + piece.after_s - time.monotonic()))
            taken += len(piece.data) * port.write(piece.data)
        name = "repeat" if n else deed.name
        report = {"time": timestamp(time.time_ns() // 1_000_000), "sent": name, "value": deed.value}
        say(json.dumps(report | {"bytes": len(sent.data), "taken": taken}, ensure_ascii=False))


def wait_until_read(port: Pty) -> int:
    """Give the daemon time to read what is on the line; the bytes it did not. The kernel counts them a bit late."""
    deadline = time.monotonic() + LINGER_S
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S and time.monotonic() < deadline:
        time.sleep(LINGER_POLL_S)
        if port.unread():
            quiet_since = time.monotonic()
    return port.unread()
