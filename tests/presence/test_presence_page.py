"""The page about presence says what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from presence_world import LANES, punch

from traceability.presence.coverage import WORST
from traceability.presence.facts import Punch
from traceability.presence.map_file import read_map
from traceability.presence.memory import Presence
from traceability.presence.moments import LEVELS, MINUTE_MS
from traceability.presence.oddities import Cause
from traceability.presence.stays import Flag, Stay

PAGE = (Path(__file__).parents[2] / "docs" / "presence.md").read_text(encoding="utf-8")


def firsts(header: str) -> list[str]:
    """The first words of a table's rows."""
    section = PAGE.split(f"| {header} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `(\w+)`", section, re.MULTILINE)


def test_every_flag_cause_extent_and_state_is_explained_in_its_order() -> None:
    assert set(firsts("flag")) == set(get_args(Flag))
    assert firsts("cause") == list(get_args(Cause))
    assert firsts("extent") == list(LEVELS)
    assert firsts("state") == list(WORST)


def test_the_map_of_the_page_is_one() -> None:
    text = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    told = read_map(text.group(1), 0)
    assert (set(told.sites), told.zone("hq", "lobby").capacity) == ({"hq", "line-9"}, 80)


def test_the_worked_example_is_what_the_code_says() -> None:
    given, made = re.findall(r"```text\n(.*?)```", PAGE.split("<!-- example: morning -->")[1], re.DOTALL)[:2]
    told = [" ".join(line.split()) for line in made.splitlines()]
    assert told == [said(stay) for stay in Presence(map(fact, given.splitlines())).stays]


def fact(line: str) -> Punch:
    clock, lane, direction, outcome, zones = line.split(maxsplit=4)
    hour, minute = map(int, clock.split(":"))
    made = punch(hour * 60 + minute, "k1:a", direction, lane, outcome=outcome)
    assert zones == f"{made.from_zone} -> {made.to_zone}"
    assert lane in LANES
    return made


def said(stay: Stay) -> str:
    assert stay.end is not None
    likely, possible = stay.extent("likely"), stay.extent("possible")
    text = f"{stay.zone} {clock(likely.begin_ms)} – {clock(likely.end_ms)}"
    if possible != likely:
        text += f", at most until {clock(possible.end_ms)}"
    return " ".join((text, *stay.flags))


def clock(at_ms: int) -> str:
    minutes = (at_ms - punch(0, None).when.best_ms) // MINUTE_MS
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
