"""`punchgate centre enrol-code`: one-time codes by which boxes are let in over the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from gateway.commands.authority import room
from gateway.commands.centre_options import centre_option, read_centre
from gateway.errors import Misconfigured, Rejected
from gateway.identity.papers import named

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=90)


def span(text: str) -> timedelta:
    """`30m`, `24h`, `7d`. Raises BadParameter."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", text)
    given = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if given is None or given > LONGEST:
        raise click.BadParameter(f"{text!r} is not a span like 30m, 24h or 7d, at most {LONGEST.days}d")
    return given


def valid_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """How long a code lasts, handed over as `valid: str` for `span`."""
    return click.option("--valid", default="24h", show_default=True, help="How long, as 30m, 24h or 7d.")(function)


@click.command("enrol-code")
@centre_option
@click.argument("site", required=False)
@click.argument("name", metavar="ID", required=False)
@valid_option
@click.option("--replace", is_flag=True, help="Another box has this name and goes: its certificates end then.")
@click.option(
    "--list", "is_list", is_flag=True, help="The codes there are, whose, until when; not the codes themselves."
)
def enrol_code(config: Path, site: str | None, name: str | None, valid: str, replace: bool, is_list: bool) -> None:
    """Print a one-time code by which the box ID at SITE is let in (`punchgate enrol code`). An older one ends."""
    settings = read_centre(config).centre
    authority = room().Authority(settings.authority)
    if is_list:
        _list(authority.folder)
        return
    if site is None or name is None:
        raise click.UsageError("SITE and ID are needed, or --list")
    from traceability.authority.invitations import Invitations

    gateway = whom(site, name)
    with authority.alone():
        if not replace and authority.counting(gateway):
            remedy = "give the box another id; if it takes the other's place, or has lost its keys: --replace"
            raise Rejected(f"there is a {gateway}, whose certificate counts", remedy=remedy)
        code, made = Invitations(authority.folder).invite(gateway, authority.ca, span(valid), replace)
    click.echo(code.text())
    click.echo(f"for {gateway}, once, until {made.until}; on the box, with the address of this centre:", err=True)
    click.echo(f"punchgate enrol code {code.text()} --centre https://… --site {site} --id {name}", err=True)


def whom(site: str, name: str) -> str:
    """`{site}.{id}`. Raises Misconfigured."""
    try:
        named(f"{site}.{name}")
    except Rejected as error:
        raise Misconfigured(error.message, remedy="small letters, digits and dashes, at most 32") from error
    return f"{site}.{name}"


def _list(folder: Path) -> None:
    from traceability.authority.invitations import Invitations

    now = datetime.now(UTC)
    for one in Invitations(folder).all:
        tries = f", {one.attempts} wrong attempts" if one.attempts else ""
        click.echo(f"{one.id}… {one.gateway:<40} {one.state(now)}{tries}")
