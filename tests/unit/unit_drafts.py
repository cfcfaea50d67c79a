"""Drafts of every kind, for tests of what becomes of them on the wire."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from gateway.clock import Moment, Quality
from gateway.records import (
    CredentialRead,
    CredentialRepeated,
    Draft,
    Lost,
    Notice,
    PassageSensed,
    Place,
    Punch,
    Subject,
)
from gateway.wire import Origin

ORIGIN = Origin("hq", "edge-01", "Asia/Shanghai", "5c1f0a9be2d74f11")
PLACE = Place("lobby", "lobby-1", "outside", "lobby")
QUALITY = Quality("synced", "ntp", 12, "b1f2")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
SEQS = st.integers(1, 2**40)


def moment(time_ms: int = 1_795_400_000_412, *, live: bool = True) -> Moment:
    """An instant of the year 2026."""
    return Moment(time_ms, 1.0, 8_812_345_678, QUALITY, live)


QUALITIES = st.builds(
    Quality, st.just("holdover"), st.just("local"), st.none() | st.integers(0, 16_000), st.just("b")
)
LIVED = st.builds(moment, st.integers(0, 4_000_000_000_000), live=st.booleans())
WAITED = st.builds(replace, LIVED, waited_ms=st.just(0) | st.integers(0, 10**9), quality=QUALITIES)
MOMENTS = WAITED | st.builds(
    replace,
    WAITED,
    live=st.just(False),
    device_time=st.just("2026-11-23T08:00:00") | TEXTS,
    device_error_ms=st.integers(0, 10**6),
)
SUBJECTS = st.builds(
    Subject,
    kind=st.sampled_from(["credential", "anonymous", "group", "vehicle"]),
    token=st.none() | TEXTS,
    scheme=st.none() | TEXTS,
    bits=st.none() | st.integers(0, 512),
    count=st.integers(1, 99),
    value=st.none() | TEXTS,
)
DEVICES = st.sampled_from(["lane-1-in", "lane-1-out"])
BODIES = st.one_of(
    st.builds(
        CredentialRead,
        device=DEVICES,
        place=st.just(PLACE),
        driver=TEXTS,
        side=st.sampled_from(["in", "out", "both"]),
        subject=SUBJECTS,
        decision=st.sampled_from(["granted", "denied", None]),
    ),
    st.builds(CredentialRepeated, device=DEVICES, read=SEQS, count=st.integers(1, 99), until=TEXTS),
    st.builds(
        PassageSensed,
        device=DEVICES,
        place=st.just(PLACE),
        driver=TEXTS,
        direction=st.sampled_from(["in", "out", "unknown"]),
    ),
    st.builds(
        Punch,
        device=DEVICES,
        place=st.just(PLACE),
        driver=TEXTS,
        direction=st.sampled_from(["in", "out", "unknown"]),
        basis=st.sampled_from(["pass_sensor", "reader_side", "none"]),
        subject=SUBJECTS,
        outcome=st.sampled_from(["completed", "ambiguous"]),
        confidence=st.sampled_from(["confirmed", "ambiguous"]),
        read=st.none() | SEQS,
        passes=st.tuples(SEQS) | st.just(()),
        burst=st.none() | SEQS,
        candidates=st.tuples(SEQS, SEQS) | st.just(()),
    ),
    st.builds(Notice, kind=st.just("device.down"), device=DEVICES, reason=st.none() | TEXTS),
    st.builds(Lost, cause=st.just("quota"), count=st.none() | SEQS, since=st.none() | TEXTS),
)
DRAFTS = st.builds(Draft, BODIES, MOMENTS)
