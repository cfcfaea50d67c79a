"""`punchgate centre directory`: what gateways are to know of tokens, watch lists and visits."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.commands.centre_options import centre_option, read_centre
from gateway.commands.orders import Address
from gateway.errors import Misconfigured


@click.group("directory")
def directory_group() -> None:
    """Tokens, watch lists and visits for the gateways, which keep them over an outage."""


@directory_group.command("publish")
@centre_option
@click.argument("files", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.option(
    "--to",
    "gateways",
    type=Address(),
    multiple=True,
    metavar="SITE/GATEWAY",
    help="May be repeated; without it all whose key is in centre.gateway_keys.",
)
@click.option("--check", "only_check", is_flag=True, help="Look at the files only; nothing is published.")
def publish_command(config: Path, files: tuple[Path, ...], gateways: tuple[str, ...], only_check: bool) -> None:
    """Check FILES (TOML, JSON, CSV) and lay them, signed, at the broker for each gateway, in place of those before.

    Of tokens, lists and visits only what FILES hold is replaced; an empty array empties it.
    """
    from traceability import app, directory  # the centre's room, loaded when it is needed

    settings, tables = read_centre(config).centre, directory.read_files(files)
    told = ", ".join(f"{len(entries)} {kind}" for kind, entries in tables.items())
    if only_check:
        click.echo(f"in order: {told}")
        return
    now_ms, sign = app.unix_ms(), app.own_signer(settings)
    chosen = dict.fromkeys(gateways or _known(settings.gateway_keys))
    made = {each: directory.documents(tables, each, now_ms, now_ms, sign) for each in chosen}
    for gateway, listens in directory.publish(app.visitor(settings), settings.prefix, made).items():
        when = "" if listens else "; it does not listen now, the broker keeps them"
        click.echo(f"{gateway}: {told}, version {now_ms}{when}")


def _known(folder: Path | None) -> list[str]:
    """The gateways whose keys the centre has."""
    found = sorted(path.stem.replace(".", "/", 1) for path in folder.glob("*.pub")) if folder is not None else []
    if not found:
        raise Misconfigured(
            "no gateway is known", remedy="name one with --to SITE/GATEWAY, or set centre.gateway_keys"
        )
    return found
