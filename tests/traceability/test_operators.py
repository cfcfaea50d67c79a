"""What operators said before is known to who says something now, whatever the deriver has made of it meanwhile."""

from __future__ import annotations

import json

import pytest
from centre_bench import Wall

from traceability.database import Database
from traceability.ledger import Ledger
from traceability.presence.facts import voided
from traceability.whereabouts import desk
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.desk import Entry, said_so_far, say
from traceability.whereabouts.view import TableView


@pytest.mark.parametrize("turns_ahead_ms", [None, 0, 1, 60_000])
def test_a_card_that_is_somebodys_clashes_from_the_moment_on_it_was_said(
    ledger: Ledger, database: Database, wall: Wall, turns_ahead_ms: int | None
) -> None:
    """Not taken into account yet; or by a turn whose moment is later than this operator's clock."""
    now_ms = wall()
    with database.writing() as connection:
        say(connection, "binding", "b1", bound("b1", "p-1", now_ms), now_ms)
    if turns_ahead_ms is not None:
        Deriver(database, lambda: now_ms + turns_ahead_ms).turn()
    with database.writing() as connection:
        held = said_so_far(connection, now_ms)
        other = held.take(Entry(0, "b2", "binding", bound("b2", "p-2", now_ms - 3_600_000), None), now_ms)
        assert [clash.split()[-1] for clash in held.clashes(other)] == ["b1"]


def bound(name: str, person: str, from_ms: int) -> str:
    return json.dumps({"id": name, "token": "k1:aa", "person": person, "from_ms": from_ms, "to_ms": None})


def test_what_is_declared_wrong_is_worked_out_once_for_a_question_however_much_was_corrected(
    ledger: Ledger, database: Database, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms, worked = wall(), []
    with database.writing() as connection:
        for number in range(50):
            words = {"id": f"c{number}", "target": f"hq/edge-01/{'0' * 16}/{number + 1}", "reason": "did_not_occur"}
            say(connection, "declaration", f"c{number}", json.dumps(words), now_ms)
    Deriver(database, wall).turn()
    monkeypatch.setattr(desk, "voided", lambda told: worked.append(1) or voided(told))
    with database.reading() as connection:
        assert len(TableView(connection).atlas.maps) == 0
        assert len(desk.desk_at(connection, now_ms + 1000).void) == 50
    assert len(worked) == 1
