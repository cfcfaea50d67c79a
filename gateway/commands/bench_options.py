"""What `identify`, `capture` and `replay` share on the command line: drivers by name, their options, a stopwatch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import click

from drivers import registry
from drivers.contract import DriverSpec

_BETWEEN = re.compile(r"(?:\A|[\s:,-])0[xX]|[:,-]")
_DIGITS = re.compile(r"[0-9A-Fa-f]*")


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
    """Hex digits, with white space, `:`, `,` or `-` between them and `0x` before them. UsageError: they are none."""
    parts = ["".join(part.split()) for part in _BETWEEN.split(text)]
    if not _DIGITS.fullmatch("".join(parts)):
        reason = "only pairs of hex digits are allowed"
    elif any(len(part) % 2 for part in parts):
        reason = "an odd number of digits"
    else:
        return bytes.fromhex("".join(parts))
    raise click.UsageError(f"--hex: {reason}; example: 02 36 37, 02:36:37 or 0x02,0x36,0x37")
