"""What the commands that work on the centre's ledger share: its configuration, its database, its libraries."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config import CentreSettings, ConfigError, load_centre
from config.centre import Centre
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from traceability.database import Database

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


def open_ledger(file: Path) -> tuple[Centre, Database]:
    """The centre's settings, and the ledger they name. Raises Misconfigured.

    From here on the modules of the ledger can be imported; before, on a box that is no centre, they cannot.
    """
    settings = read_centre(file).centre
    need_libraries()
    from traceability.own import own_database

    return settings, own_database(settings)


def need_libraries() -> None:
    """Raises Misconfigured where the libraries of the ledger are not installed."""
    for library in ("sqlalchemy", "alembic", "pg8000"):
        if find_spec(library) is None:
            raise Misconfigured(
                f"the centre's libraries are not installed here ({library})",
                remedy="pip install 'punchgate[centre]', or the package punchgate-centre",
            )
