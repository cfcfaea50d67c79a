"""Many rows at once: what is appended is what is read back, and rows by their places are found through an index."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from traceability.database import Database
from traceability.database.portable import append
from traceability.whereabouts import lines, tables
from traceability.whereabouts.rows import Row

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
ODD = st.sampled_from(["\\N", "\\.", "a\tb\\tc\n\r\\n", "'", '"', "{1,2}", " ", ""])


def sign(seq: int, text: str, best_ms: int | None, live: bool) -> Row:
    words: Row = {column.name: None for column in tables.signs.c}
    return words | {
        "stream": 1,
        "seq": seq,
        "known_from": 1,
        "known_to": 2**53,
        "best_ms": best_ms,
        "kind": text,
        "live": live,
        "why": text,
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS | ODD, st.none() | st.integers(-(2**53), 2**53), st.booleans()), max_size=9))
def test_rows_that_are_appended_are_read_back_as_they_were(
    database: Database, told: list[tuple[str, int | None, bool]]
) -> None:
    rows = [sign(seq, *words) for seq, words in enumerate(told)]
    with database.writing() as connection:
        connection.execute(delete(tables.signs))
        append(connection, tables.signs, rows)
        found = connection.execute(select(tables.signs).order_by(tables.signs.c.seq)).all()
    assert [dict(row._mapping) for row in found] == rows


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)  # a server plans by what it holds
@pytest.mark.parametrize("maker", [lines._lines_at, lines._dates_at])
def test_rows_by_their_places_are_found_without_a_look_at_all_others(database: Database, maker: Any) -> None:
    with database.writing() as connection:
        text = str(maker("sqlite").compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.replace(':given', 'NULL')}")]
    assert any(step.startswith(("SEARCH records USING", "SEARCH signs USING")) for step in plan)
    assert not any(step.startswith(("SCAN records", "SCAN signs")) for step in plan)
