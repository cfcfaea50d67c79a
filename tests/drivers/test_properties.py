"""Property tests over every registered driver: streams made of frames, halves of frames and noise, in any pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import registry
from drivers.events import BadFrame, Incomplete
from drivers.suite import Capture, Subject, load, said

CAPTURES = Path(__file__).parent.parent / "captures"
SUBJECTS = {name: Subject(registry.find(name), load(CAPTURES / name)) for name in registry.names()}


@st.composite
def streams(draw: st.DrawFn, captures: list[Capture]) -> tuple[Capture, bytes, list[int]]:
    """A capture (for its options), a stream of its frames, cuts, repeated starts and noise, and where to split it."""
    capture = draw(st.sampled_from(captures))
    size = len(capture.data)
    cut = st.integers(0, size).map(lambda end: capture.data[:end])
    tail = st.integers(0, size).map(lambda start: capture.data[start:])
    noise = st.one_of(st.binary(max_size=20), st.text("0123456789ABCDEF\r\n\x02\x03", max_size=20).map(str.encode))
    starts = st.integers(1, 6).map(lambda count: capture.data[:1] * count)
    stream = b"".join(draw(st.lists(st.one_of(st.just(capture.data), cut, tail, noise, starts), max_size=8)))
    return capture, stream, draw(st.lists(st.integers(0, len(stream)), max_size=10))


@pytest.mark.parametrize("name", SUBJECTS)
def test_any_split_of_any_stream_gives_the_same_events(name: str) -> None:
    subject = SUBJECTS[name]

    @settings(max_examples=300, deadline=None)
    @given(streams(subject.own))
    def check(drawn: tuple[Capture, bytes, list[int]]) -> None:
        capture, stream, cuts = drawn
        whole = subject.driver(capture)
        expected = said(whole.feed(stream, 0.0) + whole.close())
        edges = [0, *sorted(cuts), len(stream)]
        for borders in (edges, range(len(stream) + 1)):
            driver = subject.driver(capture)
            events = [
                e for a, b in zip(borders, list(borders)[1:], strict=False) for e in driver.feed(stream[a:b], 0.0)
            ]
            assert said(events + driver.close()) == expected

    check()


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_byte_is_refused_twice(name: str) -> None:
    subject = SUBJECTS[name]

    @settings(max_examples=200, deadline=None)
    @given(streams(subject.own))
    def check(drawn: tuple[Capture, bytes, list[int]]) -> None:
        capture, stream, _ = drawn
        driver = subject.driver(capture)
        events = driver.feed(stream, 0.0) + driver.close()
        refused = sum(event.bytes for event in events if isinstance(event, (BadFrame, Incomplete)))
        assert refused <= len(stream)

    check()


@pytest.mark.parametrize("name", SUBJECTS)
def test_silence_settles_everything(name: str) -> None:
    subject = SUBJECTS[name]

    @settings(max_examples=200, deadline=None)
    @given(streams(subject.own))
    def check(drawn: tuple[Capture, bytes, list[int]]) -> None:
        capture, stream, _ = drawn
        driver = subject.driver(capture)
        driver.feed(stream, 0.0)
        due = driver.next_poll()
        if due is not None:
            assert driver.poll(due - 0.01) == []
            driver.poll(due)
        assert driver.next_poll() is None
        assert driver.close() == []

    check()
