"""libosdp's control panel over memory instead of a port: the only door to that library in the drivers.

libosdp (Apache-2.0) does the link and the secure channel. It is given bytes and asked what it has to say every few
milliseconds; it starts no thread and never waits. Two things of its own it keeps: it reads the monotonic clock for
its time-outs, and it takes its random numbers from the C library, which nobody seeds. Unseeded, every panel on earth
sends the same first challenge after its start, and a recorded reader could be played back to it; so we seed it.

On PyPI `libosdp` and `osdp` both install a package `osdp`; the later one overwrites the other's files, silently.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from drivers.osdp.options import Pattern

REMEDY = "pip install 'punchgate[osdp]'"
SILENT_LEVEL = 0
"""Emergencies only; libosdp writes to standard error what is not below its level."""
BACKLOG = 8
"""Orders that may wait for one reader; what comes on top is dropped, for a light that comes late says nothing."""
MAX_TEXT_BYTES = 32
TEMPORARY = 2
DEFAULT_TONE = 2
SILENCE = 1


class NoLibrary(ValueError):
    """libosdp is not there, or something else is in its place; the text says how to mend it."""


def library() -> ModuleType:
    """`osdp_sys`, if it and its package are libosdp's. Raises NoLibrary."""
    try:
        import osdp
        import osdp_sys
    except ImportError as why:
        raise NoLibrary(f"osdp: libosdp does not load ({why}); {REMEDY}") from None
    if not hasattr(osdp, "PDInfo"):
        raise NoLibrary(
            f"osdp: another package `osdp` lies over libosdp's; pip uninstall osdp libosdp, then {REMEDY}"
        )
    made: ModuleType = osdp_sys
    return made


@dataclass(frozen=True, slots=True)
class Link:
    """How one reader is spoken to; without a key plainly. `installs`: a new reader is handed the key."""

    address: int
    key: bytes | None
    installs: bool = False


class Channel:
    """The line, as libosdp sees it. It asks for `read`, `write` and `flush`; none of them waits.

    Readers whose channels have the same `id` share a line and are asked one after the other; but 0 means none.
    """

    def __init__(self) -> None:
        self.id = 1
        self.input = bytearray()
        self.output: list[bytes] = []

    def read(self, most: int) -> bytes:
        data = bytes(self.input[:most])
        del self.input[:most]
        return data

    def write(self, data: bytes) -> int:
        self.output.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        self.input.clear()


@dataclass(frozen=True, slots=True)
class Online:
    """The link to a reader is up or down."""

    unit: int
    value: bool


@dataclass(frozen=True, slots=True)
class Secure:
    """The secure channel of a reader is up or down; `public`: under the key that everybody knows."""

    unit: int
    value: bool
    public: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A card was read: `bits` bits in `data`."""

    unit: int
    reader: int
    format: int
    bits: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Status:
    """A status report: `is_local`, of the reader itself, or of one attached to it."""

    unit: int
    is_local: bool
    report: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """An order for a reader is over; `command` is libosdp's number of it."""

    unit: int
    command: int
    is_ok: bool


News = Online | Secure | Card | Status | Done


