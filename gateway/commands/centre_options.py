"""What the commands that work on the centre's ledger share: its configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from config import CentreSettings, ConfigError, load_centre
from gateway.errors import Misconfigured

CENTRE_FILE = Path("/etc/punchgate/centre.toml")


def centre_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-c FILE`, handed over as `config: Path`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        envvar="PUNCHGATE_CONFIG",
        default=CENTRE_FILE,
        show_default=f"$PUNCHGATE_CONFIG, then {CENTRE_FILE}",
        metavar="FILE",
        help="The centre's configuration.",
    )(function)


def read_centre(file: Path) -> CentreSettings:
    """The centre's configuration. Raises Misconfigured."""
    try:
        return load_centre(file, os.environ)
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
