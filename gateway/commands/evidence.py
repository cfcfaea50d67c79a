"""`punchgate centre evidence`: what gateways have signed of their chains, and what it proves."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gateway.commands.centre_options import centre_option, open_ledger
from gateway.errors import EXIT_FAILED
from traceability.sign import GatewayKeys


@click.command("evidence")
@centre_option
@click.option("--site", help="Only this site.")
@click.option("--gateway", help="Only this gateway.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one object a line, with the signed message.")
def evidence_command(config: Path, site: str | None, gateway: str | None, as_json: bool) -> int:
    """Which lines are proved by what a gateway has signed, and when. 1: a signature or a line is not what it was."""
    settings, database = open_ledger(config)
    from traceability.proofs import prove

    code = 0
    for proof in prove(database, GatewayKeys(settings.gateway_keys), site, gateway):
        click.echo(json.dumps(proof.as_dict(), ensure_ascii=False) if as_json else proof.text())
        code = EXIT_FAILED if proof.is_finding else code
    return code