class Panel:
    """One bus: `links` by unit. Raises NoLibrary."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._sys: Any = library()
        self.channel = Channel()
        self._news: list[News] = []
        self._waiting = [0] * len(links)
        ctypes.CDLL(None).srand(int.from_bytes(os.urandom(4), "little"))
        self._sys.set_loglevel(SILENT_LEVEL)
        self._panel: Any = self._sys.ControlPanel([self._info(link) for link in links])
        self._panel.set_event_callback(self._event)
        self._panel.set_command_completion_callback(self._done)

    def _info(self, link: Link) -> dict[str, object]:
        flags = self._sys.FLAG_ENABLE_NOTIFICATION | self._sys.FLAG_IGN_UNSOLICITED
        if link.key is not None and not link.installs:
            flags |= self._sys.FLAG_ENFORCE_SECURE
        return {"name": f"PD-{link.address}", "address": link.address, "flags": flags, "scbk": link.key,
                "channel": self.channel}  # fmt: skip

    def close(self) -> None:
        """Let go of libosdp. It is no part of Python's collection of circles, so the one through us is cut here."""
        self._panel.set_event_callback(_ignore)
        self._panel.set_command_completion_callback(_ignore)
        self._panel = None

    def refresh(self) -> list[News]:
        """Let libosdp work on what is in the channel and on its clock; what has happened."""
        self._panel.refresh()
        news, self._news = self._news, []
        return news

    def forget(self, unit: int) -> None:
        """Drop the link to a reader, so that `revive` may begin a new one."""
        self._panel.disable_pd(unit)

    def revive(self, unit: int) -> bool:
        """Begin anew with a reader whose link has been dropped; whether that is so."""
        return not self._panel.is_pd_enabled(unit) and bool(self._panel.enable_pd(unit))

    def ask_status(self, unit: int) -> bool:
        """Ask a reader for tampering and power; whether it will be asked."""
        return self._submit(unit, {"command": self._sys.CMD_STATUS, "type": self._sys.STATUS_REPORT_LOCAL})

    def show(self, unit: int, pattern: Pattern) -> None:
        """Light and buzzer, as far as the reader has them; the light goes back to what it was."""
        if pattern.tenths and self._can(unit, self._sys.CAP_READER_LED_CONTROL):
            self._submit(unit, {
                "command": self._sys.CMD_LED, "reader": 0, "led_number": 0, "temporary": True,
                "control_code": TEMPORARY, "on_color": pattern.colour, "off_color": 0,
                "on_count": pattern.tenths, "off_count": 0, "timer_count": pattern.tenths,
            })  # fmt: skip
        if pattern.beeps and self._can(unit, self._sys.CAP_READER_AUDIBLE_OUTPUT):
            self._submit(unit, {
                "command": self._sys.CMD_BUZZER, "reader": 0, "control_code": DEFAULT_TONE,
                "on_count": 1, "off_count": 1, "rep_count": pattern.beeps,
            })  # fmt: skip

    def write_text(self, unit: int, text: str, seconds: float) -> None:
        """Show a text for some seconds, 1 to 255, if the reader has a display; other letters than ASCII become ?."""
        data = text.encode("ascii", "replace").replace(b"\0", b"?")[:MAX_TEXT_BYTES].decode("ascii")
        if self._can(unit, self._sys.CAP_READER_TEXT_OUTPUT):
            self._submit(unit, {
                "command": self._sys.CMD_TEXT, "reader": 0, "control_code": TEMPORARY,
                "temp_time": min(255, max(1, round(seconds))), "offset_row": 1, "offset_col": 1, "data": data,
            })  # fmt: skip

    def _can(self, unit: int, capability: int) -> bool:
        level, _ = self._panel.check_capability(unit, capability)
        return bool(level)

    def _submit(self, unit: int, command: dict[str, object]) -> bool:
        if self._waiting[unit] >= BACKLOG or not self._panel.submit_command(unit, command):
            return False
        self._waiting[unit] += 1
        return True

    def _done(self, unit: int, command: dict[str, int], status: int) -> None:
        self._waiting[unit] -= 1
        self._news.append(Done(unit, command["command"], status == self._sys.COMPLETION_OK))

    def _event(self, unit: int, event: dict[str, Any]) -> int:
        kind, sys_module = event["event"], self._sys
        if kind == sys_module.EVENT_CARDREAD and "length" in event:
            self._news.append(Card(unit, event["reader_no"], event["format"], event["length"], event["data"]))
        elif kind == sys_module.EVENT_STATUS:
            local, remote = sys_module.STATUS_REPORT_LOCAL, sys_module.STATUS_REPORT_REMOTE
            if event["type"] in (local, remote):
                self._news.append(Status(unit, event["type"] == local, event["report"]))
        elif kind == sys_module.EVENT_NOTIFICATION:
            if event["type"] == sys_module.EVENT_NOTIFICATION_SC_STATUS:
                self._news.append(Secure(unit, bool(event["arg0"]), bool(event["arg1"])))
            elif event["type"] == sys_module.EVENT_NOTIFICATION_PD_STATUS:
                self._news.append(Online(unit, bool(event["arg0"])))
        return 0


def _ignore(*_: object) -> int:
    """What libosdp says at the end interests nobody."""
    return 0
