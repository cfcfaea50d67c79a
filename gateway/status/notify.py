"""sd_notify(3): tell systemd how the service is doing, if it asked to be told."""

from __future__ import annotations

import contextlib
import os
import socket

STILL_US = 30_000_000
"""As long as a release on trial has for its start; see systemd/release.conf."""


def notify(state: str) -> None:
    """Send `READY=1`, `STOPPING=1`, `STATUS=…`; nothing without NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(state.encode(), address)


def notify_copying(done: int, pages: int) -> None:
    """The start takes longer, and goes on: systemd waits once more as long from now on, whatever TimeoutStartSec."""
    percent = done * 100 // pages if pages else 100
    notify(f"EXTEND_TIMEOUT_USEC={STILL_US}\nSTATUS=copying the journal before it is taken over: {percent} %")
