"""Time together is the time two subjects' stays have in common, and no moment of it counts twice."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from presence_world import at, punch

from traceability.presence.contacts import contacts
from traceability.presence.memory import Presence
from traceability.presence.moments import LEVELS, Span, covered_ms, total_ms

WHO = ("card/k1:a", "card/k1:b", "card/k1:c")

pairs = st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda each: (each[0], each[0] + each[1]))
punches = st.builds(
    punch,
    st.integers(0, 300).map(float),
    st.sampled_from([who.removeprefix("card/") for who in WHO]),
    st.sampled_from(("in", "out")),
    st.sampled_from(("gate", "door", "lab")),
    outcome=st.sampled_from(("completed", "completed", "ambiguous", "assumed")),
    error_ms=st.sampled_from((0, 20_000, 300_000)),
    gateway=st.sampled_from(("edge", "side")),
)


@given(st.lists(pairs, max_size=12))
def test_numbers_and_spans_cover_the_same_time(times: list[tuple[int, int]]) -> None:
    assert covered_ms(times) == total_ms(Span(*pair) for pair in times)


@settings(max_examples=150, deadline=None)
@given(st.lists(punches, max_size=25), st.integers(0, 200), st.integers(1, 200))
def test_what_two_have_in_common_is_what_their_stays_have(facts: list[object], begin: int, minutes: int) -> None:
    presence = Presence(facts)  # type: ignore[arg-type]
    window = Span(at(begin), at(begin + minutes))
    told = contacts(presence, WHO[0], window)
    found = {
        each.subject: (each.sure_ms, each.likely_ms, each.possible_ms) for each in (*told.contacts, *told.possible)
    }
    for other in WHO[1:]:
        both = [
            (mine, theirs)
            for mine in presence.of_subject(WHO[0], window)
            for theirs in presence.of_subject(other, window)
            if (mine.site, mine.zone) == (theirs.site, theirs.zone)
        ]
        common = tuple(
            total_ms(mine.extent(level).cut(theirs.extent(level)).cut(window) for mine, theirs in both)
            for level in LEVELS
        )
        assert found.get(other, (0, 0, 0)) == common
