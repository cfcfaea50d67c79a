"""Facts in few words for the tests of presence: minutes of one day, a map of two sites, card `k1:a` and so on."""

from __future__ import annotations

from hypothesis import strategies as st

from traceability.presence.facts import Counted, Declaration, Fact, Move, Punch
from traceability.presence.memory import Presence
from traceability.presence.moments import MINUTE_MS, Span, When, exactly
from traceability.presence.stays import Stay

DAY_MS = 1_795_392_000_000
LANES = {
    "gate": ("outside", "lobby"),
    "door": ("lobby", "office"),
    "lab": ("office", "lab"),
}
ALL = Span(DAY_MS - 10**9, DAY_MS + 10**9)


def at(minute: float) -> int:
    """Unix ms of a minute of the day."""
    return DAY_MS + round(minute * MINUTE_MS)


def around(minute: float, error_ms: int = 0) -> When:
    return When(at(minute), at(minute) - error_ms, at(minute) + error_ms)


def punch(
    minute: float,
    token: str | None,
    direction: str = "in",
    lane: str = "gate",
    *,
    site: str = "hq",
    outcome: str = "completed",
    error_ms: int = 0,
    known: float | None = None,
    seq: int | None = None,
    count: int = 1,
    gateway: str = "edge",
) -> Punch:
    """A punch at a lane of LANES; `seq` as the minute, and known at its minute, unless said otherwise."""
    zones = LANES[lane] if direction == "in" else LANES[lane][::-1]
    from_zone, to_zone = (None, None) if direction == "unknown" else zones
    return Punch(
        id=f"{site}/{gateway}/e1/{round(minute * 1000) if seq is None else seq}",
        known_ms=at(minute if known is None else known),
        when=around(minute, error_ms),
        site=site,
        portal=lane,
        lane=lane,
        direction=direction,
        from_zone=from_zone,
        to_zone=to_zone,
        kind="anonymous" if token is None else "credential",
        token=token,
        outcome=outcome,
        count=count,
    )


def move(
    minute: float, subject: str, to_zone: str, from_zone: str | None = None, *, known: float, seq: int = 1
) -> Move:
    return Move(f"operator/{seq}", at(known), exactly(at(minute)), subject, "hq", to_zone, from_zone)


def wrong(target: str, *, known: float, seq: int = 1) -> Declaration:
    return Declaration(f"operator/d/{seq}", at(known), target, "did_not_occur")


def told(stay: Stay) -> tuple[str, str, float, float | None, tuple[str, ...]]:
    """Subject, zone, likely beginning and end in minutes, flags."""
    end = None if stay.end is None else (stay.end.when.best_ms - DAY_MS) / MINUTE_MS
    return stay.subject, stay.zone, (stay.start.when.best_ms - DAY_MS) / MINUTE_MS, end, stay.flags


def stays(*facts: Fact) -> list[tuple[str, str, float, float | None, tuple[str, ...]]]:
    return [told(stay) for stay in Presence(facts).stays]


TOKENS = ("k1:a", "k1:b", "k1:c")
OUTCOMES = (
    "completed",
    "completed",
    "completed",
    "assumed",
    "ambiguous",
    "not_taken",
    "denied",
    "tailgate",
    "forced",
)


@st.composite
def punches(draw: st.DrawFn, minutes: int = 40) -> Punch:
    """Any punch: two sites, three lanes, three cards, clocks that are good, bad or without a bound."""
    outcome = draw(st.sampled_from(OUTCOMES))
    named = outcome not in {"tailgate", "forced"}
    minute = draw(st.integers(0, minutes))
    return punch(
        minute,
        draw(st.sampled_from(TOKENS)) if named else None,
        draw(st.sampled_from(("in", "out", "in", "out", "unknown"))),
        draw(st.sampled_from(sorted(LANES))),
        site=draw(st.sampled_from(("hq", "dorm"))),
        outcome=outcome,
        error_ms=draw(st.sampled_from((0, 12, 30_000, 600_000))),
        known=minute + draw(st.integers(0, 60)),
        seq=draw(st.integers(1, 60)),
    )


@st.composite
def corrections(draw: st.DrawFn, targets: list[str]) -> Fact:
    """What an operator may say of these facts."""
    seq, known = draw(st.integers(1, 6)), draw(st.integers(0, 100))
    if draw(st.booleans()):
        return wrong(draw(st.sampled_from(targets)), known=known, seq=seq)
    subject = draw(st.sampled_from([f"card/{token}" for token in TOKENS]))
    zone = draw(st.sampled_from(("outside", "lobby", "office")))
    return move(draw(st.integers(0, 40)), subject, zone, known=known, seq=seq)


@st.composite
def worlds(draw: st.DrawFn, most: int = 14) -> list[Fact]:
    """Facts of which some are versions of each other, some declared wrong."""
    facts: list[Fact] = list(draw(st.lists(punches(), min_size=1, max_size=most)))
    targets = [fact.id for fact in facts] + [f"operator/d/{seq}" for seq in range(1, 7)]
    facts += draw(st.lists(corrections(targets), max_size=4))
    if draw(st.booleans()):
        facts.append(Counted("operator/c/1", at(3), exactly(at(2)), "hq", "lobby", draw(st.integers(0, 3))))
    return facts
