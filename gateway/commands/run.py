"""`punchgate run`: the daemon in the foreground, as systemd wants it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from pathlib import Path
from typing import IO

import click

from config import Settings
from gateway import assembly, log
from gateway.app import Gateway
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.errors import Misconfigured, NotDurable, Transient
from gateway.pulse import WatchfulSelector

LOCK_NAME = "punchgate.lock"
DISK_TROUBLE = {errno.EROFS, errno.EIO, errno.ENOSPC}
"""May pass by itself, so that systemd should try again; a wrong path or permission does not."""


@click.command("run")
@config_option
def command(config: Path) -> int:
    """Listen to the ports, keep and deliver what they say, until SIGTERM.

    SIGHUP reads the configuration again and applies what needs no restart.
    """
    settings = assembly.read_settings(config)
    log.configure(settings.log.level, settings.log.format)
    lock = _own(settings.gateway.state_dir)
    try:
        selector = WatchfulSelector(Clock().mono)
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
            return runner.run(_run(settings, config, selector))
    finally:
        lock.close()


async def _run(settings: Settings, config: Path, selector: WatchfulSelector) -> int:
    return await Gateway(settings, config, selector).run()


def _own(state_dir: Path) -> IO[str]:
    """Make the state directory ours for as long as the file is open."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = (state_dir / LOCK_NAME).open("a+", encoding="utf-8")
    except OSError as error:
        if error.errno in DISK_TROUBLE:
            raise NotDurable(
                f"{state_dir}: {error.strerror}", remedy="look at the disk and the kernel log"
            ) from error
        raise Misconfigured(
            f"gateway.state_dir: {state_dir}: {error.strerror}",
            remedy="create it for the daemon's user, or name another",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        raise Transient(
            f"{state_dir}: another punchgate (pid {owner}) runs on this state directory",
            remedy="stop it first, or give this one its own gateway.state_dir",
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
