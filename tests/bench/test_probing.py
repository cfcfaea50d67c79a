"""A device at an unknown speed on a port is found: driver and speed, listening or asking."""

from __future__ import annotations

import pytest
from bench_devices import ANSWER, ASKED, QUESTION, answering, device, every

from drivers import registry
from gateway.bench.probing import Search, probe
from gateway.bench.recognition import Candidate
from gateway.errors import Transient
from gateway.simulation import frames

CARD, OTHER = frames.rdm6300("67003B51C6"), frames.rdm6300("67003BA86C")


def search(url: str, *drivers: str, **more: object) -> Search:
    specs = [registry.find(name) for name in drivers] if drivers else registry.catalog()
    said: list[str] = []
    return Search(url, specs, {}, listen_s=0.5, say=said.append, **more)  # type: ignore[arg-type]


def found(candidates: list[Candidate]) -> tuple[str, int | None]:
    return (candidates[0].spec.name, candidates[0].baud) if candidates else ("nothing", None)


@pytest.mark.parametrize("baud", [9600, 115200, 19200])
def test_a_reader_that_talks_unasked_is_found_with_its_speed(baud: int) -> None:
    with device(baud, every(0.12, [CARD, OTHER])) as port:
        assert found(probe(search(str(port.path), ask=False))) == ("em4100", baud)


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ("scanner", [frames.scanned("V1|20261123-0042"), frames.scanned("HELLO-77")]),
        ("eb_turnstile", [frames.eb(frames.EB_ENTRY_DONE), frames.eb(frames.EB_EXIT_COUNT)]),
        ("wiegand_line", [frames.wiegand("6F6C3A"), frames.wiegand("0A0B0C")]),
        ("line", [frames.sr30("0006572982"), frames.sr30("0006572983")]),
    ],
)
def test_every_family_is_found_at_a_speed_that_is_not_tried_first(driver: str, said: list[bytes]) -> None:
    with device(19200, every(0.12, said)) as port:
        assert found(probe(search(str(port.path), ask=False))) == (driver, 19200)


@pytest.mark.parametrize("baud", [19200, 57600])
def test_a_device_that_is_silent_until_asked_is_found_by_asking(baud: int) -> None:
    with device(baud, answering(QUESTION, ANSWER), every_s=0.005) as port:
        candidates = probe(Search(str(port.path), [ASKED], {}, listen_s=0.1))
        assert found(candidates) == ("asked", baud)
        assert candidates[0].reasons[0] == "it answers when it is asked"


def test_nothing_is_written_where_only_listening_is_wanted() -> None:
    heard: list[bytes] = []

    def note(data: bytes) -> bytes:
        heard.append(data)
        return b""

    with device(19200, note) as port:
        assert probe(Search(str(port.path), [ASKED], {}, listen_s=0.1, ask=False)) == []
    assert b"".join(heard) == b""


def test_what_waited_from_before_is_not_taken_for_this_speed() -> None:
    with device(9600, lambda _: b"") as port:
        port.write(CARD)
        assert probe(search(str(port.path), "em4100", bauds=(115200,), ask=False)) == []


def test_a_missing_port_is_said_with_its_remedy() -> None:
    with pytest.raises(Transient, match="not there"):
        probe(search("/dev/serial/by-id/nobody", "em4100"))


def test_speeds_come_in_the_order_of_how_common_they_are() -> None:
    speeds = search("/dev/ttyUSB0").speeds
    assert speeds[0] == 9600
    assert set(speeds) >= {9600, 19200, 38400, 57600, 115200}
    assert len(set(speeds)) == len(speeds)
    assert search("socket://10.1.0.9:4001").speeds == (registry.catalog()[0].baud,)
