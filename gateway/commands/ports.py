"""`punchgate ports`: which serial ports are there, under which stable name, and who holds them."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from gateway.port import list_ports


@click.command("ports")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(as_json: bool) -> None:
    """Serial ports of this machine; put the stable name into the configuration."""
    ports = list_ports()
    if as_json:
        click.echo(json.dumps([asdict(port) for port in ports], ensure_ascii=False))
        return
    if not ports:
        click.echo("no serial port is connected", err=True)
    for port in ports:
        click.echo(port.stable or port.path)
        facts = {
            "path": port.path,
            "device": port.description,
            "vendor": port.vendor,
            "serial": port.serial_number,
            "held by": port.held_by,
        }
        for name, fact in facts.items():
            if fact:
                click.echo(f"  {name:8} {fact}")
