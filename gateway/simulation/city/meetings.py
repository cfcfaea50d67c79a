"""Who met whom, as a centre says it, held against the truth: each pair of people is a claim. See `judge`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.simulation.city.judge import SLACK_MS, Answer, Judge, Window, states
from gateway.simulation.city.settings import DAY

Others = Mapping[str, Any]
"""A contact for each person."""


def judge_contacts(judge: Judge, answer: Answer, window: Window, least_ms: int) -> None:
    """The time together of everybody who met the subject, or is said to have: likely, within its bounds."""
    tally = judge.tally("contacts")
    (person,) = judge.bearers(answer["subject"], window[0])
    met = judge.truth.contacts(person, *window)
    likely = by_person(judge, answer["contacts"], window)
    possible = by_person(judge, answer["possible"], window)
    for other in sorted({who for who, ms in met.items() if ms >= least_ms} | likely.keys()):
        true_ms = met.get(other, 0)
        said = likely.get(other) or possible.get(other)
        is_right = other in likely and abs(likely[other]["likely_ms"] - true_ms) <= SLACK_MS * len(said["zones"])
        doubts = scope_doubts(answer, window)
        if said is not None and said["sure_ms"] - SLACK_MS <= true_ms <= said["possible_ms"] + SLACK_MS:
            doubts |= {"bounds"} if said["sure_ms"] < said["possible_ms"] - SLACK_MS else set()
        if said is not None and said["subject"].startswith("card/"):
            doubts.add("unresolved")
        words = f"{person} and {other} in {window}: {true_ms} ms, not {_told(said)}"
        tally.add(is_right, doubts, words, beyond=judge.beyond({person, other}, window[0]))


def judge_second_degree(judge: Judge, answer: Answer, window: Window, least_ms: int) -> None:
    """Who is a contact of a contact."""
    tally = judge.tally("second_degree")
    (person,) = judge.bearers(answer["subject"], window[0])
    truth = judge.truth.second_degree(person, *window, least_ms)
    first = answer["first"]
    close = by_person(judge, [*first["contacts"], *first["possible"]], window)
    likely = by_person(judge, [each["contact"] for each in answer["second"]], window)
    by = {
        who: each["by"] for each in answer["second"] for who in judge.bearers(each["contact"]["subject"], window[0])
    }
    possible = by_person(judge, [each["contact"] for each in answer["possible"]], window)
    for other in sorted(truth.keys() | likely.keys()):
        doubts = scope_doubts(answer["first"], window) | scope_doubts(answer, window)
        doubts |= {"possible"} if other in possible or (other in close and other not in likely) else set()
        if other in likely:
            links = [likely[other], *(close[who] for who in judge.bearers(by[other], window[0]) if who in close)]
            doubts |= {"bounds"} if any(link["sure_ms"] < least_ms for link in links) else set()
            doubts |= {"possible"} if other in close else set()
        words = f"{other} is {'not ' * (other not in truth)}a contact of a contact of {person} in {window}"
        is_right = other in truth and other in likely
        tally.add(is_right, doubts, words, beyond=judge.beyond({person, other}, window[0]))


def by_person(judge: Judge, contacts: Iterable[Answer], window: Window) -> Others:
    """The contact of each person; of somebody with several cards that are nobody's, the longest."""
    found: dict[str, Any] = {}
    for each in sorted(contacts, key=lambda each: each["likely_ms"]):
        found |= dict.fromkeys(judge.bearers(each["subject"], window[0]), each)
    return found


def scope_doubts(answer: Answer, window: Window) -> set[str]:
    """What an answer says of itself as a whole."""
    doubts = states(answer["scope"]["gaps"], None, window)
    doubts |= {f"{state}_elsewhere" for state in states(answer.get("elsewhere", ()), None, window)}
    return doubts | ({"unknown"} if answer.get("unknown") else set())


def _told(said: Answer | None) -> str:
    return "a word" if said is None else f"{said['sure_ms']}, {said['likely_ms']}, {said['possible_ms']}"
