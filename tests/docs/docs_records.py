"""One morning at a small site, told by the real stations, as the lines of its journal: what docs/payloads.md shows.

Bytes go through the real drivers and the real passage station; the lines are encoded by `gateway.wire` and chained as
the journal does it. Only the clock, the epoch and the organisation's key are fixed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from drivers import events, registry
from gateway.clock import Moment, Quality
from gateway.directory import with_hits
from gateway.downward.documents import Window
from gateway.journal.marks import filed
from gateway.journal.store import Previous
from gateway.passage import DeviceRules, LaneRules, Passage, Privacy
from gateway.records import Draft, Lost, Notice, drafts_of
from gateway.simulation import frames
from gateway.timekeeping import Timekeeping
from gateway.wire import GENESIS, Origin, encode, line_hash

EPOCH = "5c1f0a9be2d74f11"
BOOT = "b1f2c7aa-6d0e-4f5e-9a33-0d6f5c1e2b47"
KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)
START_MS = 1_795_393_867_000  # 2026-11-23T00:31:07Z
VERSION = "0.1.0"
CONFIG = "9a1cf00b2f6a4de8"
CARD, OTHER_CARD, THIRD_CARD = "0C000621A5", "0C00077F01", "0C0009D2C4"
ORIGIN = Origin("hq", "edge-01", "Asia/Shanghai", EPOCH)

ARM = LaneRules("lobby-1", "lobby", "outside", "lobby", "controlled", "per_direction", 5.0, 3.0, 0.3)
DOOR = LaneRules("side-door", "side", "outside", "lobby", "controlled", "none", 5.0, 3.0, 0.3)
READS, PASSES, CONTACTS = frozenset({"credential"}), frozenset({"passage"}), frozenset({"input"})
DEVICES = (
    DeviceRules("lane-1-in", "em4100", "lobby-1", "in", "native", READS),
    DeviceRules("lane-1-out", "em4100", "lobby-1", "out", "native", READS),
    DeviceRules(
        "lane-1-arm", "eb_turnstile", "lobby-1", "both", "native", PASSES, {"left": "in", "right": "out"}
    ),
    DeviceRules("side-in", "em4100", "side-door", "in", "native", READS),
    DeviceRules(
        "contacts", "contacts", "lobby-1", "both", "native", CONTACTS, {},
        {"0": "fire", "1": "held", "2": "forced", "3": "tamper"},
    ),
    DeviceRules("clock-1", "zk_terminal", "side-door", "in", "native", READS),
)  # fmt: skip


def at(seconds: float, live: bool = True, set_by_ms: int = 0) -> Moment:
    """That many seconds into the morning; `set_by_ms`: what the wall clock was set by since it began."""
    boot_ns, time_ms = 8_812_345_678 + round(seconds * 1e9), START_MS + round(seconds * 1000) + set_by_ms
    return Moment(time_ms, 1000.0 + seconds, boot_ns, Quality("synced", "ntp", 12, BOOT), live)


class Wall:
    """The clock of the morning, as `gateway.timekeeping` asks it."""

    moment = at(0.0)

    def now(self) -> Moment:
        return self.moment

    def quality(self) -> Quality:
        return self.moment.quality

    def forget_quality(self) -> None:
        """It knows."""


class Lists:
    """The watch lists of the morning, as `gateway.directory.hits` asks for them."""

    def __init__(self) -> None:
        self.names: dict[str, list[tuple[str, Window]]] = {}

    def watched(self, token: str) -> list[tuple[str, Window]]:
        return self.names.get(token, [])


class Morning:
    """Tells the story; `lines` is the journal so far."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._head = GENESIS
        self._passage = Passage([ARM, DOOR], DEVICES, Privacy("k1", KEY))
        self._rules = {device.id: device for device in DEVICES}
        self._wall = Wall()
        self._lists = Lists()
        self._timekeeping = Timekeeping(self._wall, self.append)  # type: ignore[arg-type]

    def append(self, drafts: Sequence[Draft]) -> None:
        """What gateway/app.py does, and the journal in a transaction."""
        for draft in drafts_of(with_hits(drafts, self._lists)):  # type: ignore[arg-type]
            draft.seq = len(self.lines) + 1
            line = encode(draft, ORIGIN, self._head)
            self._head = line_hash(line)
            self.lines.append(line)

    def watch(self, card: str, name: str) -> None:
        """The centre has said so."""
        token = self._passage.token("side-in", events.CardRead(scheme="em4100", value=card, bits=40))
        assert token is not None
        self._lists.names[token] = [(name, (None, None))]

    def notice(self, kind: str, seconds: float, **words: Any) -> None:
        self.append([Draft(Notice(kind=kind, **words), at(seconds))])

    def anchor(self) -> None:
        self._timekeeping.begin()

    def set_clock(self, seconds: float, by_ms: int) -> None:
        self._wall.moment = at(seconds, set_by_ms=by_ms)
        self._timekeeping.look()

    def up(self, device: str, seconds: float) -> None:
        """As gateway/app.py says it."""
        lane = self._rules[device].lane
        portal = ARM.portal if lane == ARM.id else DOOR.portal
        self.notice("device.up", seconds, device=device, lane=lane, portal=portal)
        self.append(self._passage.device_up(device, at(seconds)))

    def down(self, device: str, seconds: float, reason: str) -> None:
        self.notice("device.down", seconds, device=device, lane=ARM.id, portal=ARM.portal, reason=reason)
        self.append(self._passage.device_down(device, at(seconds), reason))

    def card(self, device: str, card: str, seconds: float, live: bool = True) -> None:
        self._frame(device, frames.rdm6300(card), seconds, live)

    def turn(self, seconds: float, *, out: bool = False) -> None:
        self._frame("lane-1-arm", frames.eb(frames.EB_EXIT_COUNT if out else frames.EB_ENTRY_DONE), seconds)

    def says(self, device: str, event: events.Event, seconds: float) -> None:
        self.append(self._passage.handle(device, event, at(seconds)))

    def remembers(self, device: str, event: events.Event, seconds: float) -> None:
        """As gateway/port/talk.py dates what a device had kept."""
        kept = event.origin
        assert kept is not None
        moment = at(seconds).remembered(kept.age_s, kept.error_s, kept.device_time)
        self.append(self._passage.handle(device, event, moment))

    def wait(self, seconds: float) -> None:
        self.append(self._passage.tick(at(seconds)))

    def _frame(self, device: str, frame: bytes, seconds: float, live: bool = True) -> None:
        spec = registry.find(self._rules[device].driver)
        for event in spec.new(registry.make_options(spec, {})).feed(frame, 0.0):
            self.append(self._passage.handle(device, event, at(seconds, live)))


