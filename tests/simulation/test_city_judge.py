"""The judge of a centre's answers finds what is wrong without a word of doubt, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.simulation.city.blame import Unseen
from gateway.simulation.city.claims import Tally, table
from gateway.simulation.city.deliveries import Delivery, ordered
from gateway.simulation.city.judge import Judge
from gateway.simulation.city.meetings import judge_contacts, judge_second_degree
from gateway.simulation.city.people import Bound
from gateway.simulation.city.settings import DAY, HOUR
from gateway.simulation.city.truth import TruePerson, Truth
from gateway.simulation.city.walk import TrueStay

WINDOW = (0, 10 * HOUR)
LOOKED_AT = {"begin_ms": -DAY, "end_ms": DAY}
NO_SCOPE = {"as_of_ms": 3 * HOUR, "sites": ["s01"], "looked_at": LOOKED_AT, "gaps": []}
DEAD = {"site": "s01", "lane": "gate", "span": {"begin_ms": 2 * HOUR, "end_ms": 3 * HOUR}, "state": "blind"}


def truth(shares: bool = False) -> Truth:
    """Ann from one to five, bob from two to four in the same room; cid at home, with a card that is nobody's."""
    people = {
        name: TruePerson(name, "staff", "works", "s01-0", (f"k1:{name}",), shares) for name in ("ann", "bob", "cid")
    }
    stays = (TrueStay("ann", "s01", "b1", HOUR, 5 * HOUR), TrueStay("bob", "s01", "b1", 2 * HOUR, 4 * HOUR))
    bound = tuple(Bound(f"k1:{name}", name, -DAY, None, -DAY) for name in ("ann", "bob"))
    return Truth(people, stays, bound, (), (), (), "")


def entry(subject: str, zone: str = "b1", **more: Any) -> dict[str, Any]:
    words = {"subject": subject, "zone": zone, "since_ms": HOUR, "seen_ms": HOUR, "flags": []}
    return words | {"is_open": False, "aged": False} | more


def roster(*present: dict[str, Any], **more: Any) -> dict[str, Any]:
    words = {"scope": NO_SCOPE, "site": "s01", "present": present, "possible": (), "unnamed": {"high": 0}}
    return words | more


def kinds(tally: Tally) -> dict[str, int]:
    return {kind: weight for kind, weight in tally.weight.items() if weight}


ANN, BOB = entry("person/ann"), entry("card/k1:bob")
BOB_OUT = entry("person/bob", "b2", seen_ms=8 * HOUR)
BEFORE = DEAD | {"span": {"begin_ms": -2 * HOUR, "end_ms": -HOUR}}
BEHIND = DEAD | {"span": {"begin_ms": 11 * HOUR, "end_ms": 12 * HOUR}}
LATE = DEAD | {"span": {"begin_ms": 6 * HOUR, "end_ms": 7 * HOUR}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (roster(ANN, entry("person/bob")), {"agreed": 2}),
        (roster(ANN, BOB), {"agreed": 1, "careful": 1}),
        (roster(ANN), {"agreed": 1, "unflagged": 1}),
        (roster(ANN, possible=[BOB]), {"agreed": 1, "flagged": 1}),
        (roster(ANN, unnamed={"high": 1}), {"agreed": 1, "flagged": 1}),
        (roster(ANN, entry("person/bob", "b2")), {"agreed": 1, "unflagged": 1}),
        (roster(ANN, entry("person/bob", "b2", flags=["no_exit"])), {"agreed": 1, "flagged": 1}),
        (roster(ANN, BOB, entry("person/cid")), {"agreed": 1, "careful": 1, "unflagged": 1}),
        (roster(ANN, entry("person/bob"), entry("person/cid", is_open=True)), {"agreed": 2, "flagged": 1}),
        (roster(ANN, scope=NO_SCOPE | {"gaps": [DEAD]}), {"careful": 1, "flagged": 1}),
        (roster(ANN, BOB_OUT, scope=NO_SCOPE | {"gaps": [LATE]}), {"agreed": 1, "flagged": 1}),
    ],
)
def test_each_person_of_a_roster_is_a_claim(answer: dict[str, Any], expected: dict[str, int]) -> None:
    judge = Judge(truth())
    judge.roster(answer)
    assert kinds(judge.tallies["roster"]) == expected
    assert judge.unflagged == expected.get("unflagged", 0)


