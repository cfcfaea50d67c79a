"""The verdict: what was physically presented against what the centre has.

The simulation knows every frame that a port took; the centre exports every record it holds. Both are sorted by
device and card (or direction) and matched in time: a presentation without a read is lost, a read without a
presentation is duplicated. Frames beyond the first of a presentation must be counted by `credential.repeated`, every
read and every pass must appear in a punch, numbers must have no holes and no record may be there twice.
The token is computed here anew, from the contract's words, so that a mistake in the gateway's own cannot hide.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeVar

from gateway.simulation.people import Fact

TOLERANCE_MS = 5000
"""What a presentation and its read may be apart beyond what the read says of its time: a busy machine."""
Span = tuple[int, int]
"""From when to when, unix ms."""
Time = TypeVar("Time", int, Span)
CLOSING = frozenset({"completed", "assumed", "not_taken", "denied"})


@dataclass(frozen=True, slots=True)
class Presented:
    """A fact that a port took at `time_ms` (unix, wall clock)."""

    fact: Fact
    time_ms: int


@dataclass(frozen=True, slots=True)
class OrganisationKey:
    """The 32 bytes that make tokens, and their name."""

    name: str
    secret: bytes

    def token(self, scheme: str, value: str) -> str:
        """`k1:` and the first 32 hex digits of HMAC-SHA-256 over `scheme:value`."""
        return f"{self.name}:{hmac.new(self.secret, f'{scheme}:{value}'.encode(), hashlib.sha256).hexdigest()[:32]}"


@dataclass(slots=True)
class Verdict:
    """Counts, and one line for each kind of thing that is wrong."""

    punches: int = 0
    as_acted: int = 0
    acted: int = 0
    lost: int = 0
    duplicated: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.punches > 0 and not self.lost and not self.duplicated

    @property
    def line(self) -> str:
        return f"{self.punches} punches, {self.lost} lost, {self.duplicated} duplicated"

    def add_lost(self, what: str, count: int) -> None:
        self.lost += count
        if count:
            self.remarks.append(f"lost: {count} {what}")

    def add_duplicated(self, what: str, count: int) -> None:
        self.duplicated += count
        if count:
            self.remarks.append(f"duplicated: {count} {what}")


def beyond_s(event: Mapping[str, Any], at_s: float, said_s: float | None = None) -> float:
    """How many seconds a record is further from the truth than it says (0: it is right).

    It may be later than `at_s` (unix time) by what it had waited, and be off either way by the error of its clock; an
    unknown error counts as none. `said_s` in place of its own `time`.
    """
    said = datetime.fromisoformat(event["time"]).timestamp() if said_s is None else said_s
    waited_s, error_s = _stated_s(event)
    return max(0.0, said - at_s - waited_s - error_s, at_s - said - error_s)


def _stated_s(event: Mapping[str, Any]) -> tuple[float, float]:
    """What a record says it had waited, and how wrong its clock, or a device's, may be either way."""
    data = event["data"]
    waited_ms, error_ms = data["clock"].get("waited_ms", 0), data["clock"].get("error_ms") or 0
    device_ms = data.get("device_clock", {}).get("error_ms", 0)
    return waited_ms / 1e3, max(device_ms, error_ms - waited_ms) / 1e3


def judge(presented: Sequence[Presented], lines: Iterable[bytes], key: OrganisationKey) -> Verdict:
    """Compare the log of one play with the lines of `centre export`. ValueError: a line is not JSON."""
    events = [json.loads(line) for line in lines if line.strip()]
    names = Counter(event["id"] for event in events)
    unique = list({event["id"]: event for event in events}.values())
    records: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in unique:
        records[event["type"].removeprefix("punchgate.").removesuffix(".v1")].append(event)
    verdict = Verdict(punches=len(records["punch"]))
    verdict.add_duplicated("records stored twice", names.total() - len(names))
    _judge_reads(verdict, presented, records["credential.read"], key)
    _judge_passes(verdict, presented, records["passage.sensed"])
    _judge_repeats(verdict, presented, records, key)
    _judge_punches(verdict, records)
    holes = _holes(unique)
    verdict.add_lost("numbers missing from the chain", max(0, holes - verdict.lost))
    _compare_outcomes(verdict, presented, records["punch"])
    return verdict


def _judge_reads(
    verdict: Verdict, presented: Sequence[Presented], reads: list[dict[str, Any]], key: OrganisationKey
) -> None:
    expected = _times(((p.fact.device, _token(p.fact, key)), p.time_ms) for p in presented if p.fact.kind == "read")
    actual = _times(((e["data"]["device"], e["data"]["subject"]["token"]), _span(e)) for e in reads)
    missing, extra = _match(expected, actual)
    verdict.add_lost("presented cards without a read", missing)
    verdict.add_duplicated("reads that nobody presented", extra)


