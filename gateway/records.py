"""The words all rooms share: what a record can say, before it has a number.

A `Draft` is a record on its way into the journal: a body (what happened), the moment it happened, and whether it
opens or closes a read. It gets its `seq` in the transaction that makes it durable; bodies refer to other records by
their draft, so a read and the punch derived from it can be committed together. `wire.encode` turns a numbered draft
into the one line of bytes that is stored, published, exported and hashed (CONTRACT: CloudEvents 1.0, structured).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gateway.clock import Moment

Direction = Literal["in", "out", "unknown"]
Basis = Literal["pass_sensor", "reader_side", "none"]
Side = Literal["in", "out", "both"]
Outcome = Literal[
    "completed",
    "assumed",
    "not_taken",
    "denied",
    "anonymous",
    "forced",
    "tailgate",
    "wrong_way",
    "ambiguous",
]
Confidence = Literal["confirmed", "assumed", "ambiguous", "contradicted"]
Decision = Literal["granted", "denied"]
LossCause = Literal["quota", "damage", "pruned", "expired", "refused"]


@dataclass(slots=True, eq=False)
class Draft:
    """A record that waits for its number. `opens`: a read that pairing has not closed yet; `closes`: such reads.

    `kept` is its place in the emergency ring while it waits there for a number."""

    body: Body
    moment: Moment
    opens: bool = False
    closes: tuple[Ref, ...] = ()
    seq: int | None = None
    kept: int | None = None

    @property
    def is_taken(self) -> bool:
        """Whether it has a number, or a place where it waits for one; what was refused has neither."""
        return self.seq is not None or self.kept is not None


@dataclass(slots=True, eq=False)
class Heard:
    """How far a device with a memory was heard: what its driver wants to be told again at the next start (`mark`).
    It travels behind the drafts of all that was heard until then, so it never is on the disk before them. `kept`: it
    waits in the emergency ring, before the draft that has this place."""

    device: str
    mark: str
    kept: int | None = None


Item = Draft | Heard
"""What goes to the journal, in order."""

Ref = Draft | int
"""Another record of this journal: a draft of this run, or the seq of an earlier one."""


def drafts_of(items: Iterable[Item]) -> list[Draft]:
    """Those of them that become records."""
    return [item for item in items if isinstance(item, Draft)]


def seq_of(ref: Ref) -> int:
    """The number of a committed record; LookupError if its draft was never committed."""
    seq = ref.seq if isinstance(ref, Draft) else ref
    if seq is None:
        raise LookupError("a record refers to one that is not in the journal")
    return seq


@dataclass(frozen=True, slots=True)
class Subject:
    """Who, as far as the edge may know: a token, never a name. `value` only with credentials = "clear"."""

    kind: Literal["credential", "anonymous", "group", "vehicle"]
    token: str | None = None
    scheme: str | None = None
    bits: int | None = None
    count: int = 1
    value: str | None = None

    def as_dict(self) -> dict[str, object]:
        words: dict[str, object] = {
            "kind": self.kind,
            "token": self.token,
            "scheme": self.scheme,
            "bits": self.bits,
            "count": self.count,
        }
        return words if self.value is None else words | {"value": self.value}


@dataclass(frozen=True, slots=True)
class Place:
    """Where: a lane (one physical passage) of a portal, between two zones. Zones are those of a movement in."""

    portal: str
    lane: str
    from_zone: str
    to_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What happened. `type` is the word between `punchgate.` and `.v1`; `device` also goes into `source`."""

    type: ClassVar[str]
    device: str | None = None

    def words(self) -> dict[str, object]:
        """The body's part of `data`, references resolved to numbers."""
        raise TypeError(f"{type(self).__name__} has no words")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRead(Body):
    """A credential was presented: a fact, durable before anybody knows whether a person went through."""

    type: ClassVar[str] = "credential.read"
    place: Place
    driver: str
    side: Side
    subject: Subject
    decision: Decision | None = None

    def words(self) -> dict[str, object]:
        return {
            "portal": self.place.portal,
            "lane": self.place.lane,
            "device": self.device,
            "driver": self.driver,
            "side": self.side,
            "subject": self.subject.as_dict(),
            "decision": self.decision,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRepeated(Body):
    """The end of a run of repeats of one read: how many frames there were beyond the first, until when (UTC)."""

    type: ClassVar[str] = "credential.repeated"
    read: Ref
    count: int
    until: str

    def words(self) -> dict[str, object]:
        return {"device": self.device, "read": seq_of(self.read), "count": self.count, "until": self.until}


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageSensed(Body):
    """A turnstile or sensor says that somebody went through: a fact without a person."""

    type: ClassVar[str] = "passage.sensed"
    place: Place
    driver: str
    direction: Direction
    count: int = 1

    def words(self) -> dict[str, object]:
        return {
            "portal": self.place.portal,
            "lane": self.place.lane,
            "device": self.device,
            "driver": self.driver,
            "direction": self.direction,
            "count": self.count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Punch(Body):
    """The derived record: what a credential and a passage together mean.

    `read` and `passes` are the facts it rests on, `burst` the first read of a burst that leaves doubt about the
    order, `candidates` the reads between which it cannot be decided.
    """

    type: ClassVar[str] = "punch"
    place: Place
    driver: str
    direction: Direction
    basis: Basis
    subject: Subject
    outcome: Outcome
    confidence: Confidence
    read: Ref | None = None
    passes: tuple[Ref, ...] = ()
    burst: Ref | None = None
    candidates: tuple[Ref, ...] = ()
    repeats: int = 0

    def words(self) -> dict[str, object]:
        from_zone, to_zone = self.zones()
        return {
            "portal": self.place.portal,
            "lane": self.place.lane,
            "device": self.device,
            "driver": self.driver,
            "direction": self.direction,
            "direction_basis": self.basis,
            "from_zone": from_zone,
            "to_zone": to_zone,
            "subject": self.subject.as_dict(),
            "outcome": self.outcome,
            "confidence": self.confidence,
            "refs": self.refs(),
            "repeats": self.repeats,
        }

    def zones(self) -> tuple[str | None, str | None]:
        """From and to of the movement: swapped for `out`, unknown for an unknown direction."""
        if self.direction == "unknown":
            return None, None
        zones = (self.place.from_zone, self.place.to_zone)
        return zones if self.direction == "in" else (zones[1], zones[0])

    def refs(self) -> dict[str, object]:
        refs: dict[str, object] = {
            "read": None if self.read is None else seq_of(self.read),
            "passes": [seq_of(ref) for ref in self.passes],
        }
        if self.burst is not None:
            refs["burst"] = seq_of(self.burst)
        if self.candidates:
            refs["candidates"] = [seq_of(ref) for ref in self.candidates]
        return refs


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Body):
    """Everything else: `portal.*`, `device.*`, `gateway.*`, `clock.*`, `config.applied`, `list.hit`.

    `type` varies by instance (`kind`); `lane`, `reason`, `read` are common words, `details` the type's own.
    """

    type: ClassVar[str] = "notice"
    kind: str
    lane: str | None = None
    portal: str | None = None
    reason: str | None = None
    read: Ref | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    def words(self) -> dict[str, object]:
        refs = None if self.read is None else {"read": seq_of(self.read)}
        common = (("portal", self.portal), ("lane", self.lane), ("device", self.device), ("reason", self.reason))
        return {key: value for key, value in (*common, ("refs", refs)) if value is not None} | dict(self.details)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Body):
    """Records or readings that are gone, said aloud. Unknown values are None; times are UTC, RFC 3339.

    `previous` (epoch, seq, hash) stands in the first record of an epoch that follows another one.
    """

    type: ClassVar[str] = "records.lost"
    cause: LossCause
    epoch: str | None = None
    first: int | None = None
    last: int | None = None
    count: int | None = None
    since: str | None = None
    until: str | None = None
    previous: Mapping[str, object] | None = None

    def words(self) -> dict[str, object]:
        lost = {
            "epoch": self.epoch,
            "first": self.first,
            "last": self.last,
            "count": self.count,
            "from": self.since,
            "to": self.until,
            "device": self.device,
            "cause": self.cause,
        }
        return {"lost": lost} if self.previous is None else {"lost": lost, "previous": dict(self.previous)}


def type_of(body: Body) -> str:
    """The record's type word: `credential.read`, `punch`, `gateway.started`, …"""
    return body.kind if isinstance(body, Notice) else body.type