def test_where_a_card_is_used_by_two_no_record_can_show_it() -> None:
    judge = Judge(truth(shares=True))
    judge.roster(roster(ANN))
    assert kinds(judge.tallies["roster"]) == {"agreed": 1, "beyond": 1}


@pytest.mark.parametrize(
    ("named", "low", "high", "expected"),
    [(2, 2, 2, "agreed"), (2, 1, 3, "careful"), (1, 1, 2, "flagged"), (1, 1, 1, "unflagged"), (2, 3, 3, "unflagged")],
)
def test_a_number_of_people_is_right_within_its_bounds(named: int, low: int, high: int, expected: str) -> None:
    judge = Judge(truth())
    judge.headcount({"scope": NO_SCOPE, "site": "s01", "named": named, "total_low": low, "total_high": high}, None)
    assert kinds(judge.tallies["headcount"]) == {expected: 1}


def leg(kind: str, begin: int, end: int, **more: Any) -> dict[str, Any]:
    span = {"begin_ms": begin * HOUR, "end_ms": end * HOUR}
    place = {"site": "s01", "zone": "b1", "sure": span, "possible": span} if kind == "stay" else {}
    nothing = {"site": None, "zone": None, "sure": None, "possible": None, "flags": [], "is_open": False}
    return nothing | {"kind": kind, "span": span} | place | more


def way(*legs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"scope": NO_SCOPE, "subject": "person/ann", "legs": legs, "elsewhere": ()} | more


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (way(leg("outside", 0, 1), leg("stay", 1, 5), leg("outside", 5, 10)), {"agreed": 10}),
        (way(leg("unknown", 0, 1), leg("stay", 1, 5), leg("outside", 5, 10)), {"agreed": 9, "careful": 1}),
        (way(leg("outside", 0, 1), leg("stay", 1, 5)), {"agreed": 5, "flagged": 5}),
        (way(leg("outside", 0, 1), leg("stay", 1, 3), leg("outside", 3, 10)), {"agreed": 8, "unflagged": 2}),
        (
            way(leg("outside", 0, 1), leg("stay", 1, 3), leg("unknown", 3, 10)),
            {"agreed": 3, "flagged": 2, "careful": 5},
        ),
        (
            way(leg("outside", 0, 1), leg("stay", 1, 6, sure=leg("stay", 1, 2)["span"]), leg("outside", 6, 10)),
            {"agreed": 6, "careful": 3, "flagged": 1},
        ),
        (way(leg("outside", 0, 10), elsewhere=[DEAD]), {"agreed": 1, "careful": 5, "flagged": 4}),
        (way(leg("outside", 0, 10), elsewhere=[BEFORE]), {"careful": 6, "flagged": 4}),
        (
            way(leg("outside", 0, 1), leg("stay", 1, 10), scope=NO_SCOPE | {"gaps": [BEHIND]}),
            {"agreed": 1, "careful": 4, "flagged": 5},
        ),
    ],
)
def test_a_way_is_weighed_by_its_time(answer: dict[str, Any], expected: dict[str, int]) -> None:
    judge = Judge(truth())
    judge.trajectory(answer, WINDOW)
    assert {kind: weight // HOUR for kind, weight in kinds(judge.tallies["trajectory"]).items()} == expected


def contact(subject: str, sure: int, likely: int, possible: int) -> dict[str, Any]:
    ms = {"sure_ms": sure * HOUR, "likely_ms": likely * HOUR, "possible_ms": possible * HOUR}
    return {"subject": subject, "zones": [{"site": "s01", "zone": "b1"} | ms]} | ms


def met(*contacts: dict[str, Any], **more: Any) -> dict[str, Any]:
    words = {"scope": NO_SCOPE, "subject": "person/ann", "contacts": contacts, "possible": ()}
    return words | {"unknown": (), "elsewhere": ()} | more


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (met(contact("person/bob", 2, 2, 2)), {"agreed": 1}),
        (met(contact("card/k1:bob", 1, 1, 1), contact("person/bob", 1, 1, 1)), {"careful": 1}),
        (met(contact("person/bob", 1, 1, 1)), {"unflagged": 1}),
        (met(contact("person/bob", 0, 1, 3)), {"flagged": 1}),
        (met(), {"unflagged": 1}),
        (met(unknown=[{"begin_ms": 0, "end_ms": HOUR}]), {"flagged": 1}),
        (met(elsewhere=[DEAD]), {"flagged": 1}),
        (met(contact("person/bob", 2, 2, 2), contact("person/cid", 1, 1, 1)), {"agreed": 1, "unflagged": 1}),
    ],
)
def test_each_pair_of_people_is_a_claim(answer: dict[str, Any], expected: dict[str, int]) -> None:
    judge = Judge(truth())
    judge_contacts(judge, answer, WINDOW, HOUR)
    assert kinds(judge.tallies["contacts"]) == expected


