"""The oracle must see what is wrong, or its silence means nothing; the plan must replay; the proxy must be bad."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from end_to_end.ear import token
from end_to_end.site import eventually

from gateway.simulation.broker import HOST
from gateway.simulation.pty import Pty
from gateway.simulation.wire import Frame, Wire

from .plan import DEFAULT_COUNT, DEFAULT_SEED, KINDS, PER_EPISODE, draw
from .proxy import Proxy
from .stage import Still
from .verdict import Verdict, judge

BEGUN = 1_790_000_000.0
EVERYTHING = frozenset({"root", "strace"})


class Day:
    """Five cards at one reader and the records they should become; `spoil` changes them before they are chained."""

    def __init__(self) -> None:
        self.frames = [
            Frame(f"C0{number:08X}", BEGUN + number, 14 * number, BEGUN + number) for number in range(1, 6)
        ]
        self.events: list[dict[str, Any]] = []
        for frame in self.frames:
            self._add("credential.read", frame.at, {"subject": {"token": token(frame.what)}})
            refs = {"read": len(self.events)}
            self._add("punch", frame.at, {"outcome": "assumed", "refs": refs})

    def _add(self, kind: str, at: float, data: dict[str, Any]) -> None:
        time = datetime.fromtimestamp(at, UTC).isoformat()
        common = {"device": "reader-0", "live": True, "clock": {"error_ms": None}}
        self.events.append({"type": f"punchgate.{kind}.v1", "time": time, "data": common | data})

    def verdict(self, without: range = range(0), may_prune: bool = False) -> Verdict:
        """`without`: these numbers are not at the centre."""
        prev, lines = "0" * 64, []
        for seq, event in enumerate(self.events, 1):
            event["data"] |= {"seq": seq, "epoch": "e" * 16, "prev": prev}
            event["id"] = f"hq/edge-01/eeee/{seq}"
            lines.append(json.dumps(event).encode())
            prev = hashlib.sha256(lines[-1]).hexdigest()
        arrived = [line for seq, line in enumerate(lines, 1) if seq not in without]
        return judge({"reader-0": self.frames}, arrived, may_prune=may_prune)

    def declare(self, first: int, last: int, cause: str = "pruned") -> None:
        lost = {"first": first, "last": last, "cause": cause}
        self._add("records.lost", BEGUN + 9, {"lost": lost})


@pytest.fixture
def day() -> Day:
    return Day()


def test_a_day_on_which_all_went_well_has_nothing_to_remark(day: Day) -> None:
    verdict = day.verdict()
    assert (verdict.frames, verdict.records, verdict.remarks) == (5, 10, [])


def test_a_card_without_a_read_is_lost_unless_its_absence_was_excused_when_it_happened(day: Day) -> None:
    del day.events[8:]
    assert day.verdict().lost == 1
    day.frames[4].fate = "hand"
    assert (day.verdict().lost, day.verdict().in_hand, day.verdict().remarks) == (0, 1, [])
    day.frames[4].fate = "plug"
    assert (day.verdict().lost, day.verdict().with_plug) == (0, 1)


def test_a_read_of_a_card_nobody_presented_is_invented(day: Day) -> None:
    del day.frames[2]
    assert day.verdict().invented == 1


def test_records_given_up_for_room_are_excused_where_that_may_be_and_just_so_many_as_were_declared(day: Day) -> None:
    day.declare(3, 6)
    assert (day.verdict(range(3, 7)).lost, day.verdict(range(3, 7), may_prune=True).remarks) == (6, [])
    assert day.verdict(range(3, 7), may_prune=True).declared == 4
    assert day.verdict(range(3, 8), may_prune=True).lost > 0, "one more than was declared"
    del day.events[8:10]
    day.frames[4].at += 9
    assert day.verdict(range(3, 7), may_prune=True).lost == 1, "the fifth card is not of the time of the hole"


def test_records_declared_lost_for_another_cause_are_no_excuse(day: Day) -> None:
    day.declare(3, 6, cause="damage")
    assert day.verdict(range(3, 7), may_prune=True).lost == 6


def test_a_card_that_is_read_twice_and_a_read_that_is_closed_twice_are_duplicates(day: Day) -> None:
    day.events += [json.loads(json.dumps(event)) for event in day.events[8:]]
    day.events[-1]["data"]["refs"]["read"] = 11
    assert day.verdict().duplicated == 1
    day.events[-1]["data"]["refs"]["read"] = 9
    verdict = day.verdict()
    assert (verdict.duplicated, verdict.lost) == (2, 1)


def test_a_time_further_from_the_truth_than_it_says_is_misdated(day: Day) -> None:
    day.frames[1].at -= 0.9
    assert day.verdict().misdated == 1
    clock = day.events[2]["data"]["clock"]
    clock["error_ms"] = 900
    assert day.verdict().misdated == 0
    clock |= {"error_ms": None, "waited_ms": 900}
    assert day.verdict().misdated == 0
    day.frames[1].at += 1.8
    assert day.verdict().misdated == 1, "nothing happens after it was read"


def test_cards_of_one_reader_in_another_order_are_remarked(day: Day) -> None:
    day.frames[0].at = day.frames[1].at = BEGUN + 1.1
    for number in (0, 2):
        day.events[number]["time"] = datetime.fromtimestamp(BEGUN + 1.1, UTC).isoformat()
    reads = [day.events[number]["data"] for number in (0, 2)]
    reads[0]["subject"], reads[1]["subject"] = reads[1]["subject"], reads[0]["subject"]
    assert [remark.split(":")[0] for remark in day.verdict().remarks] == ["order"]


def test_a_changed_line_breaks_the_chain(day: Day) -> None:
    day.verdict()
    lines = [json.dumps(event).encode() for event in day.events]
    remarks = judge({"reader-0": day.frames}, [lines[0] + b" ", *lines[1:]]).remarks
    assert [remark.split(":")[0] for remark in remarks] == ["chain"]


def test_the_same_seed_is_the_same_story() -> None:
    assert draw(7, 25, EVERYTHING) == draw(7, 25, EVERYTHING)
    assert draw(7, 25, EVERYTHING) != draw(8, 25, EVERYTHING)


def test_the_default_selection_has_every_kind_of_fault() -> None:
    seeds = range(DEFAULT_SEED, DEFAULT_SEED + DEFAULT_COUNT // PER_EPISODE)
    drawn = {fault.kind for seed in seeds for fault in draw(seed, PER_EPISODE, EVERYTHING).faults}
    assert {str(kind) for kind in KINDS} - {str(kind) for kind in drawn} == set()


def without_terminal(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NOCTTY)


def test_a_frame_is_taken_when_it_was_read_and_excused_only_if_that_was_just_before_a_kill(tmp_path: Path) -> None:
    wire = Wire("reader", Pty(tmp_path / "tty"))
    with open(wire.port.path, "rb", buffering=0, opener=without_terminal) as reader:
        assert wire.put("first", b"12345678")
        assert reader.read(8) == b"12345678"
        eventually(lambda: wire.look() or wire.frames[0].taken_at, "taking it")
        assert wire.put("second", b"abcdefgh")
        assert wire.put("third", b"ABCDEFGH")
        eventually(lambda: wire.port.unread() == 16, "the kernel's hand-over")
        assert reader.read(11) == b"abcdefghABC"
        eventually(lambda: wire.look() or wire.frames[1].taken_at, "taking it")
        wire.killed(time.time() + 0.05)
        assert [frame.fate for frame in wire.frames] == ["hand", "hand", "hand"], "half of the third is gone"
        wire.frames[0].fate = wire.frames[1].fate = wire.frames[2].fate = ""
        wire.killed(time.time() + 0.4, 0.5)
        assert wire.frames[1].fate == "hand", "a process that is slower by a tracer holds it longer"
        wire.frames[0].fate = wire.frames[1].fate = wire.frames[2].fate = ""
        wire.killed(time.time() + 10.0)
        assert [frame.fate for frame in wire.frames] == ["", "", "hand"]
        wire.unplug()
    assert wire.frames[2].fate == "hand"
    assert not wire.put("fourth", b"12345678"), "nobody can present a card to a reader without a port"


@pytest.fixture
def echo() -> Iterator[tuple[Proxy, socket.socket, socket.socket]]:
    """A proxy, and both ends of a connection through it."""
    with socket.create_server((HOST, 0)) as server:
        proxy = Proxy(server.getsockname()[1])
        with socket.create_connection((HOST, proxy.port)) as near:
            far, _ = server.accept()
            near.settimeout(2.0)
            far.settimeout(0.2)
            with far:
                yield proxy, near, far
        proxy.close()


def test_the_proxy_forwards_delays_swallows_and_resets(echo: tuple[Proxy, socket.socket, socket.socket]) -> None:
    proxy, near, far = echo
    near.sendall(b"hello")
    assert far.recv(5) == b"hello"
    proxy.delay(0.3)
    time.sleep(0.05)
    near.sendall(b"later")
    with pytest.raises(TimeoutError):
        far.recv(5)
    time.sleep(0.2)
    assert far.recv(5) == b"later"
    proxy.swallow(["up"])
    time.sleep(0.05)
    near.sendall(b"never")
    with pytest.raises(TimeoutError):
        far.recv(5)
    far.sendall(b"down")
    assert near.recv(4) == b"down", "half open: the other way still works"
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        near.recv(1)


def test_what_a_killed_process_had_in_its_hand_it_had_while_it_stood_still_before() -> None:
    still = Still()
    assert still.worked_until(50.0) == 50.0
    still.signal(signal.SIGSTOP, 100.0)
    assert still.worked_until(100.9) == 100.0
    still.signal(signal.SIGCONT, 101.0)
    assert still.worked_until(101.05) == pytest.approx(100.05)
    assert still.worked_until(101.5) == 101.5
