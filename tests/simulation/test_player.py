"""The play keeps its distances and logs only what the ports took."""

import time

from gateway.simulation.oracle import Presented
from gateway.simulation.people import Fact, Step
from gateway.simulation.player import Player
from gateway.simulation.pty import Pty

FACT = Fact("read", "lobby-1", "in-1", "in", "assumed", "em4100", "0C000621A5")


def finish(player: Player) -> None:
    while player.playing:
        time.sleep(0.005)


def test_noise_is_played_and_not_logged_and_facts_are() -> None:
    log: list[Presented] = []
    with Pty() as port:
        player = Player({"in-1": port}, log.append)
        player.start([Step(0, "in-1", b"noise"), Step(0.01, "in-1", b"frame", FACT)])
        finish(player)
        assert [presented.fact for presented in log] == [FACT]
        while port.unread() < len(b"noiseframe"):
            time.sleep(0.005)  # the kernel counts a byte a moment after it took it
        assert port.unread() == len(b"noiseframe")


def test_what_an_unplugged_reader_sees_is_not_expected_at_the_centre() -> None:
    log: list[Presented] = []
    with Pty() as port:
        port.unplug()
        player = Player({"in-1": port}, log.append)
        player.start([Step(0, "in-1", b"frame", FACT)])
        finish(player)
        assert log == []
        assert player.refused == 1


def test_a_late_play_is_moved_back_and_never_compressed() -> None:
    def slow_steps():
        yield Step(0.0, "in-1", b"a", FACT)
        time.sleep(0.3)
        yield Step(0.1, "in-1", b"b", FACT)
        yield Step(0.2, "in-1", b"c", FACT)

    log: list[Presented] = []
    with Pty() as port:
        player = Player({"in-1": port}, log.append)
        player.start(slow_steps())
        finish(player)
    _, second, third = (presented.time_ms for presented in log)
    assert third - second >= 95
