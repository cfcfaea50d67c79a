"""The documentation of pairing is drawn from its tables."""

from __future__ import annotations

from pathlib import Path

from pairing_page import TABLES, page

from gateway.passage import table
from gateway.passage.memory import State

PAGE = Path(__file__).parents[2] / "docs" / "pairing.md"


def test_the_page_is_what_the_tables_say_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python tests/passage/pairing_page.py > docs/pairing.md"


def test_every_word_of_the_tables_has_a_meaning() -> None:
    words = {*State, *table.ReadInput, *table.PassInput, *table.WorldInput}
    assert words == set(table.MEANING)


def test_every_input_occurs_in_its_table() -> None:
    for _, rows, inputs in TABLES:
        assert {kind for row in rows.values() for kind in row} == set(inputs)
