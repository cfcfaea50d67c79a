"""`punchgate support-bundle`: what helps somebody far away to help, with nothing of any person in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.errors import Rejected
from gateway.support import Bundle, collect, pack
from gateway.support.parts import Patient, parts
from gateway.whole_file import whole_file
from gateway.wire import timestamp


@click.command("support-bundle")
@config_option
@click.option("--unit", default="punchgate", show_default=True, help="The daemon's unit, for its log and state.")
@click.option(
    "--log",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with the daemon's log, where systemd does not keep it.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def command(config: Path, unit: str, log: Path | None, force: bool, file: Path | None) -> None:
    """Write FILE (tar.gz) for support: configuration, findings, figures and logs, redacted; nothing is sent anywhere.

    No card number, no name, no key, no password is in it. A manifest says what is in it and what was left out, and
    why. Works without a daemon, and with a configuration that cannot be used. Look into it before you give it away.
    """
    patient, clock = Patient(config), Clock()
    now_ms = clock.unix_ms()
    bundle = Bundle()
    if patient.settings is not None:
        bundle.site, bundle.gateway = patient.settings.gateway.site, patient.settings.gateway.id
    file = file or Path(_name(bundle, now_ms))
    if file.exists() and not force:
        raise Rejected(f"{file}: is there already", remedy="name another file, or replace it with --force")
    with whole_file(file) as out:
        collect(bundle, parts(patient, clock, unit=unit, log=log), patient.scrubber, _say)
        pack(out, bundle, now_ms, patient.scrubber)
    click.echo(f"{file}: {len(bundle.members)} parts, {file.stat().st_size // 1024} KiB; nothing was sent")
    for what, why in bundle.left_out:
        click.echo(f"  left out: {what}: {why}")


def _say(what: str) -> None:
    """Some parts take seconds: somebody at a terminal sees which."""
    if sys.stderr.isatty():
        click.echo(f"… {what}", err=True)


def _name(bundle: Bundle, now_ms: int) -> str:
    whose = "" if bundle.site is None else f"{bundle.site}-{bundle.gateway}-"
    return f"punchgate-support-{whose}{re.sub('[-:]|[.]...', '', timestamp(now_ms))}.tar.gz"
