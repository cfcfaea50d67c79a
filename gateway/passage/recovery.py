"""What the journal remembers of a crash: reads that were open when the gateway died.

Nobody knows what happened to them in between, so they end as ambiguous, always; the reads that were open together
are each other's candidates. For one window after the start they are also candidates for passes without a read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gateway.clock import Moment
from gateway.passage.evidence import Trace
from gateway.passage.memory import MAX_RECENT, Lane
from gateway.records import Direction, Draft, Place, Punch, Ref, Side, Subject


@dataclass(frozen=True, slots=True)
class OpenRead:
    """A read the journal holds that nobody closed: what is needed to close it as ambiguous."""

    seq: int
    portal: str
    lane: str
    device: str | None
    driver: str
    side: Side
    subject: Subject
    moment: Moment

    @classmethod
    def from_line_data(cls, seq: int, time_ms: int, data: Mapping[str, Any]) -> OpenRead:
        """From the `data` object of a stored credential.read; KeyError if it is not one.

        The moment has no monotonic time of this boot (NaN): a read from before a crash pairs with nothing.
        """
        subject = data["subject"]
        return cls(
            seq=seq,
            portal=data["portal"],
            lane=data["lane"],
            device=data["device"],
            driver=data["driver"],
            side=cast(Side, data["side"]),
            subject=Subject(
                subject["kind"],
                subject["token"],
                subject["scheme"],
                subject["bits"],
                subject["count"],
                subject.get("value"),
            ),
            moment=Moment.of_words(time_ms, data),
        )


def close(open_reads: Sequence[OpenRead], lane: Lane | None, now: float) -> list[Draft]:
    """The punches that close the open reads of one lane; None: the configuration has it no more."""
    together = [read.seq for read in open_reads]
    drafts = []
    for read in open_reads:
        others = [seq for seq in together if seq != read.seq][: MAX_RECENT - 1]
        drafts.append(_ambiguous(read, lane, tuple(sorted((read.seq, *others)))))
        if lane and lane.rules.sensor != "none":
            until = now + lane.rules.pass_timeout_s
            lane.unclear.append(Trace(read.seq, read.device, read.driver, read.side, until))
    return drafts


def _ambiguous(read: OpenRead, lane: Lane | None, candidates: tuple[Ref, ...]) -> Draft:
    known = lane is not None and read.side != "both"
    punch = Punch(
        device=read.device,
        place=lane.place if lane else Place(read.portal, read.lane, "", ""),
        driver=read.driver,
        direction=cast(Direction, read.side) if known else "unknown",
        basis="reader_side" if known else "none",
        subject=read.subject,
        outcome="ambiguous",
        confidence="ambiguous",
        read=read.seq,
        candidates=candidates,
    )
    return Draft(punch, read.moment, closes=(read.seq,))
