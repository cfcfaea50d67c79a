"""What records say: zones, references, words."""

from __future__ import annotations

import pytest
from unit_drafts import PLACE, moment

from gateway.records import Basis, Body, Direction, Draft, Lost, Notice, Punch, Subject, seq_of, type_of


def punch(direction: Direction, basis: Basis = "pass_sensor", **more: object) -> Punch:
    return Punch(
        device="d",
        place=PLACE,
        driver="em4100",
        direction=direction,
        basis=basis,
        subject=Subject("anonymous"),
        outcome="anonymous",
        confidence="confirmed",
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("direction", "zones"), [("in", ("outside", "lobby")), ("out", ("lobby", "outside")), ("unknown", (None, None))]
)
def test_zones_are_those_of_the_movement(direction: Direction, zones: tuple[str | None, str | None]) -> None:
    words = punch(direction).words()
    assert (words["from_zone"], words["to_zone"]) == zones


def test_references_become_numbers_when_their_drafts_have_one() -> None:
    read, passage = Draft(Notice(kind="x"), moment(), seq=4), Draft(Notice(kind="x"), moment(), seq=5)
    refs = punch("in", read=read, passes=(passage, 9), burst=2, candidates=(read, 3)).words()["refs"]
    assert refs == {"read": 4, "passes": [5, 9], "burst": 2, "candidates": [4, 3]}


def test_a_reference_to_what_is_not_in_the_journal_is_refused() -> None:
    with pytest.raises(LookupError):
        seq_of(Draft(Notice(kind="x"), moment()))


def test_optional_references_are_left_out() -> None:
    assert punch("in").words()["refs"] == {"read": None, "passes": []}


def test_a_clear_value_is_there_only_when_asked_for() -> None:
    assert "value" not in Subject("credential", token="k1:0").as_dict()
    assert Subject("credential", token="k1:0", value="0012").as_dict()["value"] == "0012"


def test_a_notice_leaves_out_what_is_unknown() -> None:
    assert Notice(kind="device.up", device="d", details={"x": None}).words() == {"device": "d", "x": None}


def test_unknown_parts_of_a_loss_are_null() -> None:
    lost = Lost(cause="damage").words()["lost"]
    assert lost == dict.fromkeys(["epoch", "first", "last", "count", "from", "to", "device"]) | {"cause": "damage"}


def test_a_type_is_the_word_between_prefix_and_version() -> None:
    assert type_of(punch("in")) == "punch"
    assert type_of(Notice(kind="device.up")) == "device.up"


def test_a_body_without_words_is_a_bug() -> None:
    with pytest.raises(TypeError):
        Body().words()
