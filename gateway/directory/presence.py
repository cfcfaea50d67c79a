"""Who is where on this site, as far as this gateway's own records tell: a fold over record lines, in their order.

Only `completed` and `assumed` punches move a person. What passed without a name moves counts. What could not be seen
is kept beside it: punches nobody can be sure of, devices that were down, alarms, records that are gone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

MOVES = ("completed", "assumed")
UNNAMED = ("anonymous", "forced", "tailgate")
BELIEVED = ("synced", "holdover")
MAX_GAPS = 50
FORGET_MS = 7 * 86_400_000


@dataclass(slots=True)
class Person:
    """Where a token was seen last. `zone` None: it passed, and nobody knows which way; `doubts`: punches of it since
    then that may have moved it."""

    zone: str | None
    at_ms: int
    seq: int
    dated: bool
    lane: str
    device: str | None
    outcome: str
    doubts: int = 0


@dataclass(slots=True)
class Gap:
    """When something was not watched; `until_ms` None: it still is not."""

    what: str
    reason: str
    since_ms: int | None
    until_ms: int | None = None


@dataclass(slots=True)
class Presence:
    """Everything up to record `seq` of `epoch`; complete from `complete_ms` on, before that nobody knows."""

    epoch: str = ""
    seq: int = 0
    complete_ms: int | None = None
    people: dict[str, Person] = field(default_factory=dict)
    unnamed: Counter[str] = field(default_factory=Counter)
    undirected: int = 0
    ambiguous: int = 0
    gaps: list[Gap] = field(default_factory=list)
    fire_ms: int | None = None
    last_ms: int = 0

    def take(self, epoch: str, seq: int, line: bytes) -> None:
        """The next record that is held; a hole before it is noted."""
        event = json.loads(line)
        data, at_ms = event["data"], _unix_ms(event["time"])
        kind = str(event["type"]).removeprefix("punchgate.").removesuffix(".v1")
        self._follow(epoch, seq, at_ms, data)
        try:
            self._read(kind, seq, at_ms, data)
        except (KeyError, TypeError, ValueError, AttributeError):
            self._gap(Gap("records", f"record {seq} ({kind}) says something else than expected", at_ms, at_ms))
        self.last_ms = at_ms

    def forget(self) -> None:
        """Who left long ago is of no interest; a record that old from a device's memory neither."""
        old = [
            token
            for token, each in self.people.items()
            if each.zone == "outside" and each.at_ms < self.last_ms - FORGET_MS
        ]
        for token in old:
            del self.people[token]

    def as_dict(self) -> dict[str, Any]:
        """For a file. `asdict` counts the pairs of a Counter as if they were its members."""
        return asdict(replace(self, unnamed=Counter())) | {"unnamed": dict(self.unnamed)}

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> Presence:
        """From `as_dict`. Raises TypeError, KeyError, ValueError, AttributeError if it is none."""
        plain = dict(words)
        plain["people"] = {token: Person(**each) for token, each in plain["people"].items()}
        plain["gaps"] = [Gap(**each) for each in plain["gaps"]]
        plain["unnamed"] = Counter(plain["unnamed"])
        return cls(**plain)

    def _read(self, kind: str, seq: int, at_ms: int, data: Mapping[str, Any]) -> None:
        """What the record says. Raises KeyError, TypeError, ValueError, AttributeError if it is not as documented."""
        if kind == "punch":
            self._punch(seq, at_ms, data)
        elif kind in ("device.up", "device.down"):
            self._device(kind, at_ms, data)
        elif kind == "gateway.started":
            self._started(at_ms)
        elif kind == "portal.fire" and data.get("active"):
            self.fire_ms = at_ms
        elif kind == "records.lost" and "previous" not in data:
            lost = data["lost"]
            if lost["cause"] in ("quota", "damage"):
                since, until = (None if lost[end] is None else _unix_ms(lost[end]) for end in ("from", "to"))
                self._gap(Gap("records", f"lost ({lost['cause']})", since, at_ms if until is None else until))

    def _follow(self, epoch: str, seq: int, at_ms: int, data: Mapping[str, Any]) -> None:
        """Whether this record is the one behind the last."""
        if epoch == self.epoch:
            follows = seq == self.seq + 1
        else:
            before = data.get("previous") or {}
            follows = seq == 1 and (before.get("epoch"), before.get("seq")) == (self.epoch or None, self.seq or None)
        if not follows:
            self.complete_ms = at_ms
            if self.epoch:
                self._gap(Gap("journal", "records are not held any more", self.last_ms, at_ms))
        elif self.complete_ms is None:
            self.complete_ms = at_ms
        self.epoch, self.seq = epoch, seq

    def _punch(self, seq: int, at_ms: int, data: Mapping[str, Any]) -> None:
        outcome, subject = data["outcome"], data["subject"]
        if outcome in UNNAMED:
            self._count(data, int(subject["count"]))
            return
        token = subject["token"]
        if outcome == "ambiguous":
            self.ambiguous += 1
            if token in self.people:
                self.people[token].doubts += 1
        if outcome not in MOVES or token is None:
            return
        dated = data["clock"]["state"] in BELIEVED
        known = self.people.get(token)
        if known is not None and dated and known.dated and at_ms < known.at_ms:
            return
        place = (str(data["lane"]), data["device"], outcome)
        self.people[token] = Person(data["to_zone"], at_ms, seq, dated, *place)

    def _count(self, data: Mapping[str, Any], count: int) -> None:
        if data["to_zone"] is None:
            self.undirected += count
            return
        self.unnamed[data["to_zone"]] += count
        self.unnamed[data["from_zone"]] -= count

    def _device(self, kind: str, at_ms: int, data: Mapping[str, Any]) -> None:
        what = f"device {data['device']}"
        if kind == "device.up" or data.get("removed"):
            for gap in self.gaps:
                if gap.what == what and gap.until_ms is None:
                    gap.until_ms = at_ms
        elif not any(gap.what == what and gap.until_ms is None for gap in self.gaps):
            self._gap(Gap(what, str(data.get("reason") or "down"), at_ms))

    def _started(self, at_ms: int) -> None:
        """Nobody watched since the record before."""
        if self.last_ms:
            self._gap(Gap("gateway", "was not running", self.last_ms, at_ms))

    def _gap(self, gap: Gap) -> None:
        """The latest count; what is still open is never forgotten."""
        self.gaps.append(gap)
        over = [old for old in self.gaps if old.until_ms is not None]
        for old in over[: max(0, len(self.gaps) - MAX_GAPS)]:
            self.gaps.remove(old)


def _unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
