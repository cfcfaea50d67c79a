"""Every record is sent, the window and the credit are kept, the present does not wait for the past."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.journal import Entry
from gateway.spans import Range, Spans
from gateway.uplink import outbox
from gateway.uplink.outbox import FRESH_S, RESEND_AFTER_S, Outbox, Shipment, WindowLimits

LIMITS = WindowLimits(window=4, batch_records=10, batch_bytes=1000, unreceipted_max=30)
NO_LIMIT = WindowLimits(window=4, batch_records=10, batch_bytes=1000, unreceipted_max=None)


def entry(seq: int, size: int = 90) -> Entry:
    return Entry(seq, b"x" * size, 0)


def entries(first: int, last: int) -> list[Entry]:
    return [entry(seq) for seq in range(first, last + 1)]


def connected(unsettled: list[Range], limits: WindowLimits = LIMITS, receive_maximum: int = 100) -> Outbox:
    box = Outbox(limits)
    box.connected(unsettled, receive_maximum, 0.0)
    return box


def send_replay(box: Outbox, mid: int, at: float = 0.0) -> Range | None:
    """As the sender does, with records of 100 bytes on the wire."""
    piece = box.next_replay()
    if piece is None:
        return None
    first, last, most, size = piece
    last = min(last, first + most - 1, first + max(1, size // 100) - 1)
    box.sent(mid, "replay", (first, last), 100 * (last - first + 1), at)
    return first, last


def send_live(box: Outbox, mid: int, at: float = 0.0) -> Range | None:
    batch = box.take_live()
    if not batch:
        return None
    box.sent(mid, "records", (batch[0].seq, batch[-1].seq), sum(len(one.line) for one in batch), at)
    return batch[0].seq, batch[-1].seq


def test_live_records_go_at_once_in_one_batch() -> None:
    box = connected([])
    box.committed(entries(1, 3), 0.0)
    assert send_live(box, 1) == (1, 3)
    assert box.take_live() == []


def test_a_batch_has_a_size_and_at_least_one_record() -> None:
    box = connected([])
    box.committed([entry(1, 5000), entry(2, 400), entry(3, 400), entry(4, 400)], 0.0)
    assert [send_live(box, mid) for mid in (1, 2, 3)] == [(1, 1), (2, 3), (4, 4)]


def test_newlines_between_records_count() -> None:
    box = connected([])
    box.committed([entry(1, 500), entry(2, 499)], 0.0)
    assert send_live(box, 1) == (1, 1)


def test_live_records_wait_while_the_window_is_full() -> None:
    box = connected([])
    for mid in range(1, 5):
        box.committed([entry(mid)], 0.0)
        assert send_live(box, mid)
    box.committed([entry(5)], 0.0)
    assert box.take_live() == []
    box.acknowledged(1, 0.1)
    assert send_live(box, 5) == (5, 5)


def test_one_slot_is_kept_for_live_records() -> None:
    box = connected([(1, 1000)])
    sent = [mid for mid in range(1, 9) if send_replay(box, mid)]
    assert len(sent) == LIMITS.window - 1
    box.committed([entry(1001)], 0.0)
    assert send_live(box, 99) == (1001, 1001)


def test_the_past_moves_on_while_a_live_record_is_always_on_its_way() -> None:
    """With a window of two, a busy door would take one slot for ever and the other is kept for it."""
    box = connected([(1, 1000)], receive_maximum=2)
    box.committed([entry(1001)], 0.0)
    assert send_live(box, 1)
    assert send_replay(box, 2)
    assert send_replay(box, 3) is None


def test_a_receive_maximum_of_one_is_kept_and_the_past_still_moves() -> None:
    box = connected([(1, 1000)], receive_maximum=1)
    assert send_replay(box, 1)
    box.committed([entry(1001)], 0.0)
    assert box.take_live() == []
    box.acknowledged(1, 0.1)
    assert box.next_replay() is None, "the live record goes first"
    assert send_live(box, 2)
    assert box.next_replay() is None
    box.acknowledged(2, 0.2)
    assert send_replay(box, 3)


def test_replay_in_flight_stays_within_a_second_of_what_was_measured() -> None:
    box = connected([(1, 10_000)], NO_LIMIT)
    box.limits = WindowLimits(100, 10, 1000, None)
    box.window = 100
    at = 0.0
    for mid in range(1, 60):
        send_replay(box, mid, at)
        at += 0.5
        box.acknowledged(mid, at)
    in_flight = 0
    for mid in range(100, 200):
        span = send_replay(box, mid, at)
        if span is None:
            break
        in_flight += 100 * (span[1] - span[0] + 1)
    assert 2000 <= in_flight <= 2 * outbox.FIRST_RATE_BYTES_S


def test_a_quiet_night_over_a_slow_path_does_not_cripple_the_next_replay() -> None:
    """One small record a minute measures the distance, not the throughput."""
    box = connected([], NO_LIMIT)
    before = box._rate
    for number in range(1, 200):
        box.committed([entry(number)], number * 60.0)
        send_live(box, number, number * 60.0)
        box.acknowledged(number, number * 60.0 + 2.0)
    assert box._rate == before


def test_replay_never_stops_however_far_the_broker_is() -> None:
    box = connected([(1, 2000)], NO_LIMIT)
    at, mid, on_their_way = 0.0, 0, []
    while box.replay and at < 500.0:
        while send_replay(box, mid := mid + 1, at):
            on_their_way.append((at + 3.0, mid))
        at, arrived = on_their_way.pop(0)
        box.acknowledged(arrived, at)
    assert not box.replay


def test_replay_pauses_for_the_lack_of_receipts_and_live_goes_on() -> None:
    box = connected([(1, 1000)])
    mid = 0
    while span := send_replay(box, mid := mid + 1):
        box.acknowledged(mid, 0.1)
        assert span[1] <= 30
    assert len(box.awaiting) == 30
    box.committed([entry(1001)], 0.2)
    assert send_live(box, 99)
    box.settled(Spans([(1, 20)]))
    assert send_replay(box, 100) == (31, 40)


def test_a_reconnect_sends_again_what_is_not_settled() -> None:
    box = connected([])
    box.committed(entries(1, 5), 0.0)
    send_live(box, 1)
    box.acknowledged(1, 0.1)
    box.connected([(3, 5)], 100, 1.0)
    assert list(box.replay) == [(3, 5)]
    assert not box.in_flight
    assert not box.awaiting


def test_what_is_fresh_at_a_connect_is_live_and_the_rest_is_the_past() -> None:
    box = Outbox(LIMITS)
    box.committed(entries(1, 3), 0.0)
    box.committed(entries(4, 6), 10.0)
    box.connected([(1, 6)], 100, 10.0 + FRESH_S)
    assert list(box.replay) == [(1, 3)]
    assert send_live(box, 1) == (4, 6)


def test_what_memory_cannot_hold_is_read_back_from_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LIVE_MEMORY_BYTES", 500)
    box = Outbox(LIMITS)
    box.committed(entries(1, 10), 0.0)
    assert list(box.replay) == [(1, 5)]
    assert box.live_waiting() == 5


def test_what_was_acknowledged_just_now_is_not_sent_again() -> None:
    box = connected([(1, 10)])
    span = send_replay(box, 1)
    assert span
    assert box.resend([span], 0.0) == 0, "on its way"
    box.acknowledged(1, 1.0)
    assert box.resend([span], 1.0 + RESEND_AFTER_S - 0.1) == 0, "just arrived"
    assert box.resend([span], 1.0 + RESEND_AFTER_S) == span[1]
    assert box.resend([span], 1.0 + RESEND_AFTER_S) == 0, "queued"


def test_what_waits_as_live_is_not_queued_twice() -> None:
    box = connected([])
    box.committed(entries(1, 3), 0.0)
    assert box.resend([(1, 5)], 100.0) == 2
    assert list(box.replay) == [(4, 5)]


def test_acknowledgements_are_forgotten_without_receipts_too() -> None:
    box = connected([], NO_LIMIT)
    for number in range(1, 5000):
        box.committed([entry(number)], float(number))
        send_live(box, number, float(number))
        box.acknowledged(number, float(number))
    assert len(box._recent) <= RESEND_AFTER_S + 1


def test_a_record_too_large_is_set_apart_until_the_next_connection() -> None:
    box = connected([(1, 3)])
    box.set_apart(1)
    assert send_replay(box, 1) == (2, 3)
    assert box.resend([(1, 1)], 100.0) == 0
    box.connected([(1, 3)], 100, 200.0)
    assert list(box.replay) == [(1, 3)]


def test_probing_sends_one_record_at_a_time() -> None:
    box = connected([(1, 100)])
    box.probing = True
    assert box.next_replay() == (1, 1, 1, 1)
    assert send_replay(box, 1) == (1, 1)
    assert box.next_replay() is None


def test_an_unknown_acknowledgement_means_nothing() -> None:
    box = connected([])
    assert box.acknowledged(7, 0.0) is None


class Traffic(RuleBasedStateMachine):
    """Whatever the broker and the centre do, each record is queued, on its way, awaiting a receipt, or settled."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(0)
        self.box = Outbox(LIMITS)
        self.now, self.mid, self.newest = 0.0, 0, 0
        self.receive_maximum = 0
        self.connected_ = False
        self.settled = Spans()
        self.acknowledged_at: dict[int, float] = {}

    @rule(count=st.integers(1, 25))
    def commit(self, count: int) -> None:
        self.box.committed(entries(self.newest + 1, self.newest + count), self.now)
        self.newest += count

    @rule(seconds=st.sampled_from([0.01, 1.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(receive_maximum=st.sampled_from([1, 2, 3, 4, 100]))
    def connect(self, receive_maximum: int) -> None:
        self.receive_maximum, self.connected_ = receive_maximum, True
        self.acknowledged_at.clear()
        self.box.connected(self.settled.gaps(1, self.newest), receive_maximum, self.now)

    @rule()
    @precondition(lambda self: self.connected_)
    def send(self) -> None:
        self.mid += 1
        if send_live(self.box, self.mid, self.now) is None:
            before = len(self.box.awaiting)
            span = send_replay(self.box, self.mid, self.now)
            if span is not None:
                assert before + span[1] - span[0] + 1 <= (LIMITS.unreceipted_max or 0)

    @rule(data=st.data(), bounced=st.booleans())
    @precondition(lambda self: self.box.in_flight)
    def acknowledge(self, data: st.DataObject, bounced: bool) -> None:
        shipment: Shipment | None = self.box.acknowledged(
            data.draw(st.sampled_from(sorted(self.box.in_flight))), self.now
        )
        assert shipment
        if bounced:
            self.box.return_to_replay(shipment)
        else:
            self.acknowledged_at |= dict.fromkeys(range(shipment.first, shipment.last + 1), self.now)

    @rule(data=st.data())
    @precondition(lambda self: self.newest)
    def receipt(self, data: st.DataObject) -> None:
        """Settles some of what was sent, misses some of it."""
        sent = [seq for first, last in self.box.awaiting for seq in range(first, last + 1)]
        for seq in sent:
            if data.draw(st.booleans()):
                self.settled.add(seq, seq)
        self.box.settled(self.settled)
        missing = self.settled.gaps(1, self.newest)
        before = self.box.replay.copy()
        self.box.resend(missing, self.now)
        fresh = Spans(self.box.replay)
        fresh.subtract(before)
        for first, last in fresh:
            for seq in range(first, last + 1):
                assert self.now - self.acknowledged_at.get(seq, -1e9) >= RESEND_AFTER_S

    @invariant()
    def the_window_is_kept(self) -> None:
        replays = [shipment for shipment in self.box.in_flight.values() if shipment.stream == "replay"]
        assert len(self.box.in_flight) <= max(1, min(LIMITS.window, self.receive_maximum or LIMITS.window))
        assert len(replays) <= max(1, self.box.window - 1)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if not self.connected_:
            return
        queued = self.box.replay.copy()
        queued.update(self.box.awaiting)
        queued.update((one.seq, one.seq) for _, one in self.box._live)
        assert not Spans(self.settled.gaps(1, self.newest)) or not [
            gap for first, last in self.settled.gaps(1, self.newest) for gap in queued.gaps(first, last)
        ]

    @invariant()
    def nothing_is_queued_in_two_places(self) -> None:
        live = Spans((one.seq, one.seq) for _, one in self.box._live)
        replay = self.box.replay.copy()
        replay.subtract(live)
        assert replay == self.box.replay

    def teardown(self) -> None:
        """In the end, with a broker and a centre that work, everything arrives."""
        self.connect(10)
        for _ in range(2000):
            self.mid += 1
            self.now += 0.1
            if not (send_live(self.box, self.mid, self.now) or send_replay(self.box, self.mid, self.now)):
                break
            shipment = self.box.acknowledged(self.mid, self.now)
            assert shipment
            self.settled.add(shipment.first, shipment.last)
            self.box.settled(self.settled)
        assert self.settled.gaps(1, self.newest) == []


Traffic.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestTraffic = Traffic.TestCase
