"""Lines of a real morning as facts, and lines nobody should have written."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import Line, read_line
from traceability.clocks import reading_of
from traceability.dating import Chronicle, Dated
from traceability.presence.facts import Punch, Unplaced
from traceability.presence.memory import Presence
from traceability.presence.moments import Span
from traceability.presence.reading import fact_of, sign_of

MORNING = Path(__file__).parent.parent / "docs" / "morning.jsonl"
NOBODY = Dated(None, None, None, None, "order")


def lines() -> list[Line]:
    return [read_line(raw) for raw in MORNING.read_bytes().splitlines()]


def dated(line: Line) -> Dated:
    return Chronicle([], {}).date(reading_of(line))


def changed(line: Line, **data: object) -> Line:
    return Line(
        line.site, line.gateway, line.epoch, line.seq, line.prev, line.type, line.time, line.raw, line.data | data
    )


def a_punch() -> Line:
    return next(line for line in lines() if line.data.get("outcome") == "completed")


def test_a_morning_of_real_records_becomes_stays_counts_and_coverage() -> None:
    presence = Presence()
    for line in lines():
        fact, sign = fact_of(line, dated(line), 0), sign_of(line, dated(line), 0)
        assert (fact is not None) == (line.type == "punchgate.punch.v1")
        assert sign is not None
        presence.watch(sign)
        if fact is not None:
            presence.add(fact)
    assert {(stay.site, stay.zone) for stay in presence.stays} >= {("hq", "lobby")}
    ever = Span(0, 2**50)
    assert {step.outcome for step in presence.flows("hq", ever)} == {"anonymous", "forced", "tailgate"}
    moved = [step for subject in presence.subjects(ever) for step in presence.steps_of(subject, ever)]
    assert {step.outcome for step in moved if step.role == "moved"} == {"completed", "assumed"}
    assert {step.outcome for step in moved if step.role == "maybe"} == {"ambiguous"}
    first, last = (sign_of(each, dated(each), 0) for each in (lines()[0], lines()[-1]))
    assert first is not None
    assert last is not None
    covered = presence.coverage("hq", Span(first.at_ms - 1000, last.at_ms))
    assert {each.state for each in covered if each.lane == "lobby-1"} >= {"unknown", "observed", "blind"}


def test_a_punch_keeps_what_it_rests_on_by_the_names_of_the_records() -> None:
    line = a_punch()
    fact = fact_of(line, dated(line), 7)
    assert isinstance(fact, Punch)
    stream = fact.id.rpartition("/")[0]
    assert fact.known_ms == 7
    assert fact.refs == (f"{stream}/{line.data['refs']['read']}", f"{stream}/{line.data['refs']['passes'][0]}")
    assert (fact.from_zone, fact.to_zone, fact.token) == ("outside", "lobby", line.data["subject"]["token"])


def test_what_cannot_be_dated_moves_nobody_and_is_said() -> None:
    told = fact_of(a_punch(), NOBODY, 0)
    assert isinstance(told, Unplaced)
    assert told.why == "undated"
    assert Presence([told]).unplaced() == [told]


def test_an_order_alone_gives_bounds_and_a_middle() -> None:
    fact = fact_of(a_punch(), Dated(None, None, 1000, 3000, "order"), 0)
    assert isinstance(fact, Punch)
    assert (fact.when.earliest_ms, fact.when.best_ms, fact.when.latest_ms) == (1000, 2000, 3000)


ODD = (None, True, -1, 0, 2**70, 1.5, "", "in", "2026-11-23T00:00:00Z", [], [None, 7], {}, {"token": 3, "count": -1})
KEYS = (
    "portal",
    "lane",
    "direction",
    "subject",
    "outcome",
    "refs",
    "from_zone",
    "lost",
    "device",
    "confidence",
    "live",
)


@given(
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(ODD)),
    st.sampled_from(["punchgate.punch.v1", "punchgate.records.lost.v1"]),
)
def test_no_line_whatever_is_in_it_breaks_the_reading(data: dict[str, object], kind: str) -> None:
    line = a_punch()
    line = changed(
        Line(line.site, line.gateway, line.epoch, line.seq, line.prev, kind, line.time, line.raw, line.data), **data
    )
    presence = Presence()
    fact, sign = fact_of(line, dated(line), 0), sign_of(line, dated(line), 0)
    if fact is not None:
        presence.add(fact)
    if sign is not None:
        presence.watch(sign)
    json.dumps([repr(stay) for stay in presence.stays])
    presence.coverage("hq", Span(0, 2**50))
