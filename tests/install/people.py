"""People with cards at the readers of a machine, and what has to be at the centre of them afterwards."""

from __future__ import annotations

import hashlib
import hmac
import json
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
    lost: list[Swipe]
    in_hand: list[Swipe]
    unwatched: list[Swipe]
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
        self._spans: list[tuple[float, float]] = []
        self._killed: list[float] = []
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
        """Within, the daemon dies at some time and comes back: who swipes meanwhile may not be seen."""
        began = time.time()
        self._killed.append(began)
        try:
            yield
        finally:
            self._spans.append((began, time.time()))

    def judge(self, exported: Sequence[bytes], heard: Sequence[bytes]) -> Verdict:
        """`exported`: the lines at the centre. `heard`: what the machine's ear told."""
        records = [json.loads(line) for line in exported]
        told = dict(_told(heard))
        reads = [it for it in records if it["type"] == "punchgate.credential.read.v1"]
        have = {it["data"]["subject"]["token"] for it in reads}
        absent = [it for it in self.swipes if token(it.card) not in have]
        hand = [it for it in absent if any(0 <= killed - it.at <= IN_HAND_S for killed in self._killed)]
        blind = [it for it in absent if any(first <= it.at <= last for first, last in self._spans)]
        lost = [it for it in absent if it not in hand and it not in blind]
        verdict = Verdict(len(self.swipes), len(told), lost, hand, blind)
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
        beyond = abs(datetime.fromisoformat(read["time"]).timestamp() - at.get(data["subject"]["token"], 0))
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
