"""People with cards at the readers of a machine: they write down each time that they presented one."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socket import socket
from typing import Any

from machine import EVENTUALLY_S, Machine

KEY = "00112233445566778899aabbccddeeff" * 2
RATE = 20.0
READ = "punchgate.credential.read.v1"
Name = tuple[str, int]
Line = Callable[[], socket | None]
"""The wire of a reader; None: there is none now."""


@dataclass(frozen=True, slots=True)
class Swipe:
    """One card at one reader; `at` is unix time."""

    device: str
    card: str
    at: float


@dataclass(frozen=True, slots=True)
class Stroke:
    """Something happened at `at`, unix time, to those who watch these devices; none named: all of them."""

    at: float
    devices: frozenset[str]


class People:
    """They swipe at `lines`, the wires of a device each, every time another card. All of it is written down."""

    def __init__(self) -> None:
        self.swipes: list[Swipe] = []
        self.strokes: list[Stroke] = []
        self._next = 1
        self._crowd: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def swipe(self, device: str, line: Line, count: int = 1, readers: int = 1) -> None:
        """So many people, RATE a second at so many readers together."""
        for _ in range(count):
            wire = line()
            if wire is not None:
                with self._lock:
                    card = f"0C{self._next:08X}"
                    self._next += 1
                at = time.time()
                with suppress(OSError):  # the power has gone
                    wire.sendall(frame(card))
                    self.swipes.append(Swipe(device, card, at))
            time.sleep(readers / RATE)

    @contextmanager
    def crowd(self, lines: Mapping[str, Line]) -> Iterator[None]:
        """Within, people come to all these readers, RATE a second in all."""
        self._stop.clear()
        self._crowd = list(lines)
        threads = [threading.Thread(target=self._go_on, args=it, daemon=True) for it in lines.items()]
        for it in threads:
            it.start()
        try:
            yield
        finally:
            self._stop.set()
            for it in threads:
                it.join()

    def struck(self, *devices: str) -> None:
        """From this moment on those who watch these devices are gone, until they say that they are back."""
        self.strokes.append(Stroke(time.time(), frozenset(devices)))

    def wait_until_told(self, machine: Machine, count: int = 0, within_s: float = EVENTUALLY_S) -> None:
        """Until the machine told of so many more cards of each reader of the crowd; 0: of the last of all readers."""
        deadline = time.monotonic() + within_s
        before = {device: len(cards) for device, cards in _cards(machine.heard).items()}
        while True:
            told = _cards(machine.heard)
            if count:
                waiting = [it for it in self._crowd if len(told.get(it, ())) < before.get(it, 0) + count]
            else:
                last = {it.device: token(it.card) for it in self.swipes}
                waiting = [it for it, card in last.items() if card not in told.get(it, ())]
            if not waiting:
                return
            assert time.monotonic() < deadline, f"nothing is told of {waiting}; {len(self.swipes)} swipes"
            time.sleep(1.0)

    def _go_on(self, device: str, line: Line) -> None:
        while not self._stop.is_set():
            self.swipe(device, line, readers=len(self._crowd))


def frame(card: str) -> bytes:
    """What an ID-12 reader sends."""
    check = 0
    for byte in bytes.fromhex(card):
        check ^= byte
    return b"\x02" + card.encode() + b"%02X\r\n\x03" % check


def token(card: str) -> str:
    return "k1:" + hmac.new(bytes.fromhex(KEY), f"em4100:{card}".encode(), hashlib.sha256).hexdigest()[:32]


def told_lines(heard: Sequence[tuple[float, bytes]]) -> Iterator[tuple[float, Name, bytes]]:
    """The record lines in what the ear told: when, epoch and number, the line."""
    for at, row in heard:
        topic, _, hexadecimal = row.partition(b" ")
        if topic.rpartition(b"/")[2] not in (b"records", b"replay"):
            continue
        body = bytes.fromhex(hexadecimal.decode())
        for line in (body if body[:1] == b"{" else zlib.decompress(body)).split(b"\n"):
            yield at, name_of(json.loads(line)), line


def journal_told(heard: Sequence[tuple[float, bytes]]) -> list[bytes]:
    """Each record line that was told of once, in the order of its journal."""
    lines = {name: line for _, name, line in told_lines(heard)}
    epochs = list(dict.fromkeys(epoch for epoch, _ in lines))
    return [lines[name] for name in sorted(lines, key=lambda it: (epochs.index(it[0]), it[1]))]


def _cards(heard: Sequence[tuple[float, bytes]]) -> dict[str, set[str]]:
    """The tokens that were told of, by device."""
    found: dict[str, set[str]] = {}
    for _, _, line in told_lines(heard):
        record = json.loads(line)
        if record["type"] == READ:
            found.setdefault(record["data"]["device"], set()).add(record["data"]["subject"]["token"])
    return found


def name_of(record: Mapping[str, Any]) -> Name:
    return record["data"]["epoch"], record["data"]["seq"]