@cache
def morning() -> tuple[dict[str, Any], ...]:
    """The journal of the morning, parsed; `raw` is each line as it was encoded."""
    story = Morning()
    story.notice("gateway.started", 0.0, details={"version": VERSION, "config": CONFIG})
    story.anchor()
    for device in ("lane-1-in", "lane-1-out", "lane-1-arm", "side-in", "contacts"):
        story.up(device, 0.1)
    _people(story)
    _trouble(story)
    return tuple(json.loads(line) | {"raw": line.decode()} for line in story.lines)


def _people(story: Morning) -> None:
    story.card("lane-1-in", CARD, 10.412)
    story.card("lane-1-in", CARD, 11.1)
    story.turn(12.035)
    story.turn(13.2)
    story.wait(20.0)
    story.card("side-in", OTHER_CARD, 30.0)
    story.card("lane-1-in", OTHER_CARD, 40.0)
    story.turn(41.0, out=True)
    story.wait(46.0)
    story.turn(50.0)
    story.wait(51.0)
    story.card("lane-1-in", CARD, 60.0)
    story.card("lane-1-in", THIRD_CARD, 60.9)
    story.turn(62.0)
    story.wait(70.0)
    story.says("lane-1-in", events.CardRead(scheme="em4100", value=CARD, bits=40, decision="denied"), 80.0)
    story.wait(90.0)


