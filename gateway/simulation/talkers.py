"""Devices that have to be asked, on a bench: `punchgate simulate` for the peers of gateway.simulation.peers.

Like the silent ones they print their port first and then a JSON object for each thing somebody did. What the device
says of it depends on what it is asked, so `bytes` counts only what it said unasked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

from drivers import registry
from gateway.simulation.desk import Desk
from gateway.simulation.peers import PEERS, Peer, new_peer
from gateway.simulation.pty import Pty
from gateway.simulation.tcp import TcpWire
from gateway.wire import timestamp

SETTLE_S = 2.0

PORT_SNIPPET = """\
[[ports]]
url = "{path}"
baud = {baud}
"""
DEVICE_SNIPPET = """\

  [[ports.devices]]
  id = "device-{number}"
  driver = "{driver}"
  lane = "lobby-{number}"{comment}
"""
SENSED = '                 # a lane with sensor = "per_direction"'


def models_of(driver: str) -> list[str]:
    """The models that speak to this driver."""
    return [model for model in PEERS if driver_of(model) == driver]


def driver_of(model: str) -> str:
    """The driver a model speaks to."""
    return new_peer(model).driver


def peer_of(driver: str, model: str | None) -> Peer:
    """The device, the first model of the driver by default. LookupError naming what there is."""
    models = models_of(driver)
    if not models:
        raise LookupError(f"no simulated device speaks {driver}")
    if model is not None and model not in models:
        raise LookupError(f"{driver} has no model {model}; there are {', '.join(models)}")
    return new_peer(model or models[0])


def snippet(peer: Peer, path: str) -> str:
    """What to paste into the gateway's configuration: the port and all devices on it, each with its own lane."""
    text = PORT_SNIPPET.format(path=path, baud=peer.baud)
    if path.startswith("socket:"):
        text = text.replace(f"baud = {peer.baud}\n", "")
    devices = enumerate((peer.options, *others_of(peer)), 1)
    return text + "".join(_device(peer, number, options) for number, options in devices)


def _device(peer: Peer, number: int, options: str) -> str:
    comment = SENSED if is_sensor(peer) else '\n  side = "in"'
    text = DEVICE_SNIPPET.format(number=number, driver=peer.driver, comment=comment)
    tables = {"directions": peer.directions, "inputs": inputs_of(peer), "options": options}
    return text + "".join(f"  {key} = {{ {inside} }}\n" for key, inside in tables.items() if inside)


def others_of(peer: Peer) -> tuple[str, ...]:
    """On a bus, the options of the devices behind the first, each as in Peer.options."""
    others: tuple[str, ...] = getattr(peer, "others", ())
    return others


def inputs_of(peer: Peer) -> str:
    """The inside of the table `inputs`, for a board with contacts."""
    return str(getattr(peer, "inputs", ""))


def is_sensor(peer: Peer) -> bool:
    """Whether it tells of passages."""
    return bool(peer.directions or inputs_of(peer))


def play(desk: Desk, deeds: Iterable[str], pause_s: float, say: Callable[[str], None]) -> None:
    """Let people do things, one every `pause_s`; a deed the device does not know is said and left out."""
    for deed in deeds:
        due = time.monotonic() + pause_s
        try:
            unasked = desk.do(deed)
        except ValueError as error:
            say(json.dumps({"error": str(error), "value": deed}, ensure_ascii=False))
            continue
        word = "pass" if is_sensor(desk.peer) else "card"
        report = {"time": timestamp(time.time_ns() // 1_000_000), "sent": word, "value": deed}
        say(json.dumps(report | {"bytes": unasked}, ensure_ascii=False))
        time.sleep(max(0.0, due - time.monotonic()))


def people(peer: Peer, rng: Random, cards: int, number: int | None) -> Iterator[str]:
    """`number` deeds of `cards` different people, or without an end."""
    known = [peer.new_deed(rng) for _ in range(cards)]
    done = 0
    while number is None or done < number:
        yield rng.choice(known)
        done += 1


def settle(desk: Desk) -> None:
    """Give the host time to ask for what was done last."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        time.sleep(0.05)
    while not desk.is_idle() and time.monotonic() < deadline + SETTLE_S:
        time.sleep(0.05)


def wire_for(peer: Peer, link: Path | None) -> Pty | TcpWire:
    """The end of its line, under the name `link` if it is given. ValueError: a device on the network has none."""
    if registry.find(peer.driver).bauds:
        return Pty(link, baud=peer.baud)
    if link is not None:
        raise ValueError(f"{peer.driver} is on the network and has no serial port")
    return TcpWire()
