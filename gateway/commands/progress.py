"""How far a long command is: a line on stderr now and then; a short one says nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

EVERY_S = 2.0


def progress(what: str, unit: str = "records") -> Callable[[int], None]:
    """To be called with how many of `unit` are done: says `what` and the number every EVERY_S seconds."""
    due = time.monotonic() + EVERY_S

    def say(done: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY_S
            click.echo(f"{what}: {done} {unit} so far", err=True)

    return say
