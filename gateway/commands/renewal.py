"""`punchgate enrol renew`: the next certificate, over the network, before the one in force ends."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click

from config import Settings
from gateway import assembly
from gateway.check.admission import require_admission
from gateway.check.certificates import SOON
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.errors import Misconfigured, Transient, Unavailable
from gateway.status import ask
from gateway.uplink.x509 import read_certificates


@click.command("renew")
@config_option
@click.option("--now", is_flag=True, help="Even if the certificate in force lasts longer than 30 days.")
def renew(config: Path, now: bool) -> None:
    """Fetch the next certificate from the centre if the one in force ends within 30 days; meant for a daily timer.

    The new one has a new key. It is tried at the broker first, and the one in force stays until it was let in; the
    daemon is told. Exit 75: try again later, nothing was changed.
    """
    settings, clock = assembly.read_settings(config), Clock()
    if clock.quality().state == "unset":
        raise Transient("the clock is not set, so no certificate can be judged", remedy="try again once it is")
    until = _until(settings)
    left = until - datetime.fromtimestamp(clock.unix_ms() / 1000, UTC)
    if left > SOON and not now:
        click.echo(f"valid until {until:%Y-%m-%d}: nothing to do yet")
        return
    url = settings.uplink.centre_url
    if url is None:
        remedy = "set it to https://host[:port] of the centre, or renew by two files: enrol request, enrol accept"
        raise Misconfigured(f"{config}: uplink.centre_url is not set", remedy=remedy)
    from gateway.identity.network import Renewing

    renewing = Renewing(url, f"{settings.gateway.site}.{settings.gateway.id}", config)
    papers = renewing.fetch()
    try:
        require_admission(settings, *papers, clock_is_wrong=False)
    except Transient as error:
        text = f"the new certificate was not tried with success, so the old one stays: {error.message}"
        raise Transient(text, remedy=error.remedy) from error
    for path in [*papers, *renewing.put_in_force()]:
        click.echo(f"wrote {path}")
    click.echo(_told(settings))


def _until(settings: Settings) -> datetime:
    path = settings.uplink.cert_file
    if path is None:
        raise Misconfigured("uplink.cert_file is not set: there is nothing to renew", remedy="punchgate enrol code")
    try:
        return read_certificates(path)[0].valid_until
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Misconfigured(f"uplink.cert_file: {path}: {reason}", remedy="punchgate enrol code") from error


def _told(settings: Settings) -> str:
    """Have the daemon read its configuration again, if one runs."""
    with suppress(Unavailable, ProcessLookupError):
        os.kill(int(ask(settings.gateway.state_dir)["pid"]), signal.SIGHUP)
        return "the daemon was told"
    return "no daemon runs; it takes them up at its next start"
