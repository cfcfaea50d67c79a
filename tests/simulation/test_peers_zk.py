"""The ZKTeco terminal on the desk and its driver: each punch once, in time, with its age, whatever happens."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest

from drivers.events import CardRead
from drivers.zk_terminal import DRIVER, Options
from gateway.simulation.peers import new_peer
from gateway.simulation.peers.zk import Punch, Zk
from tests.simulation.exchange import Exchange

WRITES = {1001, 1003, 1004, 14, 15, 18, 31, 202, 1013, 8, 10, 12}


def plugged(peer: Zk, **options: object) -> Exchange:
    talk = Exchange(DRIVER.new(Options(**({"history": "all"} | options))), peer)  # type: ignore[arg-type]
    talk.plug()
    return talk


def crowd(peer: Zk, count: int, first: float, every: float, seed: int = 1) -> list[tuple[float, str]]:
    randomness = random.Random(seed)
    return [(first + n * every, peer.new_deed(randomness)) for n in range(count)]


def users(talk: Exchange) -> Counter[str]:
    return Counter(read.value for read in talk.reads)


@pytest.mark.parametrize("width", [40, 16, 8])
@pytest.mark.parametrize(
    "nature",
    [{}, {"has_chunks": False}, {"has_sizes": False}, {"key": 482913}, {"tells_live": False}, {"before": 3000}],
    ids=["plain", "old firmware", "no sizes", "key", "no live events", "a long log"],
)
def test_every_punch_arrives_once(width: int, nature: dict[str, object]) -> None:
    peer = Zk(width=width, **nature)  # type: ignore[arg-type]
    before = Counter(str(int(punch.user) & 0xFFFF) if width == 8 else punch.user for punch in peer.log)
    talk = plugged(peer, pull_s=10.0, comm_key=482913)
    deeds = crowd(peer, 120, 30.0, 2.9)
    talk.run(420.0, deeds)
    assert users(talk) == before + Counter(user for _, user in deeds)
    assert not set(peer.orders) & WRITES


def test_a_punch_is_told_within_a_moment_and_its_age_is_right() -> None:
    peer = Zk(wrong_s=-3000.0, drift=1e-4)
    talk = plugged(peer)
    deeds = crowd(peer, 60, 20.0, 7.3)
    talk.run(500.0, deeds)
    told = [(at, event) for at, event in talk.events if isinstance(event, CardRead)]
    for (done, user), (at, event) in zip(deeds, told, strict=True):
        assert event.value == user
        assert at - done < 0.2
        assert event.origin is not None
        assert abs(at - event.origin.age_s - done) <= event.origin.error_s


def test_what_was_punched_while_nobody_listened_comes_with_its_age() -> None:
    peer = Zk(wrong_s=600.0, drift=2e-5)
    talk = plugged(peer)
    talk.run(10.0, [(5.0, "11111")])
    mark = talk.mark
    talk.unplug()
    away = crowd(peer, 50, 100.0, 60.0)
    for at, user in away:
        peer.do(user, at)
    again = Exchange(DRIVER.new(), peer)
    again.now = 4000.0
    again.plug(mark)
    again.run(4010.0)
    told = [(at, event) for at, event in again.events if isinstance(event, CardRead)]
    assert [event.value for _, event in told] == [user for _, user in away]
    for (done, _), (at, event) in zip(away, told, strict=True):
        assert event.origin is not None
        assert abs(at - event.origin.age_s - done) <= event.origin.error_s


def test_a_clock_that_is_set_while_we_are_connected_moves_no_age_by_more_than_a_pull() -> None:
    peer = Zk(tells_live=False)
    talk = plugged(peer, pull_s=10.0)
    talk.run(31.0)
    peer.do("20417", 31.0)
    peer.wrong_s = -7200.0
    talk.run(45.0, [(33.0, "31007")])
    peer.wrong_s = 90_000.0
    talk.run(60.0)
    for done, read in zip((31.0, 33.0), talk.reads, strict=True):
        at = next(at for at, event in talk.events if event is read)
        assert read.origin is not None
        assert abs(at - read.origin.age_s - done) <= read.origin.error_s
        assert read.origin.error_s <= 15.0


def test_lost_packets_and_noise_cost_no_punch_and_double_none() -> None:
    randomness = random.Random(7)

    def spoil(data: bytes) -> bytes:
        if randomness.random() < 0.03:
            return b""
        return bytes(randomness.choices(b"\x00\xff\x50\x82", k=5)) + data if randomness.random() < 0.1 else data

    peer = Zk(before=1500)
    before = Counter(punch.user for punch in peer.log)
    talk = Exchange(DRIVER.new(Options(history="all", pull_s=10.0)), peer, spoil=spoil)
    talk.plug()
    deeds = crowd(peer, 100, 30.0, 5.0)
    talk.run(1500.0, deeds)
    assert users(talk) == before + Counter(user for _, user in deeds)


def test_lost_connections_cost_no_punch_and_double_none() -> None:
    randomness = random.Random(9)
    peer = Zk(before=2500)
    before = Counter(punch.user for punch in peer.log)
    deeds = crowd(peer, 150, 5.0, 3.1)
    talk = plugged(peer)
    for end in sorted(randomness.uniform(0.05, 500.0) for _ in range(40)):
        talk.run(end, [deed for deed in deeds if talk.now <= deed[0] < end])
        talk.unplug()
        talk.plug(talk.mark)
    talk.run(600.0, [deed for deed in deeds if talk.now <= deed[0]])
    assert users(talk) == before + Counter(user for _, user in deeds)


def test_a_cleared_log_costs_nothing_that_was_read() -> None:
    peer = Zk()
    talk = plugged(peer)
    first, second = crowd(peer, 10, 10.0, 3.0, seed=1), crowd(peer, 10, 60.0, 3.0, seed=2)
    talk.run(55.0, first)
    peer.log.clear()
    talk.run(100.0, second)
    assert users(talk) == Counter(user for _, user in first + second)
    assert talk.changes == ["up", "log", "log"]


def test_a_log_of_a_hundred_thousand_is_read_once_and_then_its_end() -> None:
    peer = Zk(before=100_000)
    talk = plugged(peer, history=7)
    talk.run(100.0, [(50.0, "20417")])
    assert [read.value for read in talk.reads] == ["20417"]
    assert peer.orders.count(1504) < 260
    assert talk.mark is not None


def test_a_silent_terminal_goes_down_once_and_comes_up_again() -> None:
    peer = Zk()
    talk = plugged(peer)
    talk.run(10.0)
    talk.is_silent = True
    talk.run(120.0, [(60.0, "20417")])
    talk.is_silent = False
    talk.run(200.0)
    assert [change for change in talk.changes if change != "log"] == ["up", "down", "up"]
    assert users(talk) == Counter(["20417"])


def test_an_entry_of_a_dead_clock_is_told_with_what_is_known() -> None:
    peer = Zk()
    talk = plugged(peer, pull_s=10.0)
    talk.run(30.0)
    peer.log.append(Punch("20417", peer.clock(0.0) - timedelta(days=9000)))
    talk.run(50.0)
    (read,) = talk.reads
    assert read.origin is not None
    assert read.origin.device_time.startswith("2001-")
    assert read.origin.age_s + read.origin.error_s < 30.0


def test_a_new_peer_is_what_the_table_says() -> None:
    peer = new_peer("zk")
    assert (peer.driver, peer.model) == ("zk_terminal", "zk")
    with pytest.raises(ValueError, match="user id"):
        peer.do("card", 0.0)
