"""Logs go to stderr: lines of JSON for journald, readable ones on a terminal. Names of events are fixed, here.

Fields carry the facts; card numbers and tokens are never among them.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal, TextIO, cast

import structlog

from gateway.tracebacks import discreet

EVENTS = {
    "clock.state": "the quality of the wall clock has changed",
    "clock.stepped": "somebody has set the wall clock, by more than half a second",
    "command.refused": "a command was not carried out, by kind; once per kind and minute",
    "command.taken": "the centre's command is carried out, once",
    "config.applied": "the configuration in force, by its fingerprint",
    "config.warning": "a secret is open to others on this machine",
    "config.unchanged": "a reload could not be applied; the old configuration stays",
    "device.down": "a device that is asked does not answer any more",
    "device.up": "a device that is asked has answered",
    "gateway.bug": "an unexpected exception: the process ends with 70",
    "gateway.ready": "ports, journal and uplink are running",
    "gateway.stood_still": "this process was stopped or starved: what arrived meanwhile is dated as what has waited",
    "gateway.stalled": "the journal's thread or a task stands still: systemd is told nothing, and restarts us",
    "gateway.stopped": "an orderly stop",
    "directory.refused": "a directory document was not believed; once per kind and minute",
    "directory.taken": "a newer directory document of the centre's is in force",
    "journal.damaged": "the journal's file was broken and is set aside, or is gone; a new epoch begins",
    "journal.deleted": "somebody has deleted or replaced the journal's file while it was open: it is written anew",
    "journal.epoch": "a new epoch begins",
    "journal.former": "the journal is that of another site or gateway: it is set aside, and a new one begins",
    "journal.level": "how full the journal is: another step is reached, or left behind",
    "journal.unwatched": "the file system numbers the journal's file anew each time: it is not looked at any more",
    "journal.trouble": "the journal cannot keep records now; reading from the ports is paused",
    "journal.recovered": "the journal keeps records again",
    "port.down": "a port is gone or cannot be opened",
    "port.ended": "the configuration has a port no more, or otherwise: it is closed",
    "port.read": "a port that was unread is watched again, and what had waited is read",
    "port.unread": "nobody reads an open port: the journal keeps nothing, the disk is slow, or we stood still",
    "port.up": "a port is open and watched",
    "frame.bad": "frames of a device were refused; once per flaw and minute",
    "message.refused": "a message from the broker was too large or one too many; once per kind and minute",
    "receipt.refused": "a message from the centre was not believed; once per kind and minute",
    "presence.unwritten": "who is on the site could not be read or written down; tried again",
    "records.dropped": "a person gave a refused record up; it is declared lost",
    "records.expired": "records are older than privacy.keep_days and go though the centre never got them",
    "records.refused": "the centre refuses records; they are in quarantine",
    "records.requested": "a person wants records to be sent again",
    "records.resent": "the centre misses records; they are sent again",
    "records.retried": "a person wants a refused record to be sent again",
    "records.pruned": "the centre misses records that are no longer held",
    "registry.unwritten": "the device registry could not be written; listening goes on",
    "socket.crowded": "no more files may be open: who asks at a socket of the daemon waits; once a minute",
    "uplink.copy": "the centre knows more of this epoch than this journal: it is an old copy",
    "uplink.deaf": "the broker does not let this gateway hear commands and directory; once a minute",
    "uplink.down": "no connection to the broker",
    "uplink.nobody": "the broker has no subscriber for the records",
    "uplink.refused": "the broker refuses the records",
    "uplink.restored": "the centre was restored or set up anew: what it lacks is replayed",
    "uplink.set_apart": "a record ended the connection each time; it is set apart and tried again later",
    "uplink.too_large": "a record is larger than the broker takes; it is set apart until the next connection",
    "uplink.unfinished": "stopped before all was acknowledged; the rest goes after the next start",
    "uplink.unread": "the journal could not be read for the replay; tried again",
    "uplink.up": "connected to the broker",
}

Format = Literal["auto", "json", "console"]
ONCE_EVERY_S = 60.0
MAX_KINDS = 200


def configure(level: str = "info", form: Format = "auto") -> None:
    """Set up structlog for this process."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_values,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Unbreakable())),
        cache_logger_on_first_use=False,  # or a reload could not change the level
    )


def _without_values(_: object, __: str, row: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An exception as text, without what it was about."""
    error = row.pop("exc_info", None)
    if isinstance(error, BaseException):
        row["exception"] = discreet(error)
    return row


class _Unbreakable:
    """Standard error as it is now; a full disk or a closed pipe behind it must not end the daemon."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


class Once:
    """Says a thing once a minute however often it happens, with the number of times since.

    Kinds that come from outside may differ without end; beyond MAX_KINDS in a minute they count as one.
    """

    def __init__(self, mono: Callable[[], float]) -> None:
        self._mono = mono
        self._said: dict[tuple[str, ...], float] = {}
        self._times: dict[tuple[str, ...], int] = {}

    def due(self, *kind: str) -> int:
        """How many times it has happened since it was last said; 0 while it should not be said again."""
        now = self._mono()
        if kind not in self._said and len(self._said) >= MAX_KINDS:
            self._forget(now)
            kind = kind if len(self._said) < MAX_KINDS else ()
        self._times[kind] = self._times.get(kind, 0) + 1
        if now - self._said.get(kind, -ONCE_EVERY_S) < ONCE_EVERY_S:
            return 0
        self._said[kind] = now
        return self._times.pop(kind)

    def _forget(self, now: float) -> None:
        """Kinds that were said long ago; those that happened since then count with the rest."""
        for kind in [kind for kind, at in self._said.items() if now - at >= ONCE_EVERY_S]:
            del self._said[kind]
            self._times.pop(kind, None)