def _judge_passes(verdict: Verdict, presented: Sequence[Presented], passes: list[dict[str, Any]]) -> None:
    expected = _times(((p.fact.device, p.fact.heading), p.time_ms) for p in presented if p.fact.kind == "pass")
    actual = _times(
        ((e["data"]["device"], e["data"]["direction"]), _span(e)) for e in passes for _ in range(e["data"]["count"])
    )
    missing, extra = _match(expected, actual)
    verdict.add_lost("passes that were not sensed", missing)
    verdict.add_duplicated("sensed passes of nobody", extra)


def _judge_repeats(
    verdict: Verdict,
    presented: Sequence[Presented],
    records: Mapping[str, list[dict[str, Any]]],
    key: OrganisationKey,
) -> None:
    tokens = {e["id"]: e["data"]["subject"]["token"] for e in records["credential.read"]}
    expected = Counter((p.fact.device, _token(p.fact, key)) for p in presented if p.fact.kind == "repeat")
    actual: Counter[tuple[str, str]] = Counter()
    for event in records["credential.repeated"]:
        read = f"{event['id'].rpartition('/')[0]}/{event['data']['read']}"
        actual[event["data"]["device"], tokens.get(read, "of no read")] += event["data"]["count"]
    verdict.add_lost("repeated frames that were not counted", (expected - actual).total())
    verdict.add_duplicated("counted repeats that nobody sent", (actual - expected).total())


def _judge_punches(verdict: Verdict, records: Mapping[str, list[dict[str, Any]]]) -> None:
    """Every read closed by one punch, every pass in one."""
    closed: Counter[str] = Counter()
    mentioned: set[str] = set()
    for event in records["punch"]:
        refs, epoch = event["data"]["refs"], event["id"].rpartition("/")[0]
        numbers = [refs["read"], *refs["passes"], *refs.get("candidates", ())]
        mentioned |= {f"{epoch}/{number}" for number in numbers}
        if event["data"]["outcome"] in CLOSING:
            closed[f"{epoch}/{refs['read']}"] += 1
    facts = [e["id"] for kind in ("credential.read", "passage.sensed") for e in records[kind]]
    verdict.add_lost("reads or passes that no punch mentions", sum(name not in mentioned for name in facts))
    verdict.add_duplicated("reads with two punches", sum(count - 1 for count in closed.values()))


def _compare_outcomes(verdict: Verdict, presented: Sequence[Presented], punches: list[dict[str, Any]]) -> None:
    """How many punches say what was played, by lane and outcome; not a matter of loss."""
    acted = Counter(
        (p.fact.lane, p.fact.outcome) for p in presented if p.fact.kind == "read" or p.fact.outcome == "tailgate"
    )
    found = Counter((e["data"]["lane"], e["data"]["outcome"]) for e in punches)
    verdict.acted = acted.total()
    verdict.as_acted = (acted & found).total()


def _token(fact: Fact, key: OrganisationKey) -> str:
    return key.token(fact.scheme or "", fact.value or "")


def _span(event: dict[str, Any]) -> Span:
    """When it happened by what the record says, unix ms."""
    time_ms = datetime.fromisoformat(event["time"]).timestamp() * 1000
    waited_s, error_s = _stated_s(event)
    return round(time_ms - (waited_s + error_s) * 1000), round(time_ms + error_s * 1000)


def _times(pairs: Iterable[tuple[Hashable, Time]]) -> dict[Hashable, list[Time]]:
    times: dict[Hashable, list[Time]] = defaultdict(list)
    for name, time_ms in pairs:
        times[name].append(time_ms)
    return times


def _match(expected: Mapping[Hashable, list[int]], actual: Mapping[Hashable, list[Span]]) -> tuple[int, int]:
    """Pair off in time, per name: how many expected have no partner, how many actual have none."""
    missing = extra = 0
    for name in expected.keys() | actual.keys():
        wanted, found = expected.get(name, []), actual.get(name, [])
        pairs = _pairs(wanted, found)
        missing += len(wanted) - pairs
        extra += len(found) - pairs
    return missing, extra


def _pairs(wanted: Sequence[int], found: Sequence[Span]) -> int:
    """As many as can be: whose time ends first chooses first, and takes the earliest."""
    pairs, free = 0, sorted(wanted)
    for first, last in sorted(found, key=itemgetter(1)):
        at = bisect_left(free, first - TOLERANCE_MS)
        if at < len(free) and free[at] <= last + TOLERANCE_MS:
            del free[at]
            pairs += 1
    return pairs


def _holes(events: Iterable[dict[str, Any]]) -> int:
    """Numbers between 1 and the highest of each epoch that are not there."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for event in events:
        numbers[event["id"].rpartition("/")[0]].add(event["data"]["seq"])
    return sum(max(seqs) - len(seqs) for seqs in numbers.values())
