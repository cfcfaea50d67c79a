"""The real ledger's receipts and the real gateway's belief in them, over a network that does what it likes.

Receipts are lost, come twice and in any order; records come in any order, and again. Nothing that the ledger lacks
is ever settled; and one receipt more, the next one or that of a birth, settles all that it has.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from centre_bench import Wall
from centre_lines import EPOCH, chain
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spans import Spans
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import Receipt, compact, read_receipt
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.states import State
from traceability.streams import Key

COUNT = 40
LINES = chain(COUNT)
KEY = Key("hq", "edge-01", EPOCH)
HELD = Held(1, COUNT)

batches = st.lists(st.lists(st.integers(1, COUNT), min_size=1, max_size=8), min_size=1, max_size=12)


def receipt(ledger: Ledger) -> Receipt:
    with ledger.group([("hq", "edge-01")]) as group:
        return read_receipt(compact(group.receipt(KEY).message))


def take(ledger: Ledger, seqs: list[int]) -> None:
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [LINES[seq - 1] for seq in seqs])


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_lost_repeated_and_overtaken_receipts_settle_only_what_is_here_and_the_next_one_all_of_it(
    batches: list[list[int]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wall, of = Wall(), Settlement(EPOCH, Spans())
        ledger = Ledger(open_database(str(Path(folder) / "ledger.sqlite")), "centre-1", wall)
        here: set[int] = set()
        under_way: list[Receipt] = []
        for batch in batches:
            take(ledger, batch)
            here.update(batch)
            wall.forward(data.draw(st.sampled_from([0.1, 6.0])))
            under_way.append(receipt(ledger))
            for late in data.draw(st.lists(st.sampled_from(under_way), max_size=3)):
                of.take(late, HELD)
            assert all(seq in here for first, last in of.settled for seq in range(first, last + 1))
        wall.forward(6.0)
        of.take(receipt(ledger), HELD)
        assert {seq for first, last in of.settled for seq in range(first, last + 1)} == here
        ledger.close()


def test_all_receipts_of_a_connection_may_be_lost_that_of_the_next_birth_settles(ledger: Ledger) -> None:
    of = Settlement(EPOCH, Spans())
    for seq in range(1, 11):
        take(ledger, [seq])
        receipt(ledger)
    with ledger.group([("hq", "edge-01")]) as group:
        key = group.hear("hq", "edge-01", State(status="online", epoch=EPOCH, newest=10, settled=0))
    assert key == KEY, "a birth wants a receipt"
    of.take(receipt(ledger), Held(1, 10))
    assert of.through() == 10