def _trouble(story: Morning) -> None:
    story.says("contacts", events.Input(input="1", active=True), 100.0)
    story.says("contacts", events.Input(input="2", active=True), 101.0)
    story.says("contacts", events.DeviceChange(kind="mode", reason="emergency"), 102.0)
    story.says("contacts", events.DeviceChange(kind="mode", reason="normal"), 103.0)
    story.says("contacts", events.Input(input="3", active=True), 104.0)
    story.says("contacts", events.Input(input="0", active=True), 110.0)
    story.turn(111.0)
    story.says("contacts", events.Input(input="0", active=False), 112.0)
    story.says("lane-1-arm", events.DeviceChange(kind="fault", reason="motor blocked"), 115.0)
    story.down("lane-1-in", 120.0, "unplugged or hung up")
    since, until = "2026-11-23T00:33:20.000Z", "2026-11-23T00:33:31.250Z"
    lost = Lost(device="lane-1-out", cause="quota", count=3, since=since, until=until)
    story.append([Draft(lost, at(151.25))])
    story.append([Draft(Lost(cause="pruned", epoch=EPOCH, first=2, last=5, count=4), at(160.0))])
    story.notice(
        "journal.level", 170.0, details={"level": "filling", "before": "ok", "percent": 71, "limit": "max_mb"}
    )
    _memory(story)
    story.watch(OTHER_CARD, "lost-cards")
    story.card("side-in", OTHER_CARD, 178.0)
    details = {"config": "41d6b1a7c0e9f352", "restart_needed_for": ["journal"]}
    story.notice("config.applied", 180.0, details=details)
    story.set_clock(185.0, by_ms=1_250)
    story.append([Draft(Notice(kind="gateway.stopped", reason="signal"), at(190.0, set_by_ms=1_250))])


def _memory(story: Morning) -> None:
    """A terminal whose clock is eleven seconds ahead is plugged in, and tells what it had kept."""
    story.says("clock-1", events.DeviceChange(kind="up"), 175.0)
    kept = events.Origin(age_s=95.0, device_time="2026-11-23T08:32:38", error_s=1.1)
    read = events.CardRead(scheme="zk-user", value="1007", bits=None, decision="granted", origin=kept)
    story.remembers("clock-1", read, 175.4)


@cache
def next_epoch() -> str:
    """The first line of the epoch that follows the morning's, when the centre had settled all but the last two."""
    head, newest = line_hash(str(morning()[-1]["raw"]).encode()), len(morning())
    draft = Draft(Previous(EPOCH, newest, head, newest - 2).loss(), at(3600.0), seq=1)
    return encode(draft, Origin("hq", "edge-01", "Asia/Shanghai", "c0ffee1290d4a7b3"), GENESIS).decode()


@cache
def doubt() -> str:
    """The second line of an epoch that follows one whose file was gone, when a copy knew of one terminal."""
    previous = Previous(EPOCH, beside={"mark:clock-1": filed(1, "1007")})
    body = previous.doubt()
    assert body is not None
    origin = Origin("hq", "edge-01", "Asia/Shanghai", "c0ffee1290d4a7b3")
    first = encode(Draft(previous.loss(), at(3600.0), seq=1), origin, GENESIS)
    return encode(Draft(body, at(3600.0), seq=2), origin, line_hash(first)).decode()


def records(kind: str) -> list[dict[str, Any]]:
    """The records of a type word (`punch`), in order."""
    return [record for record in morning() if record["type"] == f"punchgate.{kind}.v1"]


def kinds() -> list[str]:
    """The type words of the morning, in order of appearance."""
    return list(dict.fromkeys(record["type"].removeprefix("punchgate.").removesuffix(".v1") for record in morning()))
