"""People with cards at the readers of a machine, and what has to be at the centre of them afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from socket import socket
from typing import Any

from machine import Machine

KEY = "00112233445566778899aabbccddeeff" * 2
RATE = 20.0
IN_HAND_S = 2.0
"""What reached a reader this long before somebody died is on the disk; a commit takes a while there."""
SKEW_S = 2.0
"""The machine sets its clock to whole seconds, and needs a while until it takes what is sent."""
DATED_WITHIN_S = 5.0
"""Beyond what a record says of its clock: the machine sets its clock to whole seconds, and is slow to take a byte."""
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
    in_hand: list[Swipe] = field(default_factory=list)
    unwatched: list[Swipe] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.swipes} swipes, {self.told} records told before a cut: {len(self.lost)} lost,"
            f" {len(self.in_hand)} in the hand of the killed, {len(self.unwatched)} while nobody watched"
        )


class People:
    """They swipe at `lines`, the wires of a device each, every time another card. All of it is written down."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.swipes: list[Swipe] = []
        self.spans: list[tuple[float, float]] = []
        self._next = 1
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
        threads = [threading.Thread(target=self._go_on, args=it, daemon=True) for it in lines.items()]
        for it in threads:
            it.start()
        try:
            yield
        finally:
            self._stop.set()
            for it in threads:
                it.join()

    @contextmanager
    def unwatched(self) -> Iterator[None]:
        """Within, a daemon or port goes away and comes back; who comes meanwhile may be missed, if records say so."""
        began = time.time()
        try:
            yield
        finally:
            self.spans.append((began, time.time()))

    def judge(self, exported: Sequence[bytes], heard: Sequence[bytes]) -> Verdict:
        """`exported`: the lines at the centre. `heard`: what the machine's ear told."""
        records = [json.loads(line) for line in exported]
        told = dict(_told(heard))
        reads = [it for it in records if it["type"] == "punchgate.credential.read.v1"]
        have = {it["data"]["subject"]["token"] for it in reads}
        blind = blind_spans(records)
        absent = [it for it in self.swipes if token(it.card) not in have]
        verdict = Verdict(len(self.swipes), len(told))
        for it in absent:
            said = any(first - SKEW_S <= it.at <= last + SKEW_S for first, last in blind.get(it.device, ()))
            span = next((span for span in self.spans if span[0] - IN_HAND_S <= it.at <= span[1]), None)
            if span is None or not said:
                verdict.lost.append(it)
            elif it.at < span[0]:
                verdict.in_hand.append(it)
            else:
                verdict.unwatched.append(it)
        held = {_name(json.loads(line)): line for line in exported}
        gone = [name for name, line in told.items() if held.get(name) != line]
        if gone:
            verdict.remarks.append(f"told, and gone or changed: {gone[:9]}")
        verdict.remarks += [*_invented(self.swipes, reads), *_misdated(self.swipes, reads), *_chain(exported)]
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


def blind_spans(records: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """From when to when the records say that a device was not watched, in unix time; without an end: for ever."""
    spans: dict[str, list[tuple[float, float]]] = {}
    since: dict[str, float] = {}
    before = None
    for record in records:
        what, device = record["type"].removeprefix("punchgate."), record["source"].split("/", 3)[3:]
        at = datetime.fromisoformat(record["time"]).timestamp()
        if what == "gateway.started.v1" and before is not None:
            since = dict.fromkeys(spans, before) | since
        for name in device:
            spans.setdefault(name, [])
            if what == "device.down.v1":
                since.setdefault(name, at)
            elif what == "device.up.v1" and name in since:
                spans[name].append((since.pop(name), at))
        before = at
    for name, at in since.items():
        spans[name].append((at, math.inf))
    return spans


def _told(heard: Sequence[bytes]) -> Iterator[tuple[Name, bytes]]:
    """The record lines in what the ear told, by epoch and number."""
    for row in heard:
        topic, _, hexadecimal = row.partition(b" ")
        if topic.rpartition(b"/")[2] not in (b"records", b"replay"):
            continue
        body = bytes.fromhex(hexadecimal.decode())
        for line in (body if body[:1] == b"{" else zlib.decompress(body)).split(b"\n"):
            yield _name(json.loads(line)), line


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


def _misdated(swipes: Sequence[Swipe], reads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What was read as it happened is dated by then; what had waited in the port says so."""
    at = {token(it.card): it.at for it in swipes}
    for read in reads:
        data = read["data"]
        read_at = datetime.fromisoformat(read["time"]).timestamp()
        beyond = abs(read_at - at.get(data["subject"]["token"], read_at))
        if data["live"] and beyond > DATED_WITHIN_S + (data["clock"].get("error_ms") or 0) / 1000:
            yield f"misdated by {beyond:.1f} s: {data['seq']} at {data['device']}, {data['clock']}"


def _chain(exported: Sequence[bytes]) -> Iterator[str]:
    """Each line names the one before it."""
    for before, after in pairwise(exported):
        (epoch, seq), data = _name(json.loads(before)), json.loads(after)["data"]
        if (data["epoch"], data["seq"]) != (epoch, seq + 1):
            yield f"chain: {data['epoch']} {data['seq']} follows {epoch} {seq}"
        elif data["prev"] != hashlib.sha256(before).hexdigest():
            yield f"chain: {data['seq']} does not name the line before it"