def test_who_carries_a_card_that_is_nobodys_besides_his_own_may_have_met_anybody() -> None:
    missed = Unseen("ann", HOUR, "s01", "gate", ("outside", "outside"), ("s01", "b1"), "unbound")
    judge = Judge(replace(truth(), unseen=(missed,)))
    judge_contacts(judge, met(), WINDOW, HOUR)
    judge.trajectory(way(leg("outside", 0, 10)), WINDOW)
    assert (kinds(judge.tallies["contacts"]), judge.unflagged) == ({"beyond": 1}, 0)


TAILGATE = Unseen("bob", 2 * HOUR, "s01", "b1-1", ("s01", "yard"), ("s01", "b1"), "tailgate")
BACK = Unseen("bob", 4 * HOUR, "s01", "b1-1", ("s01", "b1"), ("s01", "yard"), "one_sided")


@pytest.mark.parametrize(
    ("unseen", "expected"),
    [
        ((TAILGATE, BACK), {"agreed": 1, "beyond": 1}),
        ((TAILGATE, replace(BACK, target=("s01", "b2"))), {"agreed": 1, "unflagged": 1}),
        ((TAILGATE, replace(BACK, why="device_down")), {"agreed": 1, "unflagged": 1}),
        ((TAILGATE,), {"agreed": 1, "unflagged": 1}),
        ((replace(TAILGATE, person="cid"), BACK), {"agreed": 1, "unflagged": 1}),
    ],
)
def test_who_followed_another_in_and_came_out_unnamed_was_in_the_yard_all_the_time_for_all_records_say(
    unseen: tuple[Unseen, ...], expected: dict[str, int]
) -> None:
    judge = Judge(replace(truth(), unseen=unseen))
    judge.roster(roster(ANN, entry("person/bob", "yard")))
    assert kinds(judge.tallies["roster"]) == expected
    judge_contacts(judge, met(), WINDOW, HOUR)
    assert kinds(judge.tallies["contacts"]) == {"beyond" if "beyond" in expected else "unflagged": 1}


def test_a_contact_of_a_contact_that_never_was_is_found() -> None:
    judge, third = Judge(truth()), {"by": "person/bob", "contact": contact("person/cid", 1, 1, 1)}
    words = {"scope": NO_SCOPE, "subject": "person/ann", "first": met(contact("person/bob", 2, 2, 2))}
    judge_second_degree(judge, words | {"second": [third], "possible": []}, WINDOW, HOUR)
    assert kinds(judge.tallies["second_degree"]) == {"unflagged": 1}
    judge_second_degree(judge, words | {"second": [], "possible": [third]}, WINDOW, HOUR)
    assert judge.unflagged == 1


def test_what_is_wrong_without_a_word_stands_at_the_end_of_the_table() -> None:
    judge = Judge(truth())
    judge.roster(roster(ANN))
    *_, last = table(judge.tallies)
    assert last == f"UNFLAGGED roster: bob is at s01 b1 at {3 * HOUR} and not named"


@pytest.mark.parametrize("order", ["true", "shuffled", "twice", "late"])
def test_in_another_order_nothing_is_missing_and_states_come_when_they_came(order: Any) -> None:
    sent = [
        Delivery(number * HOUR, "s01", "edge-01", "state" if number % 5 == 0 else "records", [b"%d" % number])
        for number in range(200)
    ]
    came = list(ordered(sent, order, 1))
    assert [each for each in came if each.leaf == "state"] == [each for each in sent if each.leaf == "state"]
    assert {each.lines[0] for each in came} == {each.lines[0] for each in sent}
    assert [each.arrive_ms for each in came] == sorted(each.arrive_ms for each in came)
    late = [each for each in came if each.arrive_ms > int(each.lines[0]) * HOUR]
    assert bool(late) == (order != "true")
    assert all(each.arrive_ms - int(each.lines[0]) * HOUR <= 7 * DAY + 1 for each in late)
    assert (len(came) > len(sent)) == (order == "twice")
