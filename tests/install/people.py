"""People with cards at the readers of a machine, and what has to be at the centre of them afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from socket import socket
from typing import Any

from machine import EVENTUALLY_S, Machine

KEY = "00112233445566778899aabbccddeeff" * 2
RATE = 20.0
SKEW_S = 2.0
"""The machine's clock is set to whole seconds when it starts."""
EVERYWHERE = ""
Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Swipe:
    """One card at one reader; `at` is unix time."""

    device: str
    card: str
    at: float


@dataclass
class Verdict:
    """What the centre has of all swipes."""

    swipes: int
    told: int
    lost: list[Swipe] = field(default_factory=list)
    unwatched: list[Swipe] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        seen = f"{self.swipes} swipes, {self.told} records told"
        return f"{seen}: {len(self.lost)} lost, {len(self.unwatched)} while nobody watched, by the records' own word"


class People:
    """They swipe at `lines`, the wires of a device each, every time another card. All of it is written down."""

    def __init__(self) -> None:
        self.swipes: list[Swipe] = []
        self._next = 1
        self._crowd: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()

    def swipe(self, device: str, line: socket, count: int = 1) -> None:
        """So many people, RATE a second."""
        for _ in range(count):
            with self._lock:
                card = f"0C{self._next:08X}"
                self._next += 1
            at = time.time()
            with suppress(OSError):  # the power has gone
                line.sendall(frame(card))
                self.swipes.append(Swipe(device, card, at))
            time.sleep(1 / RATE)

    @contextmanager
    def crowd(self, lines: Mapping[str, socket]) -> Iterator[None]:
        """Within, people come to all these readers one after another, at RATE each."""
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

    def judge(self, exported: Sequence[bytes], heard: Sequence[tuple[float, bytes]]) -> Verdict:
        """`exported`: the lines at the centre. `heard`: what the machine's ear told, and when, unix time."""
        records = [json.loads(line) for line in exported]
        told: dict[Name, bytes] = {}
        heard_at: dict[Name, float] = {}
        for at, name, line in _told(heard):
            told[name] = line
            heard_at.setdefault(name, at)
        reads = [it for it in records if it["type"] == "punchgate.credential.read.v1"]
        verdict = Verdict(len(self.swipes), len(told))
        for run, watched in absent(self.swipes, records):
            (verdict.lost if watched else verdict.unwatched).extend(run)
        held = {_name(json.loads(line)): line for line in exported}
        gone = [name for name, line in told.items() if held.get(name) != line]
        if gone:
            verdict.remarks.append(f"told, and gone or changed: {gone[:9]}")
        verdict.remarks += [
            *_invented(self.swipes, reads),
            *_misdated(self.swipes, reads, heard_at),
            *_chain(exported),
        ]
        return verdict

    def _go_on(self, device: str, line: socket) -> None:
        while not self._stop.is_set():
            self.swipe(device, line)


def frame(card: str) -> bytes:
    """What an ID-12 reader sends."""
    check = 0
    for byte in bytes.fromhex(card):
        check ^= byte
    return b"\x02" + card.encode() + b"%02X\r\n\x03" % check


def token(card: str) -> str:
    return "k1:" + hmac.new(bytes.fromhex(KEY), f"em4100:{card}".encode(), hashlib.sha256).hexdigest()[:32]


def absent(swipes: Sequence[Swipe], records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[list[Swipe], bool]]:
    """Swipes one after another at one reader that were not read; and whether, by the records, somebody watched it all
    the time from the read before them to the one behind. Who was in the hand of the killed came last before a gap."""
    gaps: Counter[str] = Counter()
    read: dict[str, int] = {}
    for number, record in enumerate(records):
        what, device = record["type"].removeprefix("punchgate."), record["data"].get("device")
        if what == "gateway.started.v1" and number:
            gaps[EVERYWHERE] += 1
        elif what == "device.down.v1":
            gaps[device] += 1
        elif what == "credential.read.v1":
            read[record["data"]["subject"]["token"]] = gaps[device] + gaps[EVERYWHERE]
    for device in dict.fromkeys(it.device for it in swipes):
        run: list[Swipe] = []
        before = 0
        for it in (it for it in swipes if it.device == device):
            now = read.get(token(it.card))
            if now is None:
                run.append(it)
                continue
            if run:
                yield run, now == before
            run, before = [], now
        if run:
            yield run, gaps[device] + gaps[EVERYWHERE] == before


def _told(heard: Sequence[tuple[float, bytes]]) -> Iterator[tuple[float, Name, bytes]]:
    """The record lines in what the ear told: when, epoch and number, the line."""
    for at, row in heard:
        topic, _, hexadecimal = row.partition(b" ")
        if topic.rpartition(b"/")[2] not in (b"records", b"replay"):
            continue
        body = bytes.fromhex(hexadecimal.decode())
        for line in (body if body[:1] == b"{" else zlib.decompress(body)).split(b"\n"):
            yield at, _name(json.loads(line)), line


def _cards(heard: Sequence[tuple[float, bytes]]) -> dict[str, set[str]]:
    """The tokens that were told of, by device."""
    found: dict[str, set[str]] = {}
    for _, _, line in _told(heard):
        record = json.loads(line)
        if record["type"] == "punchgate.credential.read.v1":
            found.setdefault(record["data"]["device"], set()).add(record["data"]["subject"]["token"])
    return found


def _name(record: Mapping[str, Any]) -> Name:
    return record["data"]["epoch"], record["data"]["seq"]


def _invented(swipes: Sequence[Swipe], reads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each card once, at its own reader, in the order of its people."""
    places = {token(it.card): (number, it.device) for number, it in enumerate(swipes)}
    order: dict[str, list[int]] = {}
    for read in reads:
        name, device = read["data"]["subject"]["token"], read["data"]["device"]
        if name not in places or places[name][1] != device:
            yield f"invented: {device} has {name}, which nobody presented there"
        else:
            order.setdefault(device, []).append(places[name][0])
    for device, numbers in order.items():
        if any(after <= before for before, after in pairwise(numbers)):
            yield f"{device} has cards twice, or out of turn"


def _misdated(
    swipes: Sequence[Swipe], reads: Sequence[Mapping[str, Any]], heard_at: Mapping[Name, float]
) -> Iterator[str]:
    """A card was read after it was presented, and before it was told of; by what the record says of its clock."""
    presented = {token(it.card): it.at for it in swipes}
    for read in reads:
        data = read["data"]
        at, error_s = datetime.fromisoformat(read["time"]).timestamp(), (data["clock"].get("error_ms") or 0) / 1000
        first = presented.get(data["subject"]["token"], at)
        beyond = max(first - at, at - heard_at.get(_name(read), math.inf)) - error_s
        if beyond > SKEW_S:
            yield f"misdated by {beyond:.1f} s: {data['seq']} at {data['device']}, {data['clock']}"


def _chain(exported: Sequence[bytes]) -> Iterator[str]:
    """Each line names the one before it."""
    for before, after in pairwise(exported):
        (epoch, seq), data = _name(json.loads(before)), json.loads(after)["data"]
        if (data["epoch"], data["seq"]) != (epoch, seq + 1):
            yield f"chain: {data['epoch']} {data['seq']} follows {epoch} {seq}"
        elif data["prev"] != hashlib.sha256(before).hexdigest():
            yield f"chain: {data['seq']} does not name the line before it"
