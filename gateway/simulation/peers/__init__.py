"""Simulated devices that talk back: one file a family, each the other half of a driver and written without it.

A peer is a device on a desk. The host's bytes come in through `hear`, what people do to it through `do`, time through
`tick`; each gives what the device says, with the delay it says it after. Who owns the wire (a pty, a TCP socket), the
noise on it and the plug is `gateway.simulation.desk`.
"""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import Protocol

from gateway.simulation.devices import Sent

PEERS: dict[str, str] = {
    "m100": "m100:M100",
    "r2000": "r2000:R2000",
    "r2000_gate": "r2000:R2000Gate",
    "uhfreader18": "uhfreader18:UhfReader18",
    "uhfreader18_active": "uhfreader18:ActiveReader",
    "sdt": "sdt:Sdt",
    "pn532": "pn532:Pn532",
    "sl500": "sl500:Sl500",
    "digicon": "digicon:Digicon",
    "tpw": "tpw:Tpw",
    "zk": "zk:Zk",
    "osdp_bus": "osdp_reader:OsdpBus",
    "osdp_reader": "osdp_reader:OneOsdpReader",
    "modbus_lotltd": "modbus:Turnstile",
    "modbus_lotltd_bus": "modbus:TwoTurnstiles",
    "modbus_io": "modbus:Board",
    "modbus_io_bus": "modbus:TwoBoards",
    "modbus_io_latched": "modbus:LatchedBoard",
}
"""Model name to `module:class`; the class takes no arguments that have no default."""


class Peer(Protocol):
    """One device, or a bus of them. Times are monotonic seconds; delays in `Sent` are relative to the call."""

    model: str
    driver: str
    baud: int
    options: str
    """The inside of the inline table that `options = { … }` is in the gateway's configuration for this device."""
    directions: str
    """Likewise for `directions`; empty: not a turnstile."""

    def new_deed(self, rng: Random) -> str:
        """Something somebody may do: a card number as the driver's events give it, or `in` or `out`."""

    def do(self, deed: str, at: float) -> list[Sent]:
        """Somebody does it; what the device says unasked. ValueError: not a deed of this device."""

    def hear(self, data: bytes, at: float) -> list[Sent]:
        """The host has written this (in any pieces); what the device answers."""

    def tick(self, at: float) -> list[Sent]:
        """Time goes by; called every few milliseconds. What the device says of itself."""


def new_peer(model: str) -> Peer:
    """A fresh device. KeyError: no such model."""
    module, _, name = PEERS[model].partition(":")
    made: Peer = getattr(import_module(f"{__name__}.{module}"), name)()
    return made
