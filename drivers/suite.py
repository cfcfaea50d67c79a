"""The contract, as checks over any driver and its captures. Strangers run it over theirs: docs/adding-a-driver.md.

    from drivers.suite import CHECKS, Subject, load
    subject = Subject(DRIVER, load(folder_of_captures), load_all(captures_of_others, but="mine"))
    for check in CHECKS.values():
        check(subject)

What a capture is: `drivers.captures`.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterable

from drivers.captures import Capture, Said, Subject, facts, load, load_all, said
from drivers.contract import START, Command, Driver, Swap
from drivers.events import BadFrame, CardRead, Event, Incomplete, Passage, Scan
from drivers.redaction import Edit, rewrite
from drivers.registry import make_options

__all__ = ["CHECKS", "Capture", "Said", "Subject", "facts", "load", "load_all", "pieces_of", "said"]

NOISE = (b"\x00", b"\xff", b"\x00\xff\x80\x00", b"\xff" * 7)
"""What a line says when it is plugged in; no family begins a frame with it."""
QUIET_S = 60.0
"""Longer than any gap: what comes later is a new beginning."""
RANDOM_BYTES = 1_000_000
FLOOD_BYTES = 100_000
MEMORY_BYTES = 300_000


def pieces_of(driver: Driver, pieces: Iterable[bytes]) -> list[Event]:
    """All events of bytes that arrive in these pieces at one instant, to the end of the input."""
    events = [event for piece in pieces for event in driver.feed(piece, 0.0)]
    return events + driver.close()


def check_captures(subject: Subject) -> None:
    """Each capture means what it is said to mean."""
    assert subject.own, f"{subject.spec.name}: no captures"
    for capture in subject.own:
        assert said(pieces_of(subject.driver(capture), [capture.data])) == capture.events, capture.name


def check_splits(subject: Subject) -> None:
    """Any split of the same bytes gives the same events."""
    for capture in subject.own:
        noise = NOISE[-1]
        for data in (capture.data, noise + capture.data + noise):
            whole = said(pieces_of(subject.driver(capture), [data]))
            splits = [[data[i : i + size] for i in range(0, len(data), size)] for size in (1, 2, 3, 7)]
            splits += [[data[:cut], b"", data[cut:]] for cut in range(len(data) + 1)]
            for split in splits:
                told = said(pieces_of(subject.driver(capture), split))
                assert told == whole, f"{capture.name} in pieces of {[len(piece) for piece in split][:4]}…"


def check_noise(subject: Subject) -> None:
    """Noise before, between and behind frames changes no fact."""
    for capture in subject.own:
        whole = facts(subject.driver(capture).feed(capture.data, 0.0))
        for noise in NOISE:
            driver = subject.driver(capture)
            events = driver.feed(noise + capture.data + noise, 0.0)
            events += driver.feed(noise, QUIET_S)
            events += driver.feed(noise + capture.data, 2 * QUIET_S)
            assert facts(events) == whole * 2, f"{capture.name} with noise {noise.hex()}"
            refused = [event for event in events if isinstance(event, BadFrame)]
            assert refused, f"{capture.name}: noise {noise.hex()} was not told"


def check_cuts(subject: Subject) -> None:
    """A frame cut anywhere invents nothing, times out, and does not hurt the next one."""
    for capture in subject.own:
        whole = facts(subject.driver(capture).feed(capture.data, 0.0))
        for cut in range(len(capture.data)):
            for polled in (True, False):
                driver = subject.driver(capture)
                before = facts(driver.feed(capture.data[:cut], 0.0))
                assert before == whole[: len(before)], f"{capture.name} cut at {cut} invents {before}"
                due = driver.next_poll()
                is_waiting = _waiting(subject, capture, cut)
                assert due is not None or not is_waiting, f"{capture.name} cut at {cut} waits for ever"
                assert driver.is_mid_frame() or not is_waiting, f"{capture.name} cut at {cut} is not mid-frame"
                assert due is not None or not driver.is_mid_frame(), f"{capture.name} cut at {cut} is mid-frame"
                if polled and due is not None:
                    before += facts(driver.poll(due))
                    assert not driver.is_mid_frame(), f"{capture.name} cut at {cut} stays mid-frame"
                    assert driver.next_poll() is None, f"{capture.name} cut at {cut} does not time out"
                after = facts(driver.feed(capture.data, QUIET_S))
                assert after[-len(whole) :] == whole or not whole, f"{capture.name} after a cut at {cut}"
                meant = [event for event in before + after if event["event"] != "frame" or event in whole]
                assert len(meant) <= 2 * len(whole), f"{capture.name} cut at {cut} invents a fact"


def _waiting(subject: Subject, capture: Capture, cut: int) -> bool:
    """Whether the beginning of a capture leaves bytes that wait for more."""
    events = pieces_of(subject.driver(capture), [capture.data[:cut]])
    return any(isinstance(event, Incomplete) for event in events)


def check_reset(subject: Subject) -> None:
    """After reset and after close all is forgotten."""
    for capture in subject.own:
        driver = subject.driver(capture)
        for cut in range(1, len(capture.data) + 1):
            driver.feed(capture.data[:cut], 0.0)
            driver.reset()
            assert not driver.is_mid_frame(), f"{capture.name}: mid-frame after reset at {cut}"
            assert driver.next_poll() is None, f"{capture.name}: a time-out survives reset at {cut}"
            assert driver.poll(QUIET_S) == [], f"{capture.name}: speaks after reset at {cut}"
            assert driver.close() == [], f"{capture.name}: remembers after reset at {cut}"
        assert said(pieces_of(driver, [capture.data])) == capture.events, f"{capture.name} after reset"
        assert driver.close() == [], f"{capture.name}: speaks after close"


def check_foreign(subject: Subject) -> None:
    """No card number and no passage is found in another family's capture.

    Tried with the defaults; with each capture's options if there is none without.
    """
    plain = [capture for capture in subject.own if not capture.options][:1]
    for own in plain or subject.own:
        for capture in subject.foreign:
            for event in pieces_of(subject.driver(own), [capture.data]):
                assert not isinstance(event, (CardRead, Passage)), f"{subject.spec.name} reads {capture.name}"


def check_honesty(subject: Subject) -> None:
    """Events keep to what the driver says about itself, and refusals hold no content."""
    for capture in subject.own:
        options = make_options(subject.spec, capture.options)
        emits, directions = subject.spec.emits_with(options), subject.spec.directions_with(options)
        for event in pieces_of(subject.driver(capture), [capture.data]):
            assert "event" not in event.fields, f"{capture.name}: a field hides a common word"
            match event:
                case CardRead() | Scan():
                    assert "credential" in emits, f"{capture.name}: {event.event} is not among what it emits"
                case Passage():
                    assert "passage" in emits, f"{capture.name}: passage is not among what it emits"
                    assert event.direction in directions, f"{capture.name}: undeclared direction {event.direction!r}"
                case BadFrame():
                    assert not event.fields, f"{capture.name}: a refusal repeats content"


def check_floods(subject: Subject) -> None:
    """A megabyte of random bytes, and endless repetition, raise nothing and stay in bounded memory."""
    randomness = random.Random(1)
    for capture in subject.own[:1]:
        head = capture.data[:16]
        floods = [randomness.randbytes(RANDOM_BYTES)]
        floods += [(bytes([byte]) * FLOOD_BYTES) for byte in {*head, 0x00, 0x30, 0xFF}]
        floods += [(head[:size] * FLOOD_BYTES)[:FLOOD_BYTES] for size in (2, 5)]
        for flood in floods:
            driver = subject.driver(capture)
            _flood(driver, flood, capture.name)
            driver.feed(b"", QUIET_S)
            driver.poll(2 * QUIET_S)
            told = facts(driver.feed(capture.data, 3 * QUIET_S))
            whole = facts(subject.driver(capture).feed(capture.data, 0.0))
            assert told == whole, f"{capture.name} after a flood of {flood[:4].hex()}…"


def _flood(driver: Driver, flood: bytes, name: str) -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for start in range(0, len(flood), 4096):
            driver.feed(flood[start : start + 4096], start / 1e6)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < MEMORY_BYTES, f"{name}: {grown} bytes are kept after a flood of {flood[:4].hex()}…"


def check_asking(subject: Subject) -> None:
    """A driver that asks does so from START to reset, says once that nobody answers, and is not fooled by an echo."""
    if not subject.spec.asks:
        driver = subject.spec.new()
        driver.send(Command(START), 0.0)
        assert driver.next_poll() is None, f"{subject.spec.name} waits for something, and is not said to ask"
        return
    for capture in subject.own[:1]:
        driver = subject.driver(capture)
        assert (driver.next_poll(), driver.commands()) == (None, []), f"{subject.spec.name} asks before START"
        driver.send(Command(START, {"mark": None, "boot": "b1f2c7aa", "wall_ms": 1_795_393_858_188}), 0.0)
        events, asked = _left_alone(driver, QUIET_S, echo=False)
        assert not driver.is_mid_frame(), f"{subject.spec.name} takes the wait for an answer for a frame"
        assert asked, f"{subject.spec.name} never asks"
        assert [event["kind"] for event in facts(events)] == ["down"], f"{subject.spec.name}: {facts(events)}"
        driver.reset()
        assert (driver.next_poll(), driver.commands()) == (None, []), f"{subject.spec.name} asks after reset"
        driver.send(Command(START), 0.0)
        events, _ = _left_alone(driver, QUIET_S, echo=True)
        told = [event for event in facts(events) if event["event"] != "frame"]
        assert [event.get("kind") for event in told] == ["down"], f"{subject.spec.name}: its own echo is {told}"


def _left_alone(driver: Driver, seconds: float, *, echo: bool) -> tuple[list[Event], bytes]:
    """What a driver says and asks while nobody answers, or only its own echo."""
    events: list[Event] = []
    asked = b""
    while (due := driver.next_poll()) is not None and due < seconds:
        events += driver.poll(due)
        if request := b"".join(driver.commands()):
            asked += request
            events += driver.feed(request, due) if echo else []
    return events, asked


def check_redaction(subject: Subject) -> None:
    """A redacted frame says the same of another card."""
    for capture in subject.own:
        redact = subject.spec.redact_with(make_options(subject.spec, capture.options))
        if redact is None:
            continue
        before = facts(subject.driver(capture).feed(capture.data, 0.0))
        redacted = rewrite(subject.driver(capture), capture.data, _edit(redact))
        after = facts(subject.driver(capture).feed(redacted, 0.0))
        assert len(redacted) == len(capture.data), capture.name
        assert [event["event"] for event in after] == [event["event"] for event in before], capture.name
        for old, new in zip(before, after, strict=True):
            is_kept = old["event"] != "frame" and "value" in old and old["value"] == new["value"]
            assert not is_kept, f"{capture.name} keeps a card number"


def _edit(redact: Callable[[bytes, Swap], bytes]) -> Edit:
    return lambda frame: redact(frame, _shifted)


def _shifted(number: str) -> str:
    """Another number of the same form: each digit the next one."""
    digits = "0123456789" if number.isdecimal() else "0123456789ABCDEF"
    shifted = {digit: digits[(n + 1) % len(digits)] for n, digit in enumerate(digits)}
    return "".join(shifted.get(digit, digit) for digit in number.upper())


CHECKS: dict[str, Callable[[Subject], None]] = {
    "captures mean what they say": check_captures,
    "any split gives the same events": check_splits,
    "noise changes no fact": check_noise,
    "a cut frame times out and hurts no other": check_cuts,
    "reset and close forget": check_reset,
    "no fact in another family's capture": check_foreign,
    "events keep to the spec": check_honesty,
    "floods are harmless": check_floods,
    "it asks from START to reset": check_asking,
    "a redacted frame speaks of another card": check_redaction,
}
"""Name to check; each takes a Subject and raises AssertionError."""
