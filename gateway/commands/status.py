"""`punchgate status`: ask the running daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway import assembly
from gateway.commands.options import config_option
from gateway.status import ask


@click.command("status")
@config_option
@click.option("--json", "as_json", is_flag=True, help="The whole document, for machines.")
def command(config: Path, as_json: bool) -> None:
    """How the running daemon is doing. Exit 69 if none is running."""
    status = ask(assembly.read_settings(config).gateway.state_dir)
    click.echo(json.dumps(status, ensure_ascii=False) if as_json else _readable(status))


def _readable(status: dict[str, Any]) -> str:
    uplink, journal = status["uplink"], status["journal"]
    size = f"{journal['bytes'] / 2**20:.1f} MiB ({journal['percent']} %)"
    ring = journal["ring"]
    waiting = status["newest"] - status["settled"]
    connected = "connected" if uplink["connected"] else "not connected"
    lines = [
        f"{status['site']}/{status['gateway']}  punchgate {status['version']}, pid {status['pid']}, "
        f"up since {status['started']}",
        f"journal  epoch {status['epoch']}, records {status['oldest']}..{status['newest']}, "
        f"{waiting} not settled, {size}, room for {status['autonomy_days']} days",
        f"uplink   {uplink['broker']} {connected}" + (f": {uplink['reason']}" if uplink["reason"] else ""),
        f"clock    {status['clock']['state']} ({status['clock']['source']})",
    ]
    if ring["kept"] or ring["refused"]:
        lines.append(f"ring     {ring['kept']} records wait for room, {ring['refused']} could not be kept")
    if journal["trouble"]:
        lines.append(f"TROUBLE  journal: {journal['trouble']['reason']}")
    lines += [f"WARNING  {warning}" for warning in status["warnings"]]
    return "\n".join(lines + [_device(device) for device in status["devices"]])


def _device(device: dict[str, Any]) -> str:
    bad = sum(device["bad_frames"].values())
    text = f"device   {device['device']} ({device['driver']}) {device['status']} since {device['since']}"
    text += f", {device['reads']} reads, {device['passes']} passes, {bad} bad frames"
    return text + (f"\n         {device['reason']}" if device["reason"] else "")
