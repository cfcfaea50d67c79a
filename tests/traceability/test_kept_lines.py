"""A line of the ledger is read again as it was read when it was taken, only faster."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Rejected
from gateway.wire import GENESIS, read_line
from traceability.whereabouts.lines import kept_line

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner))


def line(more: str, device: str = "") -> bytes:
    """With a member `more` of its data, given as JSON, and another of the same name before it."""
    head = {"specversion": "1.0", "id": "hq/edge-01/0123456789abcdef/7", "source": f"/hq/edge-01{device}"}
    head |= {"type": "punchgate.punch.v1", "time": "2026-11-23T08:00:00.000Z"}
    data = json.dumps({"seq": 7, "epoch": "0123456789abcdef", "prev": GENESIS, "site": "hq", "more": 1})
    return f'{json.dumps(head)[:-1]}, "data": {data[:-1]}, "more": {more}}}}}'.encode()


def same(one: Any, other: Any) -> bool:
    """Equal, and a number that is whole on one side is so on the other."""
    return repr(one) == repr(other)


@given(VALUES, st.booleans(), st.sampled_from(["", "/gate-in"]))
def test_every_line_that_can_be_taken_is_read_as_it_was(value: Any, ascii_only: bool, device: str) -> None:
    raw = line(json.dumps(value, ensure_ascii=ascii_only), device)
    try:
        taken = read_line(raw)
    except Rejected:
        return  # a number that is none, half a character
    assert same(kept_line(raw), taken)


@pytest.mark.parametrize("more", ["[" * 300 + "]" * 300, "1e400", "-0", "1E3", str(10**400), '"\\ud83d\\ude00"'])
def test_odd_json_too(more: str) -> None:
    assert same(kept_line(line(more)), read_line(line(more)))
