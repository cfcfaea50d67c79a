"""What the demo's spectator sees: each punch on its way from the reader to the centre's ledger.

On a terminal the latest punches stay in place while their stations light up, above a footer with the counts; a punch
that has arrived scrolls away. Elsewhere a punch is one line, printed when its way is over, and the footer is a line
of progress every few seconds.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from gateway.errors import Rejected
from gateway.simulation.listener import Heard, commits
from gateway.simulation.oracle import Presented
from gateway.wire import unpack

WAITS_AT_MOST_S = 15.0
SHOWN_AT_MOST = 20
PROGRESS_EVERY_S = 5.0
LIVE_WITHIN_S = 1.0

COLOURS = {
    "completed": "green",
    "assumed": "cyan",
    "not_taken": "yellow",
    "ambiguous": "magenta",
    "tailgate": "red",
    "forced": "red",
    "denied": "red",
    "wrong_way": "red",
}
FACES = {"tailgate": "👥", "forced": "⚠️ ", "not_taken": "↩️ "}


@dataclass(slots=True)
class Travelling:
    """A published punch: what it says, when it happened, how long it took (ms; None: it waited for a pass)."""

    data: dict[str, Any]
    time: datetime
    published_s: float
    ms: float | None
    replayed: bool
    committed_ms: float | None = None


class Show:
    """Keeps the picture. `present` may be called from any thread; everything else from one."""

    def __init__(self, broker_name: str, *, terminal: bool) -> None:
        self.terminal = terminal
        self.broker_name = broker_name
        self.broker_up = True
        self.presented: Counter[str] = Counter()
        self.punches: Counter[str] = Counter()
        self.lanes: Counter[str] = Counter()
        self.replayed = 0
        self.online = False
        self.through = 0
        self.newest = 0
        self._happened: dict[tuple[str, str], float] = {}
        self._travelling: dict[tuple[str, int], Travelling] = {}
        self._seen: set[tuple[str, int]] = set()
        self._begun_s = self._progress_s = time.monotonic()
        self._picture: list[str] = []

    def present(self, presented: Presented) -> None:
        """A reader or a turnstile has just sent this."""
        fact = presented.fact
        self.presented[fact.kind] += 1
        if fact.kind != "repeat":
            self._happened[fact.lane, "pass" if fact.kind == "pass" else "read"] = time.time()

    def hear(self, heard: Heard) -> None:
        """A message has passed the broker; what is not ours or not valid is not shown."""
        try:
            if heard.topic in ("records", "replay"):
                for line in unpack(heard.body, heard.encoding):
                    self._hear_record(json.loads(line), heard)
            elif heard.topic == "receipt":
                self._hear_receipt(json.loads(heard.body), heard.at_s)
            elif heard.topic == "state":
                state = json.loads(heard.body)
                self.online = state["status"] == "online"
                self.newest = max(self.newest, state["newest"] or 0)
        except (Rejected, ValueError, KeyError, TypeError):
            return

    def _hear_record(self, event: dict[str, Any], heard: Heard) -> None:
        data = event["data"]
        self.newest = max(self.newest, data["seq"])
        name = data["epoch"], data["seq"]
        if event["type"] != "punchgate.punch.v1" or name in self._seen or data["seq"] <= self.through:
            return
        self._seen.add(name)
        happened = datetime.fromisoformat(event["time"])
        replayed = heard.topic == "replay"
        self.punches[data["outcome"]] += 1
        self.lanes[data["lane"]] += 1
        self.replayed += replayed
        ms = self._latency_ms(data, happened, heard.at_s)
        self._travelling[name] = Travelling(data, happened, heard.at_s, ms, replayed)

    def _latency_ms(self, data: dict[str, Any], happened: datetime, at_s: float) -> float | None:
        if data["outcome"] in ("not_taken", "ambiguous"):
            return None
        age_s = at_s - happened.timestamp()
        trigger = "pass" if data["refs"]["passes"] else "read"
        exact_s = at_s - self._happened.get((data["lane"], trigger), 0.0)
        return 1000 * (exact_s if age_s < LIVE_WITHIN_S and abs(exact_s - age_s) < 0.05 else age_s)

    def _hear_receipt(self, receipt: dict[str, Any], at_s: float) -> None:
        self.through = max(self.through, receipt["through"])
        self._seen = {name for name in self._seen if name[1] > self.through}
        for (epoch, seq), punch in self._travelling.items():
            if punch.committed_ms is None and epoch == receipt["epoch"] and commits(receipt, seq):
                punch.committed_ms = 1000 * (at_s - punch.published_s) + (punch.ms or 0.0)

    # --- drawing

    def draw(self) -> None:
        """Bring the picture up to date."""
        arrived = [self._line(self._travelling.pop(name)) for name in self._ready()]
        if not self.terminal:
            for line in arrived:
                click.echo(line)
            if time.monotonic() - self._progress_s >= PROGRESS_EVERY_S:
                self._progress_s = time.monotonic()
                click.echo(f"… {self._counts()}")
            return
        moving = [self._line(punch) for punch in self._travelling.values()]
        picture = [*moving, *self._footer()]
        if not arrived and picture == self._picture:
            return
        click.echo("\x1b[?7l" + self._erasure() + "\n".join([*arrived, *picture]) + "\x1b[?7h", color=True)
        self._picture = picture

    def say(self, text: str, colour: str = "bright_white") -> None:
        """A line that stays: the next act begins."""
        self._wipe()
        click.secho(text, fg=colour, bold=True)

    def finish(self) -> None:
        """Let go of everything that is still shown."""
        for punch in self._travelling.values():
            punch.published_s = 0.0
        self.draw()
        self._wipe()

    def _wipe(self) -> None:
        """Take the moving part of the picture away."""
        if self._picture:
            click.echo(self._erasure(), nl=False, color=True)
            self._picture = []

    def _erasure(self) -> str:
        return f"\x1b[{len(self._picture)}F\x1b[J" if self._picture else ""

    def _ready(self) -> list[tuple[str, int]]:
        """Punches whose way is over, the oldest first: committed, waited for too long, or crowded out."""
        now_s, crowd = time.time(), len(self._travelling) - SHOWN_AT_MOST if self.terminal else 0
        return [
            name
            for n, (name, punch) in enumerate(self._travelling.items())
            if punch.committed_ms is not None or now_s - punch.published_s > WAITS_AT_MOST_S or n < crowd
        ]

    def _line(self, punch: Travelling) -> str:
        data = punch.data
        colour = COLOURS.get(data["outcome"], "white")
        local = punch.time.astimezone(ZoneInfo(data["tz"]))
        token = data["subject"]["token"]
        who = f"{token[:10]}…" if token else "nobody known"
        words = [
            f"{local:%H:%M:%S}.{local.microsecond // 1000:03d}",
            f"{data['lane']:<8} {data['direction']:<3}",
            FACES.get(data["outcome"], "👤"),
            f"{who:<12}",
            click.style(f"{data['outcome']:<9}", fg=colour, bold=True),
            self._way(punch),
        ]
        return " ".join(words)

    def _way(self, punch: Travelling) -> str:
        stations = ["read", "durable", "replayed" if punch.replayed else "published"]
        way = click.style("→".join(stations), fg="yellow" if punch.replayed else "green")
        way += click.style(f" {_duration(punch.ms)}", fg="bright_black")
        if punch.committed_ms is None:
            return way + click.style(" →committed", fg="bright_black")
        after = _duration(punch.committed_ms)
        return way + click.style(" →committed", fg="green") + click.style(f" {after}", fg="bright_black")

    def _counts(self) -> str:
        elapsed_s = time.monotonic() - self._begun_s
        broker = f"{self.broker_name} {'up' if self.broker_up else 'CUT'}"
        return (
            f"{elapsed_s:3.0f} s · {self.presented['read']} cards and {self.presented['pass']} passes presented · "
            f"{self.punches.total()} punches seen ({self.replayed} replayed) · broker {broker} · "
            f"centre has {self.through} of {self.newest} records"
        )

    def _footer(self) -> list[str]:
        lanes = "  ".join(f"{lane} {count}" for lane, count in sorted(self.lanes.items()))
        outcomes = "  ".join(
            click.style(f"{outcome} {count}", fg=COLOURS.get(outcome, "white"))
            for outcome, count in self.punches.most_common()
        )
        counts = click.style(self._counts(), fg="white" if self.broker_up else "red", bold=True)
        return [click.style("─" * 100, fg="bright_black"), counts, f"{lanes}   {outcomes}"]


def _duration(ms: float | None) -> str:
    if ms is None:
        return "after waiting for a pass"
    return f"{ms:.1f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
