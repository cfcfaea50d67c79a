"""`punchgate centre rebuild`: make the tables of presence anew from the ledger's lines and the operators' entries."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway import log
from gateway.commands.centre_options import centre_option, open_ledger
from gateway.commands.progress import progress
from gateway.errors import EXIT_FAILED

DAY_MS = 86_400_000


@click.command("rebuild")
@click.option("--check", is_flag=True, help="Only say where the tables differ, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@centre_option
def rebuild_command(config: Path, check: bool, as_json: bool) -> int:
    """Make the tables of who was where anew, and put right what differs; what was known when stays as it is.

    The centre may run, and answers from the tables as they are until the new ones are whole. With --check: 1 if
    something differs.
    """
    settings, database = open_ledger(config)
    from traceability.whereabouts.rebuild import rebuild

    log.configure("error")
    now_ms = time.time_ns() // 1_000_000
    done = rebuild(database, settings.keep_days * DAY_MS, now_ms, progress("taking again"), write=not check)
    database.close()
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        click.echo(f"{done.records} records in {done.turns} turns taken again")
        for table, found in done.differences.items():
            words = f"{found.missing} rows missing, {found.surplus} too much, {found.other} said something else"
            click.echo(f"{table}: {words if found else 'as it should be'}")
    return EXIT_FAILED if check and done.changed else 0
