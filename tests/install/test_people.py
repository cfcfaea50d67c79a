"""The oracle of the machine: what records say was not watched is excused, and nothing else."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import oracle
import pytest
from oracle import judge
from people import People, Stroke, Swipe, token

READER = "lane-1-in"
NOON = 1_800_000_000.0


def lines(*told: tuple[float, str, str | None]) -> list[bytes]:
    """Records of one journal: seconds after noon, type, the card that was read."""
    made: list[bytes] = []
    for seq, (after_s, what, card) in enumerate(told, 1):
        data: dict[str, Any] = {"seq": seq, "epoch": "e", "live": True, "clock": {}, "device": READER}
        data["prev"] = hashlib.sha256(made[-1]).hexdigest() if made else "0" * 64
        if card:
            data["subject"] = {"token": token(card)}
        source = "/hq/edge-01" + ("" if what.startswith("gateway") else f"/{READER}")
        time = datetime.fromtimestamp(NOON + after_s, UTC).isoformat(timespec="milliseconds")
        record = {"type": f"punchgate.{what}.v1", "source": source, "time": time, "data": data}
        made.append(json.dumps(record).encode())
    return made


CARDS = [f"0C{number:08X}" for number in range(9)]
READS = [(10.0 * number, "credential.read", card) for number, card in enumerate(CARDS)]
DIED = [(0.0, "gateway.started", None), (0.0, "device.up", None), *READS[:4]]
DIED += [(50.0, "gateway.started", None), (51.0, "device.up", None), *READS[6:]]


@pytest.fixture
def people() -> People:
    """Each card at its time; the daemon is killed 37 s after noon, and watches again 51 s after it."""
    made = People()
    made.strokes = [Stroke(NOON + 37, frozenset())]
    made.swipes = [Swipe(READER, card, NOON + 10 * number) for number, card in enumerate(CARDS)]
    return made


def test_who_came_while_the_records_say_that_nobody_watched_is_not_lost(people: People) -> None:
    verdict = judge(people, lines(*DIED), [])
    assert [it.card for it in verdict.unwatched] == CARDS[4:6]
    assert (verdict.lost, verdict.remarks) == ([], [])


def heard(*told: tuple[float, bytes]) -> list[tuple[float, bytes]]:
    """Lines that a subscriber got, so many seconds after noon."""
    return [(NOON + at, b"punchgate/v1/hq/edge-01/records " + line.hex().encode()) for at, line in told]


def test_what_was_in_hand_when_the_daemon_died_came_last_and_no_earlier_than_others_had_to_wait(
    people: People,
) -> None:
    without_last = lines(*(it for it in DIED if it[2] != CARDS[3]))
    verdict = judge(people, without_last, heard((26.8, without_last[4])))
    assert ([it.card for it in verdict.lost], verdict.in_hand) == ([CARDS[3]], [])
    verdict = judge(people, without_last, heard((27.0, without_last[4])))
    assert ([it.card for it in verdict.in_hand], verdict.lost) == ([CARDS[3]], [])
    assert (round(verdict.held_s, 1), round(verdict.bound_s, 1)) == (7.0, 7.1)
    verdict = judge(people, without_last, heard((48.0, without_last[4])))
    assert [it.card for it in verdict.lost] == [CARDS[3]], "told only afterwards"
    without_another = lines(*(it for it in DIED if it[2] != CARDS[2]))
    verdict = judge(people, without_another, heard((30.1, without_another[4])))
    assert [it.card for it in verdict.lost] == [CARDS[2]]


def test_what_others_had_to_wait_long_before_is_no_measure(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracle, "RECENT", 1)
    without_last = lines(*(it for it in DIED if it[2] != CARDS[3]))
    verdict = judge(people, without_last, heard((19.0, without_last[3]), (21.0, without_last[4])))
    assert [it.card for it in verdict.lost] == [CARDS[3]]


def test_who_came_when_the_records_say_that_somebody_watched_again_is_lost(people: People) -> None:
    late = [*DIED[:7], (50.0, "device.up", None), *DIED[8:]]
    early = [*DIED[:7], (49.0, "device.up", None), *DIED[8:]]
    assert [it.card for it in judge(people, lines(*late), []).lost] == []
    assert [it.card for it in judge(people, lines(*early), []).lost] == [CARDS[5]]


def test_a_daemon_that_ended_by_itself_is_no_excuse(people: People) -> None:
    people.strokes = []
    assert [it.card for it in judge(people, lines(*DIED), []).lost] == CARDS[4:6]


def test_a_stroke_is_noted_before_it_falls_and_excuses_once(people: People) -> None:
    people.strokes = [Stroke(NOON + 25, frozenset())]
    assert [it.card for it in judge(people, lines(*DIED), []).unwatched] == CARDS[4:6]
    again = [*DIED[:9], (65.0, "gateway.started", None), (75.0, "device.up", None), DIED[10]]
    assert [it.card for it in judge(people, lines(*again), []).lost] == [CARDS[7]]


def test_an_orderly_stop_is_an_excuse_from_its_own_record_on(people: People) -> None:
    people.strokes = []
    stopped = [*DIED[:6], (39.0, "gateway.stopped", None), *DIED[6:]]
    assert [it.card for it in judge(people, lines(*stopped), []).unwatched] == CARDS[4:6]
    people.strokes = [Stroke(NOON + 37, frozenset())]
    stopped[6] = (41.0, "gateway.stopped", None)
    assert [it.card for it in judge(people, lines(*stopped), []).lost] == [CARDS[4]]


def test_another_readers_plug_is_no_excuse(people: People) -> None:
    told = [*DIED[:6], (38.0, "device.down", None), *DIED[7:]]
    people.strokes = [Stroke(NOON + 37, frozenset(["lane-2-in"]))]
    assert [it.card for it in judge(people, lines(*told), []).lost] == CARDS[4:6]
    people.strokes = [Stroke(NOON + 37, frozenset([READER]))]
    assert [it.card for it in judge(people, lines(*told), []).unwatched] == CARDS[4:6]


def test_the_machines_clock_may_be_another(people: People) -> None:
    told = lines(*[(at + 60.0, what, card) for at, what, card in DIED])
    boot = {"": (59.9, 60.1)}
    verdict = judge(people, told, heard((0.05, told[2])), boot)
    assert (verdict.lost, verdict.remarks, len(verdict.unwatched)) == ([], [], 2)
    assert len(judge(people, told, heard((0.05, told[2]))).remarks) == 1


def test_a_gap_that_no_record_tells_is_a_loss(people: People) -> None:
    verdict = judge(people, lines(*(it for it in DIED if it[0] not in (50.0, 51.0))), [])
    assert [it.card for it in verdict.lost] == CARDS[4:6]


def test_what_was_told_and_is_gone_or_changed_is_remarked(people: People) -> None:
    held = lines(*DIED)
    other = held[2].replace(b'"live": true', b'"live": false')
    verdict = judge(people, held, heard((0.0, other)))
    assert verdict.remarks == ["told, and gone or changed: [('e', 3)]"]
    assert verdict.told == 1


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("invented", [*DIED, (90.0, "credential.read", "0CFFFFFFFF")]),
        ("twice, or out of turn", [*DIED, READS[8]]),
        ("misdated by 7.0 s", [*DIED[:-1], (73.0, "credential.read", CARDS[8])]),
    ],
)
def test_a_read_that_is_not_so_is_remarked(
    people: People, flaw: str, told: list[tuple[float, str, str | None]]
) -> None:
    (remark,) = judge(people, lines(*told), []).remarks
    assert flaw in remark


def test_a_read_that_was_told_before_it_happened_is_misdated(people: People) -> None:
    held = lines(*DIED)
    (remark,) = judge(people, held, heard((-9.0, held[2]))).remarks
    assert remark.startswith("misdated by 9.0 s: 3 at")


def test_a_line_that_is_missing_breaks_the_chain(people: People) -> None:
    held = lines(*DIED)
    assert any(it.startswith("chain: e 4 follows e 2") for it in judge(people, held[:2] + held[3:], []).remarks)


def test_who_comes_to_a_device_that_went_down_and_stays_down_is_not_lost(people: People) -> None:
    people.strokes = [Stroke(NOON + 15, frozenset([READER]))]
    told = [*DIED[:4], (15.0, "device.down", None)]
    assert [it.card for it in judge(people, lines(*told), []).unwatched] == CARDS[2:]
    assert [it.card for it in judge(people, lines(*DIED[:4]), []).lost] == CARDS[2:]
