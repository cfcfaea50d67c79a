"""What a person wants sent again goes again: receipts of before cannot call it off, those of after settle it."""

from __future__ import annotations

from gateway.journal import Entry
from gateway.spans import Spans
from gateway.uplink.outbox import Outbox, WindowLimits
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import Receipt, Refusal

EPOCH = "5c1f0a9be2d74f11"
HELD = Held(1, 100)


def receipt(number: int, *rejected: int) -> Receipt:
    refusals = [Refusal(seq=seq, reason="no") for seq in rejected]
    return Receipt(ledger="L", receipt=number, epoch=EPOCH, through=100, seen=100, rejected=refusals)


def settled() -> Settlement:
    return Settlement(EPOCH, Spans([(1, 100)]), "L", 0)


def outbox() -> Outbox:
    return Outbox(WindowLimits(window=10, batch_records=200, batch_bytes=10_000, unreceipted_max=None))


def test_no_receipt_settles_it_before_it_was_sent_again() -> None:
    of = settled()
    of.reopen(5, 7)
    of.take(receipt(1), HELD)
    assert list(of.settled) == [(1, 4), (8, 100)]
    assert of.unsettled(HELD) == [(5, 7)]


def test_the_first_receipt_after_that_settles_it() -> None:
    of = settled()
    of.reopen(5, 7)
    of.arrived(5, 6)
    of.take(receipt(1), HELD)
    assert list(of.settled) == [(1, 6), (8, 100)]
    of.arrived(7, 7)
    of.take(receipt(2), HELD)
    assert list(of.settled) == [(1, 100)]


def test_a_refusal_counts_again_only_when_the_record_was_sent_again() -> None:
    of = settled()
    first = of.take(receipt(1, 9), HELD)
    assert first is not None
    assert first.refused == [(9, "no")]
    of.reopen(9, 9)
    early = of.take(receipt(2, 9), HELD)
    assert early is not None
    assert (early.refused, 9 in of.settled) == ([], False)
    of.arrived(9, 9)
    late = of.take(receipt(3, 9), HELD)
    assert late is not None
    assert (late.refused, 9 in of.settled) == ([(9, "no")], True)


def test_it_is_queued_though_it_was_acknowledged_just_now() -> None:
    box = outbox()
    box.sent(1, "records", (1, 9), 900, 10.0)
    box.acknowledged(1, 10.1)
    assert box.resend([(3, 5)], 10.2) == 0
    box.again(3, 5)
    assert list(box.replay) == [(3, 5)]
    assert list(box.awaiting) == [(1, 2), (6, 9)]


def test_live_records_go_as_such() -> None:
    box = outbox()
    box.committed([Entry(8, b"{}", 0), Entry(9, b"{}", 0)], 10.0)
    box.again(7, 9)
    assert list(box.replay) == [(7, 7)]
