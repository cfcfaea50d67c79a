"""Tell the passage station a story on a fake clock and read its answer in one line for each punch.

`completed confirmed in A p1 burst=B` is: outcome, confidence, direction, read, passes, what else is in refs.
Reads are called by their card (A, the second A2), passes p1, p2, … in the order of their facts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from drivers import events
from gateway.clock import Moment, Quality
from gateway.passage import DeviceRules, LaneRules, OpenRead, Passage, Privacy
from gateway.records import (
    CredentialRead,
    CredentialRepeated,
    Decision,
    Draft,
    Notice,
    PassageSensed,
    Punch,
    Ref,
    Side,
    type_of,
)

KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)
QUALITY = Quality("synced", "ntp", 1, "boot")
START_MS = 1_795_400_000_000
LANE = LaneRules("lane", "lobby", "outside", "inside", "controlled", "per_direction", 5.0, 3.0, 0.3)
ARM = DeviceRules(
    "arm", "eb_turnstile", "lane", "both", "native", frozenset({"passage"}), {"left": "in", "right": "out"}
)
WORDS = {"in": "left", "out": "right", "unknown": "odd"}
CONTACTS = {"0": "fire", "1": "held", "2": "forced", "3": "tamper"}


def reader(side: Side, lane: str = "lane", name: str | None = None) -> DeviceRules:
    """A card reader."""
    return DeviceRules(name or f"reader-{side}", "em4100", lane, side, "native", frozenset({"credential"}))


def at(seconds: float, live: bool = True) -> Moment:
    """That many seconds into the story."""
    return Moment(START_MS + round(seconds * 1000), 1000.0 + seconds, round((50 + seconds) * 1e9), QUALITY, live)


def card(name: str, decision: Decision | None = None) -> events.CardRead:
    """The card called A, B, …"""
    return events.CardRead(scheme="em4100", value=f"{name.encode().hex().upper():>010}", bits=40, decision=decision)


class Story:
    """One lane with two readers, an arm that senses passes, and contacts; all devices are up since long ago."""

    def __init__(
        self,
        *,
        mode: Literal["controlled", "free"] = "controlled",
        sensor: Literal["none", "one", "per_direction"] = "per_direction",
        devices: tuple[DeviceRules, ...] | None = None,
        up: bool = True,
        clear: bool = False,
        **rules: Any,
    ) -> None:
        contacts = DeviceRules(
            "contacts", "modbus_turnstile", "lane", "both", "native", frozenset({"input"}), {}, CONTACTS
        )
        arm = () if sensor == "none" else (ARM,)
        every = devices or (reader("in"), reader("out"), reader("both"), contacts, *arm)
        lane = replace(LANE, mode=mode, sensor=sensor, **rules)
        self.passage = Passage([lane], every, Privacy("k1", KEY, clear))
        self.drafts: list[Draft] = []
        self.names: dict[int, str] = {}
        self._times: dict[str, int] = {}
        for device in every if up else ():
            self.up(-100, device.id)

    def tell(self, device: str, event: events.Event, seconds: float, live: bool = True) -> Story:
        """Any event of any device."""
        return self._hear(self.passage.handle(device, event, at(seconds, live)))

    def read(
        self, seconds: float, name: str, side: Side = "in", decision: Decision | None = None, live: bool = True
    ) -> Story:
        """A card is presented."""
        return self.tell(f"reader-{side}", card(name, decision), seconds, live)

    def passes(
        self, seconds: float, way: str = "in", count: int = 1, tailgate: bool = False, live: bool = True
    ) -> Story:
        """Somebody goes through."""
        fields = {"tailgate": True} if tailgate else {}
        return self.tell("arm", events.Passage(direction=WORDS[way], count=count, fields=fields), seconds, live)

    def contact(self, seconds: float, meaning: str, active: bool = True) -> Story:
        """A contact changes."""
        name = next(name for name, known in CONTACTS.items() if known == meaning)
        return self.tell("contacts", events.Input(input=name, active=active), seconds)

    def up(self, seconds: float, device: str) -> Story:
        """A device appears."""
        return self._hear(self.passage.device_up(device, at(seconds)))

    def down(self, seconds: float, device: str) -> Story:
        """A device is lost."""
        return self._hear(self.passage.device_down(device, at(seconds), "unplugged"))

    def tick(self, seconds: float) -> Story:
        """Time passes."""
        return self._hear(self.passage.tick(at(seconds)))

    def stop(self, seconds: float) -> Story:
        """An orderly end."""
        return self._hear(self.passage.stop(at(seconds)))

    def recover(self, seconds: float, *reads: OpenRead) -> Story:
        """The start after a crash."""
        return self._hear(self.passage.recover(reads, at(seconds)))

    def punches(self) -> list[str]:
        """The punches so far, one line each."""
        return [self.line(draft) for draft in self.drafts if isinstance(draft.body, Punch)]

    def bodies(self, kind: str) -> list[Any]:
        """The bodies of one type so far."""
        return [draft.body for draft in self.drafts if type_of(draft.body) == kind]

    def line(self, draft: Draft) -> str:
        """One draft as a line."""
        body = draft.body
        if isinstance(body, Punch):
            return self._punch(body)
        if isinstance(body, CredentialRepeated):
            return f"repeated {self.name(body.read)} {body.count}"
        if isinstance(body, Notice):
            return f"notice {body.kind} {body.reason or ''}".strip()
        return f"{type_of(body)} {self.name(draft)}"

    def name(self, ref: Ref) -> str:
        """What a fact is called."""
        return f"#{ref}" if isinstance(ref, int) else self.names[id(ref)]

    def _punch(self, body: Punch) -> str:
        words = [body.outcome, body.confidence, body.direction]
        words += ["-" if body.read is None else self.name(body.read)]
        words += [self.name(ref) for ref in body.passes]
        words += [] if body.burst is None else [f"burst={self.name(body.burst)}"]
        words += ["candidates=" + ",".join(map(self.name, body.candidates))] if body.candidates else []
        words += [f"repeats={body.repeats}"] if body.repeats else []
        words += [f"count={body.subject.count}"] if body.subject.count != 1 else []
        return " ".join(words)

    def _hear(self, drafts: list[Draft]) -> Story:
        for draft in drafts:
            if isinstance(draft.body, CredentialRead | PassageSensed):
                self.names[id(draft)] = self._christen(draft.body)
        self.drafts += drafts
        return self

    def _christen(self, body: CredentialRead | PassageSensed) -> str:
        if isinstance(body, PassageSensed):
            self._times["p"] = self._times.get("p", 0) + 1
            return f"p{self._times['p']}"
        name = next(
            (name for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if _token(name) == body.subject.token),
            str(body.subject.token),
        )
        self._times[name] = self._times.get(name, 0) + 1
        return name if self._times[name] == 1 else f"{name}{self._times[name]}"


def _token(name: str) -> str | None:
    return Privacy("k1", KEY).subject(card(name), ()).token
