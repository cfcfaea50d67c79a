"""The answers of a centre that took a whole city, held against the truth of it.

Questions are drawn by a seed, so that centres which took the same records another way are asked the same. A `digest`
is of all answers without the moment at which they were known.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from city_centre import Centre

from gateway.simulation.city.judge import Judge
from gateway.simulation.city.meetings import judge_contacts, judge_second_degree
from gateway.simulation.city.settings import DAY, HOUR, MINUTE, Settings
from gateway.simulation.city.truth import Truth
from gateway.wire import compact
from traceability.presence.answers import as_dict
from traceability.presence.contacts import Rules, contacts
from traceability.presence.moments import Span
from traceability.presence.roster import headcount, roster
from traceability.presence.second_degree import second_degree
from traceability.presence.trajectory import trajectory
from traceability.presence.view import View
from traceability.whereabouts.view import TableView

LEAST_MS = 15 * MINUTE
RULES = Rules(threshold_ms=LEAST_MS, brush_ms=0)
MET_WITHIN = DAY


@dataclass(frozen=True)
class Sample:
    """How much is asked: moments of sites, people and their windows of so many days; a few people's second degree."""

    moments: int = 200
    people: int = 100
    meetings: int = 50
    second: int = 10
    days: int = 3
    seed: int = 1


Question = tuple[str, str, int, int]
"""What is asked, of whom or where, and about which span (unix ms)."""


def questions(truth: Truth, during: Span, sample: Sample) -> Iterator[Question]:
    """Those of a sample, about these days, in a fixed order."""
    rng = Random(f"questions/{sample.seed}")
    sites, people = sorted({stay.site for stay in truth.stays}), sorted(truth.persons)
    for _ in range(sample.moments):
        at_ms = rng.randrange(during.begin_ms + min(6 * HOUR, during.length_ms // 2), during.end_ms)
        yield "roster", rng.choice(sites), at_ms, at_ms
        site = rng.choice(sites)
        yield "headcount", site, at_ms, at_ms
        yield f"headcount {rng.choice(_zones(truth, site))}", site, at_ms, at_ms
    for kind, count, days in (
        ("trajectory", sample.people, sample.days),
        ("contacts", sample.meetings, 1),
        ("second_degree", sample.second, 1),
    ):
        for _ in range(count):
            begin_ms = rng.randrange(during.begin_ms, max(during.begin_ms + 1, during.end_ms - days * DAY))
            end_ms = min(during.end_ms, begin_ms + days * DAY)
            yield kind, rng.choice(people), begin_ms, end_ms


def _zones(truth: Truth, site: str) -> list[str]:
    """Those that nothing lies within, so that the truth counts them as the map does."""
    return sorted({stay.zone for stay in truth.stays_at(site)} - {"yard"})


def ask(view: View, question: Question) -> Any:
    """The answer to one question."""
    kind, who, begin_ms, end_ms = question
    subject, window = f"person/{who}", Span(begin_ms, end_ms)
    match kind.split():
        case ["roster"]:
            return roster(view, who, begin_ms)
        case ["headcount", *zone]:
            return headcount(view, who, begin_ms, zone=zone[0] if zone else None)
        case ["trajectory"]:
            return trajectory(view, subject, window)
        case ["contacts"]:
            return contacts(view, subject, window, RULES)
        case _:
            return second_degree(view, subject, window, {}, RULES)


def weigh(judge: Judge, question: Question, answer: Any, prefix: str = "") -> None:
    """Hold one answer against the truth."""
    kind, _, *window = question
    begin_ms, end_ms = window
    match kind.split():
        case ["roster"]:
            judge.roster(answer, f"{prefix}roster")
        case ["headcount", *zone]:
            judge.headcount(answer, zone[0] if zone else None, f"{prefix}{'zone' if zone else 'site'} count")
        case ["trajectory"]:
            judge.trajectory(answer, (begin_ms, end_ms))
        case ["contacts"]:
            judge_contacts(judge, answer, (begin_ms, end_ms), LEAST_MS)
        case _:
            judge_second_degree(judge, answer, (begin_ms, end_ms), LEAST_MS)


def timeless(words: Any) -> Any:
    """An answer without the moment at which it was known."""
    if isinstance(words, dict):
        return {key: timeless(value) for key, value in words.items() if key != "known_at_ms"}
    return [timeless(each) for each in words] if isinstance(words, list | tuple) else words


@dataclass
class Asked:
    """What a centre said in the end. `digest`: of all of it; `ms`: the slowest question of each kind."""

    judge: Judge
    digest: str = ""
    ms: dict[str, int] = field(default_factory=dict)


def ask_all(centre: Centre, truth: Truth, asked: list[Question], said: Callable[[str], None]) -> Asked:
    """All of the questions, of one state of the database."""
    result, digest = Asked(Judge(truth)), hashlib.sha256()
    with centre.database.reading(at_once=True) as connection:
        view = TableView(connection)
        for number, question in enumerate(asked):
            begun = time.monotonic()
            answer = as_dict(ask(view, question))
            kind = question[0].split()[0]
            result.ms[kind] = max(result.ms.get(kind, 0), round(1000 * (time.monotonic() - begun)))
            digest.update(compact(timeless(answer)))
            weigh(result.judge, question, answer)
            said(f"{number + 1} of {len(asked)} questions asked, {result.judge.unflagged} wrong without a flag")
    result.digest = digest.hexdigest()
    return result


@dataclass
class Memory:
    """Answers given while records came, to be asked for again as known then. `judge`: what they were worth then."""

    judge: Judge
    settings: Settings
    rng: Random = field(default_factory=lambda: Random("then"))
    told: list[tuple[Question, int, bytes]] = field(default_factory=list)
    changed: int = 0
    """How many would be answered otherwise now."""

    def note(self, centre: Centre) -> None:
        """Ask of now, and keep the answers."""
        truth, now_ms = self.judge.truth, centre.now_ms
        since_ms = max(self.settings.begin_ms, now_ms - DAY)
        site, person = (
            self.rng.choice(sorted({stay.site for stay in truth.stays})),
            self.rng.choice(sorted(truth.persons)),
        )
        with centre.database.reading(at_once=True) as connection:
            view = TableView(connection)
            for question in (
                ("roster", site, now_ms, now_ms),
                ("headcount", site, now_ms, now_ms),
                ("trajectory", person, since_ms, now_ms),
                ("contacts", person, since_ms, now_ms),
            ):
                answer = as_dict(ask(view, question))
                self.told.append((question, view.known_at_ms, compact(answer)))
                if question[0] in ("roster", "headcount") and now_ms < self.settings.end_ms:
                    weigh(self.judge, question, answer, "then ")

    def differing(self, centre: Centre) -> list[str]:
        """Those that are answered otherwise, asked again as known then."""
        found = []
        with centre.database.reading(at_once=True) as connection:
            for question, known_at_ms, told in self.told:
                again = compact(as_dict(ask(TableView(connection, known_at_ms), question)))
                if again != told:
                    found.append(f"{question} as known at {known_at_ms}")
                now = compact(timeless(as_dict(ask(TableView(connection), question))))
                self.changed += now != compact(timeless(json.loads(told)))
        return found
