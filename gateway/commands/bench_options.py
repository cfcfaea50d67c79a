"""What `identify`, `capture` and `replay` share on the command line: drivers by name, their options, a stopwatch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from drivers import registry
from drivers.contract import DriverSpec


def driver_named(name: str, hint: str) -> DriverSpec:
    """The driver of this name. UsageError: there is none; it names the nearest."""
    try:
        return registry.find(name)
    except LookupError as error:
        raise click.UsageError(f"{hint}: {error}") from None


def installed_drivers() -> list[DriverSpec]:
    """All drivers; one that does not load is said on stderr and hides no other."""
    specs = []
    for name in registry.names():
        try:
            specs.append(registry.find(name))
        except LookupError as error:
            click.echo(str(error), err=True)
    return specs


def settings_of(pairs: Sequence[str]) -> dict[str, object]:
    """`--set K=V`, any number of times. UsageError: one of them has no sign."""
    values: dict[str, object] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise click.UsageError(f"--set {pair!r}: write KEY=VALUE")
        values[key.strip()] = value
    return values


def options_of(spec: DriverSpec, settings: dict[str, object]) -> Any:
    """The driver's options with these settings. UsageError names the one that is wrong."""
    try:
        return registry.make_options(spec, settings, "--set ")
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def bytes_of(text: str) -> bytes:
    """Hex digits, spaces allowed. UsageError: they are none."""
    digits = "".join(text.split())
    try:
        return bytes.fromhex(digits)
    except ValueError:
        odd = len(digits) % 2 == 1
        reason = "an odd number of digits" if odd else "only pairs of hex digits are allowed"
        raise click.UsageError(f"--hex: {reason}; example: 02 36 37") from None
