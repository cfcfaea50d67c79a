"""Devices on a desk, without the desk: a pty that knows its speed, a family that is silent until asked."""

from __future__ import annotations

import os
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.asking import AskingDriver, Heard, Request
from drivers.contract import Command, Driver, DriverSpec
from drivers.events import CardRead, Event, Frame
from drivers.framing import Bad, FrameStream, Good, Noise, Verdict
from gateway.simulation.garbling import resample
from gateway.simulation.pty import Pty

QUESTION = bytes.fromhex("7E3F41BD")
ANSWER = bytes.fromhex("7E21C0FFEE00FF")


@dataclass(frozen=True, slots=True)
class Options:
    """None."""


def _judge(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """7E 3F xx check: a question; 7E 21 and five bytes: a card."""
    if data[start] != 0x7E:
        return Noise(1)
    if stop - start < 2:
        return None
    size = {0x3F: 4, 0x21: 7}.get(data[start + 1])
    if size is None:
        return Noise(1)
    if stop - start < size:
        return None
    if size == 4:
        return (
            Good(4, (Frame(name="question"),)) if bytes(data[start : start + 4]) == QUESTION else Bad(4, "integrity")
        )
    return Good(7, (CardRead(scheme="fake", value=data[start + 2 : start + 7].hex().upper(), bits=40),))


class _Script:
    def __init__(self) -> None:
        self._due: float | None = None

    def start(self, unit: int, mark: str | None, at: float) -> None:
        self._due = at

    def stop(self) -> None:
        self._due = None

    def due(self) -> float | None:
        return self._due

    def ask(self, at: float) -> Request | None:
        self._due = at + 0.1
        return Request(QUESTION, timeout_s=0.1)

    def hear(self, event: Event, asked: Request | None, at: float) -> Heard:
        return Heard((event,), answers=isinstance(event, CardRead))

    def miss(self, asked: Request, at: float) -> None:
        """Nothing to do."""

    def order(self, command: Command, at: float) -> None:
        """Nothing to do."""


def _build(units: Sequence[Options], /) -> Driver:
    return AskingDriver(FrameStream(_judge, max_bytes=64), _Script())


ASKED = DriverSpec(
    name="asked", title="Answers", options=Options, build=_build, emits=frozenset({"credential"}), baud=19200,
    asks=True, bauds=(19200, 57600), proof_bits=16,
)  # fmt: skip

BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (9600, 19200, 38400, 57600, 115200, 4800, 2400, 230400)}


def host_baud(path: Path) -> int:
    """The speed that whoever has opened the port has set."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        return BAUDS.get(termios.tcgetattr(descriptor)[4], 0)
    finally:
        os.close(descriptor)


@contextmanager
def device(baud: int, act: Callable[[bytes], bytes], every_s: float = 0.02) -> Iterator[Pty]:
    """A device at `baud`: `act` is told what the host wrote and says what the device sends; garbled both ways."""
    rng, stop = Random(1), threading.Event()
    with Pty() as port:

        def live() -> None:
            while not stop.wait(every_s):
                speed = host_baud(port.path) or baud
                said = act(resample(port.received(), speed, baud, rng))
                if said:
                    port.write(resample(said, baud, speed, rng))

        thread = threading.Thread(target=live)
        thread.start()
        try:
            yield port
        finally:
            stop.set()
            thread.join()


def every(seconds: float, frames: Sequence[bytes]) -> Callable[[bytes], bytes]:
    """A device that talks unasked."""
    state = {"due": 0.0, "n": 0.0}

    def act(_: bytes) -> bytes:
        now = time.monotonic()
        if now < state["due"]:
            return b""
        state["due"], state["n"] = now + seconds, state["n"] + 1
        return frames[int(state["n"]) % len(frames)]

    return act


def answering(question: bytes, answer: bytes) -> Callable[[bytes], bytes]:
    """A device that answers one question."""
    return lambda heard: answer if question in heard else b""
