"""A turnstile played by pymodbus's server in a process of its own: `modbus_server.py LINK PLACE PASSES RATE [SPOIL]`.

LINK is serial (PLACE: the tty), rtu-over-tcp or tcp (PLACE: ignored). It prints `ready PORT`, lets PASSES people
through at RATE a second, and prints what has happened as JSON. With a share SPOIL of the readings a counter shows a
wrong value for that one reading; halfway both counters are reset, as after a power cut, once what passed was read.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

FIRST, REGISTERS = 0x40, 9
ENTRY, EXIT = 4, 6
START_TOTALS = {ENTRY: 0x1FFF0, EXIT: 65530}
"""The low words run over after a few."""
WARM_READINGS = 5


class Turnstile:
    """The counters of the map of lotltd/TurnstileModbusSDK, and what was read of them."""

    def __init__(self, spoil: float) -> None:
        self.totals = dict(START_TOTALS)
        self.passed = {ENTRY: 0, EXIT: 0}
        self.spoil = spoil
        self.rng = random.Random(4)
        self.readings = self.spoiled = self.resets = 0
        self.unread = 0
        """Clean readings since something passed, counted down."""
        self._was_spoiled = False

    async def read(self, _: int, start: int, address: int, count: int, registers: list[int], written: Any) -> None:
        """Called by pymodbus before it answers: write the registers as they are to be seen now."""
        assert written is None, "somebody wrote"
        shown = dict(self.totals)
        self.readings += 1
        self._was_spoiled = not self._was_spoiled and self.rng.random() < self.spoil
        if self._was_spoiled:
            shown[self.rng.choice((ENTRY, EXIT))] ^= 1 << self.rng.randrange(10, 32)
            self.spoiled += 1
        else:
            self.unread = max(0, self.unread - 1)
        for place, total in shown.items():
            registers[place], registers[place + 1] = total & 0xFFFF, total >> 16

    def let_through(self) -> None:
        """Somebody passes."""
        way = self.rng.choice((ENTRY, EXIT))
        self.totals[way] += 1
        self.passed[way] += 1
        self.unread = 6

    def reset(self) -> None:
        """The power was gone for a moment."""
        self.totals = {ENTRY: 0, EXIT: 0}
        self.resets += 1

    async def settled(self) -> None:
        """Until the last passage has been read, cleanly and more than once."""
        while self.unread:
            await asyncio.sleep(0.01)


async def play(link: str, place: str, passes: int, rate: float, spoil: float) -> None:
    """The whole play."""
    turnstile = Turnstile(spoil)
    data = SimData(FIRST, values=[0] * REGISTERS, datatype=DataType.REGISTERS)
    device = SimDevice(1, simdata=[data], action=turnstile.read)
    server = _server(link, place, device)
    await server.serve_forever(background=True)
    listener = getattr(server.transport, "sockets", None)
    print("ready", listener[0].getsockname()[1] if listener else 0, flush=True)
    while turnstile.readings < WARM_READINGS:
        await asyncio.sleep(0.01)
    begun = time.monotonic()
    for number in range(passes):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        turnstile.let_through()
        if number == passes // 2 and spoil:
            await turnstile.settled()
            turnstile.reset()
    await turnstile.settled()
    told = {"entry": turnstile.passed[ENTRY], "exit": turnstile.passed[EXIT]}
    told |= {"readings": turnstile.readings, "spoiled": turnstile.spoiled, "resets": turnstile.resets}
    print(json.dumps(told | {"seconds": round(time.monotonic() - begun, 1)}), flush=True)
    await asyncio.sleep(1.0)
    await server.shutdown()


def _server(link: str, place: str, device: SimDevice) -> ModbusSerialServer | ModbusTcpServer:
    if link == "serial":
        return ModbusSerialServer(device, port=place, baudrate=115200)
    framer = FramerType.RTU if link == "rtu-over-tcp" else FramerType.SOCKET
    return ModbusTcpServer(device, framer=framer, address=("127.0.0.1", 0))


if __name__ == "__main__":
    LINK, PLACE, PASSES, RATE, *SPOIL = sys.argv[1:]
    asyncio.run(play(LINK, PLACE, int(PASSES), float(RATE), float(SPOIL[0]) if SPOIL else 0.0))
