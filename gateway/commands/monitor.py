"""`punchgate monitor`: what devices say, as they say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway import assembly
from gateway.commands.options import config_option
from gateway.errors import Misconfigured
from gateway.status.monitor import watch

FIRST = ("time", "device", "event", "port", "way", "hex")


@click.command("monitor")
@config_option
@click.option("--device", metavar="ID", help="Only this device, and with --raw the line it is on.")
@click.option("--raw", is_flag=True, help="The bytes on the lines too. They are card numbers in clear.")
@click.option("--json", "as_json", is_flag=True, help="One object a line, for machines.")
def command(config: Path, device: str | None, raw: bool, as_json: bool) -> None:
    """Watch devices live through the running daemon, until Ctrl-C. Cards are shown by their tokens."""
    settings = assembly.read_settings(config)
    known = [each.id for port in settings.ports for each in port.devices]
    if device is not None and device not in known:
        raise Misconfigured(f"--device {device}: there is no such device", remedy=f"devices: {', '.join(known)}")
    try:
        for row in watch(settings.gateway.state_dir, device, raw=raw):
            click.echo(json.dumps(row, ensure_ascii=False) if as_json else _readable(row))
    except KeyboardInterrupt:
        return
    click.echo("the daemon has stopped", err=True)


def _readable(row: dict[str, Any]) -> str:
    if "dropped" in row:
        return f"… {row['dropped']} rows were dropped: this end did not read"
    if "hex" in row:
        arrow = "<-" if row["way"] == "rx" else "->"
        return f"{row['time']}  {row['port']} {arrow} {bytes.fromhex(row['hex']).hex(' ')}"
    words = [f"{word}={value}" for word, value in row.items() if word not in FIRST and value is not None]
    return f"{row['time']}  {row['device']:<16} {row['event']:<10} {' '.join(words)}"
