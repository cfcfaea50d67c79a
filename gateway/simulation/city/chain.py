"""The journal of a simulated box: numbers, epochs, the hash chain, open reads. The encoder is the product's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.passage import OpenRead
from gateway.records import CredentialRead, Draft, seq_of
from gateway.wire import GENESIS, Origin, encode, line_hash


class Chain:
    """Numbers drafts and makes lines of them."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.seq = 0
        self.head = GENESIS
        self._open: dict[int, Draft] = {}

    @property
    def epoch(self) -> str:
        return self.origin.epoch

    def renew(self, epoch: str) -> None:
        """A journal of its own: numbers begin again, and nothing is known of open reads."""
        self.origin = replace(self.origin, epoch=epoch)
        self.seq, self.head = 0, GENESIS
        self._open.clear()

    def write(self, draft: Draft) -> bytes:
        """The line of the next record."""
        self.seq += 1
        draft.seq = self.seq
        line = encode(draft, self.origin, self.head)
        self.head = line_hash(line)
        if draft.opens:
            self._open[draft.seq] = draft
        for ref in draft.closes:
            self._open.pop(seq_of(ref), None)
        return line

    def open_reads(self) -> Sequence[OpenRead]:
        """The reads that nobody has closed, as a journal would tell them at the next start."""
        return [_open_read(seq, draft) for seq, draft in self._open.items()]


def _open_read(seq: int, draft: Draft) -> OpenRead:
    body = draft.body
    assert isinstance(body, CredentialRead)
    moment = replace(draft.moment, mono=float("nan"))
    place = body.place
    return OpenRead(seq, place.portal, place.lane, body.device, body.driver, body.side, body.subject, moment)
