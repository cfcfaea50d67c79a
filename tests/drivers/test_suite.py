"""The contract suite catches drivers that break the contract: each way to be wrong fails the check made for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.contract import Driver, DriverSpec
from drivers.em4100 import DRIVER, Options
from drivers.events import BadFrame, CardRead, Event, Passage
from drivers.framing import Bad, FrameStream, Good, Noise, Verdict
from drivers.suite import CHECKS, Subject, load
from drivers.template import DRIVER as TEMPLATE
from drivers.template import judge

CAPTURES = Path(__file__).parent.parent / "captures"
FRAME = bytes.fromhex("AC01020304B6")


class Wrong(FrameStream):
    """The template's decoder, to be broken in one way."""

    def __init__(self) -> None:
        super().__init__(judge, max_bytes=64)


class Hasty(Wrong):
    def feed(self, data: bytes, at: float) -> list[Event]:
        events = super().feed(data, at)
        self._tell(events)
        return events


class Deaf(Wrong):
    def next_poll(self) -> float | None:
        return None


class Complete(Wrong):
    def is_mid_frame(self) -> bool:
        return False


class Unfinished(Wrong):
    def is_mid_frame(self) -> bool:
        return True


class Remembering(Wrong):
    def reset(self) -> None:
        """Forgets to forget."""


class Raising(Wrong):
    def feed(self, data: bytes, at: float) -> list[Event]:
        if b"\x13\x37" in data:
            raise ValueError("unexpected bytes")
        return super().feed(data, at)


class Hoarding(Wrong):
    def __init__(self) -> None:
        super().__init__()
        self.kept: list[bytes] = []

    def feed(self, data: bytes, at: float) -> list[Event]:
        self.kept.append(bytes(data))
        return super().feed(data, at)


class Telling(Wrong):
    def feed(self, data: bytes, at: float) -> list[Event]:
        events = super().feed(data, at)
        return [replace(event, fields={"raw": "AC"}) if isinstance(event, BadFrame) else event for event in events]


def swallowing(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """Believes every start, and skips the whole claimed length after a bad check."""
    verdict = judge(data, start, stop, at)
    return Bad(verdict.size, verdict.flaw, verdict.size) if isinstance(verdict, Bad) else verdict


def anything(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
    """Reads a card in every four hex digits."""
    if stop - start < 4:
        return None
    text = bytes(data[start : start + 4]).decode("latin-1")
    read = text.isascii() and text.isalnum()
    return Good(4, (CardRead(scheme="acme", value=text, bits=16),)) if read else Noise(1)


def spec(build: Callable[[], Driver], base: DriverSpec = TEMPLATE) -> DriverSpec:
    def factory(units: Sequence[Options], /) -> Driver:
        return build()

    return replace(base, build=factory)


def captures(tmp_path: Path) -> Path:
    (tmp_path / "desk_scene.hex").write_text(
        "# good, wrong sum, good\n" + (FRAME + FRAME[:5] + b"\xb7" + FRAME).hex()
    )
    card = '{"event": "card_read", "scheme": "acme", "value": "01020304", "bits": 32, "decision": null}'
    bad = '{"event": "bad_frame", "flaw": "integrity", "bytes": 6}'
    (tmp_path / "desk_scene.json").write_text(f"[{card}, {bad}, {card}]")
    return tmp_path


def passes(check: str, driver: DriverSpec, folder: Path) -> bool:
    try:
        CHECKS[check](Subject(driver, load(folder), load(CAPTURES / "em4100")))
    except (AssertionError, ValueError):
        return False
    return True


@pytest.mark.parametrize("check", CHECKS)
def test_the_template_passes_every_check(check: str, tmp_path: Path) -> None:
    assert passes(check, TEMPLATE, captures(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        (Hasty, "any split gives the same events"),
        (Deaf, "a cut frame times out and hurts no other"),
        (Complete, "a cut frame times out and hurts no other"),
        (Unfinished, "a cut frame times out and hurts no other"),
        (Unfinished, "reset and close forget"),
        (Remembering, "reset and close forget"),
        (Raising, "floods are harmless"),
        (Hoarding, "floods are harmless"),
        (Telling, "events keep to the spec"),
        (lambda: FrameStream(anything, max_bytes=64), "no fact in another family's capture"),
        (lambda: FrameStream(anything, max_bytes=64), "captures mean what they say"),
    ],
)
def test_a_driver_that_is_wrong_in_one_way_fails_the_check_for_it(
    wrong: Callable[[], Driver], check: str, tmp_path: Path
) -> None:
    assert not passes(check, spec(wrong), captures(tmp_path))


def test_a_driver_without_captures_fails(tmp_path: Path) -> None:
    assert not passes("captures mean what they say", DRIVER, tmp_path)


def test_a_passage_must_be_among_what_a_driver_emits(tmp_path: Path) -> None:
    def passing(data: bytearray, start: int, stop: int, at: float) -> Verdict | None:
        verdict = judge(data, start, stop, at)
        return Good(verdict.size, (Passage(direction="up"),)) if isinstance(verdict, Good) else verdict

    driver = spec(lambda: FrameStream(passing, max_bytes=64))
    assert not passes("events keep to the spec", driver, captures(tmp_path))


def test_a_swallowing_driver_loses_a_frame_that_the_rule_keeps() -> None:
    stream = b"\xac" + FRAME
    found = [
        [event for event in FrameStream(rule, max_bytes=64).feed(stream, 0.0) if isinstance(event, CardRead)]
        for rule in (judge, swallowing)
    ]
    assert [len(cards) for cards in found] == [1, 0]
