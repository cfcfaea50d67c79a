"""The arithmetic of the verdict: each kind of mistake is seen and counted once."""

import json
from typing import Any

import pytest

from gateway.simulation.oracle import OrganisationKey, Presented, Verdict, beyond_s, judge
from gateway.simulation.people import Fact
from gateway.wire import timestamp

KEY = OrganisationKey("k1", bytes.fromhex("00112233445566778899aabbccddeeff" * 2))
CARD, OTHER = "0C000621A5", "67003B51C6"
START_MS = 1_790_000_000_000


def test_the_token_is_the_contracts_example() -> None:
    assert KEY.token("em4100", CARD) == "k1:213a2e2c5a337b6548040af9024d0b27"


def read(card: str, at_ms: int, kind: str = "read", outcome: str = "completed") -> Presented:
    return Presented(Fact(kind, "lobby-1", "in-1", "in", outcome, "em4100", card), START_MS + at_ms)  # type: ignore[arg-type]


def passed(at_ms: int, outcome: str = "completed") -> Presented:
    return Presented(Fact("pass", "lobby-1", "arm-1", "in", outcome), START_MS + at_ms)  # type: ignore[arg-type]


class Ledger:
    """Lines as the centre would export them."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def add(self, kind: str, at_ms: int, **data: Any) -> int:
        seq = len(self.lines) + 1
        name = f"hq/edge-01/5c1f0a9be2d74f11/{seq}"
        event = {"id": name, "type": f"punchgate.{kind}.v1", "time": timestamp(START_MS + at_ms)}
        data = {"seq": seq, "lane": "lobby-1", "clock": {"error_ms": None}, **data}
        self.lines.append(json.dumps(event | {"data": data}).encode())
        return seq

    def read(self, card: str, at_ms: int, **clock: int | None) -> int:
        subject = {"token": KEY.token("em4100", card)}
        return self.add("credential.read", at_ms, device="in-1", subject=subject, clock={"error_ms": None} | clock)

    def passage(self, at_ms: int) -> int:
        return self.add("passage.sensed", at_ms, device="arm-1", direction="in", count=1)

    def punch(self, at_ms: int, read: int | None, passes: list[int], outcome: str = "completed") -> int:
        return self.add("punch", at_ms, refs={"read": read, "passes": passes}, outcome=outcome)

    def visit(self, card: str, at_ms: int) -> int:
        number = self.read(card, at_ms)
        return self.punch(at_ms + 500, number, [self.passage(at_ms + 500)])


def verdict(presented: list[Presented], ledger: Ledger) -> Verdict:
    return judge(presented, ledger.lines, KEY)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


PLAYED = [read(CARD, 0), passed(500), read(OTHER, 9000), passed(9500)]


def test_a_faithful_ledger_is_clean(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.visit(OTHER, 9004)
    found = verdict(PLAYED, ledger)
    assert found.line == "2 punches, 0 lost, 0 duplicated"
    assert found.clean
    assert (found.as_acted, found.acted) == (2, 2)


def test_an_empty_ledger_has_lost_everything_and_is_not_clean(ledger: Ledger) -> None:
    found = verdict(PLAYED, ledger)
    assert found.line == "0 punches, 4 lost, 0 duplicated"
    assert not found.clean
    assert not verdict([], ledger).clean


def test_a_presentation_without_a_read_is_lost(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.punch(9500, None, [ledger.passage(9500)], "forced")
    assert verdict(PLAYED, ledger).lost == 1


def test_a_pass_that_was_not_sensed_is_lost(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.punch(12000, ledger.read(OTHER, 9000), [], "not_taken")
    assert verdict(PLAYED, ledger).lost == 1


def test_a_second_read_of_one_presentation_is_duplicated(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.visit(OTHER, 9004)
    ledger.punch(9100, ledger.read(OTHER, 9100), [], "not_taken")
    found = verdict(PLAYED, ledger)
    assert (found.lost, found.duplicated) == (0, 1)


def test_a_lost_read_and_an_invented_one_of_the_same_card_do_not_cancel_out(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.visit(OTHER, 9004)
    ledger.punch(60100, ledger.read(CARD, 60000), [], "not_taken")
    found = verdict([*PLAYED, read(CARD, 90000)], ledger)
    assert (found.lost, found.duplicated) == (1, 1)


def test_a_read_may_be_later_than_the_card_by_what_it_had_waited_and_no_earlier(ledger: Ledger) -> None:
    ledger.punch(30_500, ledger.read(CARD, 30_000, waited_ms=26_000), [], "assumed")
    assert verdict([read(CARD, 0)], ledger).clean
    early = verdict([read(CARD, 60_000)], ledger)
    assert (early.lost, early.duplicated) == (1, 1)


def test_two_cards_of_which_one_had_waited_are_told_apart(ledger: Ledger) -> None:
    waited, now = ledger.read(CARD, 20_000, waited_ms=30_000), ledger.read(CARD, 20_100)
    for number in (waited, now):
        ledger.punch(21_000, number, [], "assumed")
    assert verdict([read(CARD, 0), read(CARD, 20_000)], ledger).clean


@pytest.mark.parametrize(
    ("clock", "at_s", "beyond"),
    [
        ({"error_ms": None}, -3.0, 3.0),
        ({"error_ms": None, "waited_ms": 2000}, -3.0, 1.0),
        ({"error_ms": None, "waited_ms": 2000}, 3.0, 3.0),
        ({"error_ms": 2500, "waited_ms": 2000}, -3.0, 0.5),
        ({"error_ms": 2500, "waited_ms": 2000}, 3.0, 2.5),
        ({"error_ms": 500}, 3.0, 2.5),
    ],
)
def test_a_time_is_excused_by_its_wait_to_the_past_and_by_its_clock_either_way(
    clock: dict[str, int], at_s: float, beyond: float
) -> None:
    event = {"time": timestamp(START_MS), "data": {"clock": clock}}
    assert beyond_s(event, START_MS / 1000 + at_s) == pytest.approx(beyond, abs=1e-3)


def test_a_record_stored_twice_is_duplicated(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.visit(OTHER, 9004)
    ledger.lines.append(ledger.lines[2])
    found = verdict(PLAYED, ledger)
    assert found.line == "2 punches, 0 lost, 1 duplicated"


def test_a_hole_in_the_numbers_is_a_loss_even_if_nothing_else_is_missing(ledger: Ledger) -> None:
    ledger.visit(CARD, 3)
    ledger.add("clock.anchor", 700)
    del ledger.lines[-1]
    ledger.lines.append(b"")
    ledger.visit(OTHER, 9004)
    assert verdict(PLAYED, ledger).lost == 1


def test_repeated_frames_must_be_counted_exactly(ledger: Ledger) -> None:
    number = ledger.read(CARD, 0)
    ledger.punch(0, number, [], "assumed")
    ledger.add("credential.repeated", 3000, device="in-1", read=number, count=2)
    played = [read(CARD, 0), read(CARD, 65, "repeat"), read(CARD, 130, "repeat")]
    assert verdict(played, ledger).clean
    assert verdict([*played, read(CARD, 195, "repeat")], ledger).lost == 1
    assert verdict(played[:2], ledger).duplicated == 1


def test_a_read_that_no_punch_mentions_is_lost_and_one_with_two_punches_is_duplicated(ledger: Ledger) -> None:
    first, second = ledger.read(CARD, 0), ledger.read(OTHER, 9000)
    ledger.punch(0, first, [], "assumed")
    assert verdict([read(CARD, 0), read(OTHER, 9000)], ledger).lost == 1
    ledger.punch(9000, second, [], "assumed")
    ledger.punch(9000, second, [], "assumed")
    assert verdict([read(CARD, 0), read(OTHER, 9000)], ledger).duplicated == 1


def test_a_tailgate_shares_the_read_and_duplicates_nothing(ledger: Ledger) -> None:
    ledger.visit(CARD, 0)
    ledger.punch(1200, 1, [ledger.passage(1200)], "tailgate")
    found = verdict([read(CARD, 0), passed(500), passed(1200, "tailgate")], ledger)
    assert found.clean
    assert (found.as_acted, found.acted) == (2, 2)
