"""Options that several commands share."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

GATEWAY_FILE = Path("/etc/punchgate/punchgate.toml")
MAX_SEQ = 2**63 - 1
"""The databases count no further."""


class NumberRange(click.FloatRange):
    """A number within bounds; "nan", which no bound catches, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def _default() -> str:
    return os.environ.get("PUNCHGATE_CONFIG") or str(GATEWAY_FILE)


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-c FILE`, handed over as `config: Path`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        default=_default,
        metavar="FILE",
        help="Configuration; default $PUNCHGATE_CONFIG, then /etc/punchgate/punchgate.toml.",
    )(function)
