"""`punchgate enrol`: this box's identity at its centre, by two files that are carried as one likes."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from gateway.commands.fingerprints import confirm
from gateway.commands.options import config_option
from gateway.commands.renewal import renew
from gateway.errors import Misconfigured, Rejected
from gateway.identity.papers import MAX_BYTES, Answer, named
from gateway.whole_file import whole_file


@click.group("enrol")
def command() -> None:
    """This box at its centre: ask for a certificate, take the answer.

    Over the network: `code`, with a one-time code of `punchgate centre enrol-code`; `renew` does the rest.

    By two files: `request` writes one; carry it to the centre, where `punchgate centre enrol` answers with another;
    `accept` takes that. Two people compare the fingerprints. The same again renews.
    """


def _site_and_id(function: Any) -> Any:
    for option, name, what in (("--id", "name", "Name of this gateway"), ("--site", "site", "Name of the site")):
        function = click.option(option, name, help=f"{what}; default: that of the configuration.")(function)
    return function


@command.command("request")
@config_option
@_site_and_id
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default {site}.{id}.request.")
def request(config: Path, site: str | None, name: str | None, output: Path | None) -> None:
    """Make this box's keys, unless they are there, and write what the centre has to know. No secret is in it."""
    from gateway.identity.box import Box

    gateway = _who(config, site, name)
    paper = Box(config, gateway).request()
    output = output or Path(f"{gateway}.request")
    with whole_file(output) as file:
        file.write(paper.bytes())
    click.echo(f"{output}: for the centre: punchgate centre enrol {output.name}")
    click.echo(f"fingerprint {paper.fingerprint}")


@command.command("accept")
@config_option
@_site_and_id
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fingerprint", help="Of the authority, as the centre shows it; without it you are asked.")
def accept(config: Path, site: str | None, name: str | None, file: Path, fingerprint: str | None) -> None:
    """Take the centre's answer: certificate, authority, keys of centre and organisation, the broker's URL."""
    from gateway.identity.box import Box

    gateway = _who(config, site, name)
    try:
        answer = Answer.read(file.open("rb").read(MAX_BYTES + 1))
        confirm("authority", answer.fingerprint, fingerprint)
        written = Box(config, gateway).accept(answer)
    except Rejected as error:
        raise Rejected(f"{file}: {error.message}; nothing was changed", remedy=error.remedy) from error
    for path in written:
        click.echo(f"wrote {path}")
    click.echo("the daemon takes them up at its next start, or: systemctl reload punchgate")


@command.command("code")
@config_option
@_site_and_id
@click.argument("text", metavar="CODE")
@click.option("--centre", "url", required=True, metavar="URL", help="Where the centre answers: https://host[:port].")
def by_code(config: Path, site: str | None, name: str | None, text: str, url: str) -> None:
    """Be let in over the network, once, by a code that the centre has made; `-` reads it from standard input."""
    from gateway.identity.network import enrol_at

    given = sys.stdin.readline() if text == "-" else text
    for path in enrol_at(url, given, _who(config, site, name), config):
        click.echo(f"wrote {path}")
    click.echo("the daemon takes them up at its next start, or: systemctl reload punchgate")


command.add_command(renew)


def _who(config: Path, site: str | None, name: str | None) -> str:
    """`{site}.{id}`, from the options or from the configuration, which need not be complete yet."""
    if site is None or name is None:
        try:
            table = tomllib.loads(config.read_text(encoding="utf-8")).get("gateway", {})
            site, name = site or str(table["site"]), name or str(table["id"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            remedy = "write [gateway] site and id there, or say --site and --id"
            raise Misconfigured(f"{config}: does not tell who this box is", remedy=remedy) from error
    gateway = f"{site}.{name}"
    try:
        named(gateway)
    except Rejected as error:
        raise Misconfigured(error.message, remedy="small letters, digits and dashes, at most 32") from error
    return gateway
