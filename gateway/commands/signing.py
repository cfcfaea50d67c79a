"""Who signs the files that commands write."""

from __future__ import annotations

import click

from config import Settings
from gateway import assembly
from gateway.errors import Misconfigured
from gateway.signature import Signer, unsigned


def own_signer(settings: Settings) -> Signer:
    """A key that cannot be used must not keep anything from getting away; whoever stands there is told."""
    try:
        return assembly.own_signer(settings)
    except Misconfigured as trouble:
        click.echo(f"punchgate: {trouble}; the file is not signed", err=True)
        return unsigned
