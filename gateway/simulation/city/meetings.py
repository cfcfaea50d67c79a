"""Who met whom, as a centre says it, held against the truth: each pair of people is a claim. See `judge`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.simulation.city.judge import CARD, SLACK_MS, Answer, Judge, Window, looked_at, states
from gateway.simulation.city.layout import Place

Others = Mapping[str, Any]
"""A contact for each person."""
TIMES = ("sure_ms", "likely_ms", "possible_ms")
NOBODY: Answer = dict.fromkeys(TIMES, 0) | {"zones": [], "subjects": []}


def judge_contacts(judge: Judge, answer: Answer, window: Window, least_ms: int) -> None:
    """The time of everybody who met the subject for long enough, or is said to have, zone by zone."""
    tally = judge.tally("contacts")
    (person,) = judge.bearers(answer["subject"], window[0])
    met = judge.truth.meetings(person, *window)
    long_enough = judge.truth.contacts(person, *window, least_ms).keys()
    likely = by_person(judge, answer["contacts"], window)
    said = by_person(judge, [*answer["contacts"], *answer["possible"]], window)
    claims = {pair for pair in met if pair[0] in long_enough}
    claims |= {(who, (zone["site"], zone["zone"])) for who, each in likely.items() for zone in each["zones"]}
    for other, place in sorted(claims):
        true_ms = met.get((other, place), 0)
        shared = _at(said.get(other), place)
        doubts = _doubts(answer, shared, true_ms)
        if any(subject.startswith(CARD) for subject in said.get(other, NOBODY)["subjects"]):
            doubts.add("unresolved")
        ms = 0 if shared is None else shared["likely_ms"]
        words = f"{person} and {other} at {place} in {window}: {true_ms} ms, not {shared}"
        is_right = abs(ms - true_ms) <= SLACK_MS
        tally.add(is_right, doubts, words, beyond=judge.beyond({person, other}, window[1], window[0], place))


def _at(contact: Answer | None, place: Place) -> Answer | None:
    """What is said of one zone."""
    zones = () if contact is None else contact["zones"]
    return next((zone for zone in zones if _place(zone) == place), None)


def _doubts(answer: Answer, shared: Answer | None, true_ms: int) -> set[str]:
    """What is said against the time of one pair in one zone, or against there being none."""
    if shared is None:
        return scope_doubts(answer)
    others = set(answer["scope"]["sites"]) - {shared["site"]}
    doubts = states([gap for gap in answer["scope"]["gaps"] if gap["site"] not in others], None, looked_at(answer))
    doubts |= {"unknown"} if answer["unknown"] else set()
    is_within = shared["sure_ms"] - SLACK_MS <= true_ms <= shared["possible_ms"] + SLACK_MS
    if is_within and shared["sure_ms"] < shared["possible_ms"] - SLACK_MS:
        doubts.add("bounds")
    return doubts


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
        doubts = scope_doubts(answer["first"]) | scope_doubts(answer)
        doubts |= {"possible"} if other in possible or (other in close and other not in likely) else set()
        if other in likely:
            links = [likely[other], *(close[who] for who in judge.bearers(by[other], window[0]) if who in close)]
            doubts |= {"bounds"} if any(link["sure_ms"] < least_ms for link in links) else set()
            doubts |= {"possible"} if other in close else set()
        words = f"{other} is {'not ' * (other not in truth)}a contact of a contact of {person} in {window}"
        is_right = other in truth and other in likely
        tally.add(is_right, doubts, words, beyond=judge.beyond({person, other}, window[1], window[0]))


def by_person(judge: Judge, contacts: Iterable[Answer], window: Window) -> Others:
    """The contact of each person, who may be several subjects: those of cards that are nobody's are added up."""
    found: dict[str, Any] = {}
    for each in contacts:
        for person in judge.bearers(each["subject"], window[0]):
            found[person] = _sum(found.get(person, NOBODY), each)
    return found


def _sum(one: Answer, other: Answer) -> Answer:
    ms: dict[str, Any] = {name: one[name] + other[name] for name in TIMES}
    zones = [{"site": site, "zone": zone} for site, zone in sorted({_place(each) for each in _zones(one, other)})]
    for zone in zones:
        same = [each for each in _zones(one, other) if _place(each) == _place(zone)]
        zone |= {name: sum(each[name] for each in same) for name in TIMES}
    return ms | {"zones": zones, "subjects": [*one["subjects"], other["subject"]]}


def _zones(one: Answer, other: Answer) -> list[Answer]:
    return [*one["zones"], *other["zones"]]


def _place(zone: Answer) -> Place:
    return zone["site"], zone["zone"]


def scope_doubts(answer: Answer) -> set[str]:
    """What an answer says of itself as a whole."""
    doubts = {gap["state"] for gap in answer["scope"]["gaps"]}
    doubts |= {f"{gap['state']}_elsewhere" for gap in answer.get("elsewhere", ())}
    return doubts | ({"unknown"} if answer.get("unknown") else set())
