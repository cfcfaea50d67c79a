"""A centre restored from a backup is sent all above its receipt; its predecessor's late word is no news."""

from __future__ import annotations

from gateway.spans import Spans
from gateway.uplink.outbox import Outbox, WindowLimits
from gateway.uplink.settlement import LEDGERS_MAX, Held, Settlement
from gateway.wire import Receipt

EPOCH = "5c1f0a9be2d74f11"
HELD = Held(1, 20)


def receipt(ledger: str, number: int, through: int) -> Receipt:
    return Receipt(ledger=ledger, receipt=number, epoch=EPOCH, through=through, seen=through)


def test_a_late_receipt_of_the_ledger_before_settles_nothing_again() -> None:
    of = Settlement(EPOCH, Spans(), "before", 4)
    of.take(receipt("before", 5, 20), HELD)
    of.take(receipt("restored", 1, 3), HELD)
    assert of.take(receipt("before", 4, 20), HELD) is None
    assert of.take(receipt("before", 5, 20), HELD) is None
    assert (of.ledger, of.through()) == ("restored", 3)


def test_made_up_ledgers_do_not_fill_the_memory() -> None:
    of = Settlement(EPOCH, Spans())
    for number in range(10 * LEDGERS_MAX):
        of.take(receipt(f"ledger-{number}", 1, 3), HELD)
    assert len(of._numbers) == LEDGERS_MAX


def test_a_restored_centre_is_sent_what_its_predecessor_got_a_moment_ago() -> None:
    outbox = Outbox(WindowLimits(10, 200, 262_144, 8000))
    outbox.sent(1, "records", (1, 20), 9_000, 0.0)
    outbox.acknowledged(1, 0.1)
    outbox.settled(Spans([(1, 20)]))
    assert outbox.resend([(4, 20)], 0.5) == 0
    outbox.forget_acknowledged()
    assert outbox.resend([(4, 20)], 0.5) == 17
