"""Cards: one token for one card, two for two."""

from __future__ import annotations

import pytest
from check_bench import Bench, only

from gateway.check.cards import schemes, short_views

SECOND = """
[[ports]]
url = "./second"

  [[ports.devices]]
  id = "reader-2"
  driver = "wiegand_line"
  lane = "lobby-1"
"""
NATIVE = 'driver = "em4100"'


def second(bench: Bench, driver: str = '"wiegand_line"', *words: str) -> None:
    bench.file.write_text(bench.file.read_text() + SECOND.replace('"wiegand_line"', "\n".join([driver, *words])))


def test_one_kind_of_reader_needs_no_note(bench: Bench) -> None:
    second(bench, NATIVE.removeprefix("driver = "))
    assert bench.examine(schemes) == []
    assert bench.examine(short_views) == []


def test_a_view_of_24_bits_is_a_note_that_cards_can_collide(bench: Bench) -> None:
    bench.edit((NATIVE, f'{NATIVE}\nview = "wiegand26"'))
    found = only(bench.examine(short_views), "note")
    assert "reader-1" in found.what
    assert "collide" in found.why


def test_a_reader_that_sends_24_bits_of_its_own_is_in_that_note_too(bench: Bench) -> None:
    second(bench, '"wiegand_line"', 'options = { form = "wiegand26" }')
    assert "reader-2" in only(bench.examine(short_views), "note").what


def test_different_readers_of_one_lane_in_their_native_views_are_a_note(bench: Bench) -> None:
    second(bench)
    found = only(bench.examine(schemes), "note")
    assert found.what == (
        "lane lobby-1: its readers see a card in different forms: reader-1 em4100, reader-2 wiegand_line"
    )
    assert "two tokens" in found.why


@pytest.mark.parametrize("view", ["low32", "wiegand34", "low32+reverse_bytes"])
def test_a_common_view_makes_them_agree(bench: Bench, view: str) -> None:
    second(bench, '"wiegand_line"', f'view = "{view}"')
    bench.edit((NATIVE, f'{NATIVE}\nview = "{view}"'))
    assert bench.examine(schemes) == []


def test_a_scanner_beside_a_card_reader_is_no_matter(bench: Bench) -> None:
    second(bench, '"scanner"')
    assert bench.examine(schemes) == []
    bench.edit(('"scanner"', '"line"\noptions = { event = "scan" }'))
    assert bench.examine(schemes) == []


def test_a_line_configured_for_another_readers_scheme_agrees_with_it(bench: Bench) -> None:
    second(bench, '"line"', 'options = { scheme = "em4100", form = "hex" }')
    assert bench.examine(schemes) == []


def test_a_line_that_reports_passages_is_no_reader(bench: Bench) -> None:
    bench.edit(('to_zone = "lobby"', 'to_zone = "lobby"\nsensor = "one"'))
    second(
        bench,
        '"line"',
        "options = { pattern = '(?P<direction>in|out)', directions = ['in', 'out'] }",
        'directions = { in = "in", out = "out" }',
    )
    assert bench.examine(schemes) == []
