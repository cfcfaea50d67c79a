"""`punchgate run`: the daemon in the foreground, as systemd wants it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from config import Settings
from gateway import assembly, log
from gateway.app import Gateway
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.lock import own
from gateway.pulse import WatchfulSelector
from gateway.secrecy import keep_memory_private
from gateway.tracebacks import be_discreet


@click.command("run")
@config_option
def command(config: Path) -> int:
    """Listen to the ports, keep and deliver what they say, until SIGTERM.

    SIGHUP reads the configuration again and applies what needs no restart.
    """
    be_discreet()
    keep_memory_private()
    settings = assembly.read_settings(config)
    log.configure(settings.log.level, settings.log.format)
    lock = own(settings.gateway.state_dir)
    try:
        selector = WatchfulSelector(Clock().mono)
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
            return runner.run(_run(settings, config, selector))
    finally:
        lock.close()


async def _run(settings: Settings, config: Path, selector: WatchfulSelector) -> int:
    return await Gateway(settings, config, selector).run()
