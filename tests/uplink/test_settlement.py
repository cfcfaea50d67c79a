"""What a receipt settles: nothing the centre has not committed, whatever order the receipts come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import Rejected
from gateway.spans import Spans
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import MAX_MISSING_RANGES, Receipt

EPOCH = "5c1f0a9be2d74f11"


def receipt(number: int, through: int, seen: int | None = None, ledger: str = "L", **more: Any) -> Receipt:
    return Receipt(
        ledger=ledger, receipt=number, epoch=EPOCH, through=through, seen=through if seen is None else seen, **more
    )


def fresh(*settled: tuple[int, int], ledger: str | None = "L", number: int = 0) -> Settlement:
    return Settlement(EPOCH, Spans(settled), ledger, number)


HELD = Held(1, 100)


def test_through_settles_all_up_to_it() -> None:
    of = fresh()
    of.take(receipt(1, 7), HELD)
    assert list(of.settled) == [(1, 7)]


def test_what_is_seen_and_not_missing_is_settled_too() -> None:
    of = fresh()
    then = of.take(receipt(1, 7, 20, missing=[(8, 9), (15, 15)]), HELD)
    assert list(of.settled) == [(1, 7), (10, 14), (16, 20)]
    assert then is not None
    assert then.missing == [(8, 9), (15, 15)]


def test_a_list_that_may_be_cut_short_settles_nothing_beyond_through() -> None:
    of = fresh()
    missing = [(8 + 2 * at, 8 + 2 * at) for at in range(MAX_MISSING_RANGES)]
    of.take(receipt(1, 7, 90, missing=missing), HELD)
    assert list(of.settled) == [(1, 7)]


def test_a_missing_tail_beyond_seen_is_sent_again_and_what_was_never_made_is_not() -> None:
    then = fresh().take(receipt(1, 7, 20, missing=[(21, 300)]), HELD)
    assert then is not None
    assert then.missing == [(21, 100)]


@pytest.mark.parametrize("number", [0, 4, 5])
def test_a_receipt_that_is_not_newer_is_ignored(number: int) -> None:
    of = fresh((1, 3), number=5)
    assert of.take(receipt(number, 50), HELD) is None
    assert list(of.settled) == [(1, 3)]


def test_a_receipt_of_another_epoch_is_refused() -> None:
    of = fresh()
    other = receipt(1, 5).model_copy(update={"epoch": "0" * 16})
    with pytest.raises(Rejected):
        of.take(other, HELD)
    assert not of.settled


def test_a_newer_receipt_may_take_back_what_an_older_one_settled() -> None:
    of = fresh((1, 50))
    then = of.take(receipt(1, 20, 50, missing=[(21, 30)]), HELD)
    assert then is not None
    assert list(of.settled) == [(1, 20), (31, 50)]
    assert then.missing == [(21, 30)]


def test_a_new_ledger_unsettles_what_it_does_not_have() -> None:
    of = fresh((1, 80), number=500)
    then = of.take(receipt(1, 30, ledger="new"), HELD)
    assert then is not None
    assert then.unsettled
    assert list(of.settled) == [(1, 30)]
    assert of.unsettled(HELD) == [(31, 100)]
    assert (of.ledger, of.receipt) == ("new", 1)


def test_what_a_new_ledger_lacks_and_nobody_holds_is_declared_lost_once() -> None:
    of = fresh((1, 80), number=500)
    held = Held(50, 100)
    then = of.take(receipt(1, 30, ledger="new"), held)
    again = of.take(receipt(2, 30, ledger="new", missing=[(31, 100)]), held)
    assert then is not None
    assert again is not None
    assert (then.pruned, again.pruned) == ([(31, 49)], [])
    assert of.unsettled(held) == [(50, 100)]
    assert again.missing == [(50, 100)]


def test_another_new_ledger_is_told_of_the_loss_again() -> None:
    of = fresh((1, 80), number=500)
    of.take(receipt(1, 30, ledger="new"), Held(50, 100))
    then = of.take(receipt(1, 20, ledger="newer"), Held(50, 100))
    assert then is not None
    assert then.pruned == [(21, 49)]


def test_refused_records_are_settled_and_told_once() -> None:
    of = fresh()
    refusals = [{"seq": 5, "reason": "bad"}, {"seq": 9, "reason": "worse"}]
    then = of.take(receipt(1, 4, 6, missing=[(5, 5)], rejected=refusals), HELD)
    assert then is not None
    assert then.refused == [(5, "bad"), (9, "worse")]
    assert (then.missing, list(of.settled)) == ([], [(1, 6), (9, 9)])
    again = of.take(receipt(2, 6, rejected=refusals), HELD)
    assert again is not None
    assert again.refused == []


def test_a_record_that_was_never_made_cannot_be_refused() -> None:
    of = fresh()
    then = of.take(receipt(1, 5, rejected=[{"seq": 101, "reason": "x"}, {"seq": 0, "reason": "x"}]), HELD)
    assert then is not None
    assert then.refused == []
    assert list(of.settled) == [(1, 5)]
    assert of.unsettled(Held(1, 101)) == [(6, 101)]


def test_what_an_old_ledger_refused_a_new_one_may_want() -> None:
    of = fresh()
    of.take(receipt(1, 9, rejected=[{"seq": 5, "reason": "bad"}]), HELD)
    of.take(receipt(1, 4, ledger="new"), HELD)
    then = of.take(receipt(2, 4, 9, ledger="new", missing=[(5, 5)]), HELD)
    assert then is not None
    assert then.missing == [(5, 5)]


@pytest.mark.parametrize("knows", [{"through": 101}, {"through": 3, "seen": 101}])
def test_a_centre_that_knows_more_than_we_made_proves_a_copy_once(knows: dict[str, int]) -> None:
    of = fresh((1, 3), number=500)
    message = receipt(1, knows["through"], knows.get("seen"))
    then = of.take(message, HELD)
    assert then is not None
    assert then.is_copy
    assert of.take(message, HELD) is None
    assert of.take(receipt(501, 50), HELD) is None, "nothing of this epoch counts any more"
    assert list(of.settled) == [(1, 3)]


def test_a_head_beyond_what_we_made_proves_a_copy() -> None:
    head = {"seq": 101, "hash": "a" * 64}
    then = fresh().take(Receipt.model_validate(receipt(1, 5).model_dump() | {"heads": [head]}), HELD)
    assert then is not None
    assert then.is_copy


def test_what_is_disproved_once_is_settled_by_no_receipt() -> None:
    of = fresh()
    first = of.disproved()
    assert first is not None
    assert first.is_copy
    assert (of.disproved(), of.take(receipt(9, 50), HELD), list(of.settled)) == (None, None, [])


def test_bodies_that_turn_out_to_be_gone_are_declared_once() -> None:
    of = fresh((1, 3))
    assert of.lost([(10, 20)]) == [(10, 20)]
    assert of.lost([(15, 25)]) == [(21, 25)]
    assert of.unsettled(HELD) == [(4, 9), (26, 100)]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_receipt_can_be_parsed_breaks_nothing(data: st.DataObject) -> None:
    of = fresh((1, 5), (8, 9))
    small = st.integers(0, 130)
    for number in range(data.draw(st.integers(1, 4))):
        through = data.draw(small)
        missing = data.draw(st.lists(st.tuples(small, small), max_size=3))
        message = receipt(
            data.draw(st.integers(0, 9)),
            through,
            through + data.draw(st.integers(0, 20)),
            ledger=data.draw(st.sampled_from("AB")),
            missing=[(min(pair), max(pair)) for pair in missing],
            rejected=[{"seq": data.draw(small), "reason": str(number)}],
        )
        held = Held(data.draw(st.integers(1, 60)), 100)
        of.take(message, held)
        assert (of.settled.highest() or 0) <= 100
        assert all(1 <= first <= last <= 100 for first, last in of.unsettled(held))


class CentreAndGateway(RuleBasedStateMachine):
    """A centre that commits in any order and is restored; receipts of several consumers are late and repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.settlement = Settlement(EPOCH, Spans())
        self.newest, self.oldest = 0, 1
        self.committed: set[int] = set()
        self.refused: set[int] = set()
        self.declared: set[int] = set()
        self.ledger, self.number = 0, 0
        self.sent: list[Receipt] = []

    @rule(count=st.integers(1, 6))
    def make(self, count: int) -> None:
        self.newest += count

    @rule(data=st.data())
    @precondition(lambda self: self.newest)
    def commit(self, data: st.DataObject) -> None:
        for seq in data.draw(st.lists(st.integers(1, self.newest), min_size=1, max_size=8)):
            if seq not in self.refused:
                self.committed.add(seq)

    @rule(data=st.data())
    @precondition(lambda self: self.newest)
    def refuse(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(1, self.newest))
        if seq not in self.committed:
            self.refused.add(seq)

    @rule(limit=st.integers(1, MAX_MISSING_RANGES))
    def answer(self, limit: int) -> None:
        """As the centre does: `seen` is below the first hole that is not listed."""
        self.number += 1
        done = Spans((seq, seq) for seq in self.committed | self.refused | self.declared)
        through, seen = done.through(), done.through()
        missing = done.gaps(through + 1, done.highest() or 0)
        if len(missing) > limit:
            seen, missing = missing[limit][0] - 1, missing[:limit]
        else:
            seen = max(seen, done.highest() or 0)
        self.sent.append(
            Receipt(
                ledger=str(self.ledger),
                receipt=self.number,
                epoch=EPOCH,
                through=through,
                missing=missing,
                seen=seen,
                rejected=[{"seq": seq, "reason": "x"} for seq in sorted(self.refused)],
            )
        )

    @rule(data=st.data())
    @precondition(lambda self: self.sent)
    def deliver(self, data: st.DataObject) -> None:
        """Late, in any order, more than once."""
        message = data.draw(st.sampled_from(self.sent))
        then = self.settlement.take(message, Held(self.oldest, self.newest))
        if then is not None:
            for first, last in then.pruned:
                self.declared |= set(range(first, last + 1))
            for first, last in then.missing:
                assert not set(range(first, last + 1)) & {refusal.seq for refusal in message.rejected}

    @rule(data=st.data())
    @precondition(lambda self: self.committed)
    def restore_a_backup(self, data: st.DataObject) -> None:
        """The centre forgets; the receipts of its earlier ledger have all been delivered or dropped."""
        self.committed = set(data.draw(st.lists(st.sampled_from(sorted(self.committed)), unique=True)))
        self.refused.clear()
        self.declared.clear()
        self.ledger, self.number = self.ledger + 1, 0
        self.sent.clear()
        self.answer(MAX_MISSING_RANGES)
        self.deliver(data)

    @rule()
    def prune(self) -> None:
        self.oldest = max(1, min(self.settlement.through(), self.newest))

    @invariant()
    def nothing_is_settled_that_the_centre_does_not_account_for(self) -> None:
        settled = {seq for first, last in self.settlement.settled for seq in range(first, last + 1)}
        assert settled <= self.committed | self.refused | self.declared

    @invariant()
    def what_is_not_settled_is_still_to_be_sent(self) -> None:
        open_ = {
            seq
            for first, last in self.settlement.unsettled(Held(self.oldest, self.newest))
            for seq in range(first, last + 1)
        }
        assert open_ >= set(range(self.oldest, self.newest + 1)) - self.committed - self.refused - self.declared


CentreAndGateway.TestCase.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
TestCentreAndGateway = CentreAndGateway.TestCase
