"""`punchgate drivers`: what is supported, and with a name how it is wired, framed and configured."""

from __future__ import annotations

import json
import typing
from dataclasses import MISSING, Field, fields
from types import NoneType
from typing import Any, Literal

import click

from drivers import registry
from drivers.contract import DriverSpec


@click.command("drivers")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("-c", "--config", expose_value=False, metavar="FILE", help="Accepted as everywhere; not needed here.")
def command(name: str | None, as_json: bool) -> None:
    """List the supported drivers, or show NAME: wiring, frame, options and an example configuration."""
    if name is None:
        _list(as_json)
        return
    try:
        spec = registry.find(name)
    except LookupError as error:
        raise click.UsageError(str(error)) from None
    click.echo(json.dumps(describe(spec), ensure_ascii=False, indent=2) if as_json else _page(spec), nl=as_json)


def _list(as_json: bool) -> None:
    """All drivers; one that does not load is said on stderr and hides no other."""
    specs = []
    for name in registry.names():
        try:
            specs.append(registry.find(name))
        except LookupError as error:
            click.echo(str(error), err=True)
    if as_json:
        click.echo(json.dumps([describe(spec) for spec in specs], ensure_ascii=False, indent=2))
        return
    width = max((len(spec.name) for spec in specs), default=0)
    for spec in specs:
        click.echo(f"{spec.name:<{width}}  {spec.title}")


def describe(spec: DriverSpec) -> dict[str, Any]:
    """The driver's own words as JSON."""
    return {
        "name": spec.name,
        "title": spec.title,
        "emits": sorted(spec.emits),
        "baud": spec.baud,
        "bus": spec.bus,
        "directions": list(spec.directions),
        "aliases": spec.aliases,
        "inputs": list(spec.inputs),
        "wiring": spec.wiring,
        "frame": spec.frame,
        "options": options(spec),
        "example": spec.example,
    }


def options(spec: DriverSpec) -> list[dict[str, Any]]:
    """Name, type and default of each option, in the order of the dataclass."""
    hints = typing.get_type_hints(spec.options)
    return [
        {"name": option.name, "type": type_name(hints[option.name]), "default": _default(option)}
        for option in fields(spec.options)
    ]


def type_name(hint: Any) -> str:
    """How an operator reads a type: `int or none`, `one of auto, hex`, `table of str`."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if hint is NoneType:
        return "none"
    if not arguments:
        return str(hint.__name__)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin is tuple:
        return f"list of {type_name(arguments[0])}"
    if isinstance(origin, type) and len(arguments) == 2 and hasattr(origin, "keys"):
        return f"table of {type_name(arguments[1])}"
    return " or ".join(map(type_name, arguments))


def _default(option: Field[Any]) -> object:
    value = option.default_factory() if option.default_factory is not MISSING else option.default
    return list(value) if isinstance(value, tuple) else value


def _page(spec: DriverSpec) -> str:
    """One driver for a reader at a terminal."""
    lines = [f"{spec.name}: {spec.title}", "", f"wiring      {spec.wiring}", f"frame       {spec.frame}"]
    lines += [f"speed       {spec.baud} baud", f"says        {', '.join(sorted(spec.emits))}"]
    lines += [f"line        {'a bus: several devices may share it' if spec.bus else 'one device'}"]
    if spec.directions:
        others = [f"{word} = {meaning}" for word, meaning in spec.aliases.items()]
        lines += [f"directions  {', '.join(spec.directions)}" + (f" (also {', '.join(others)})" if others else "")]
    if spec.inputs:
        lines += [f"inputs      {', '.join(spec.inputs)}"]
    lines += ["", "options"]
    for option in options(spec):
        default = json.dumps(option["default"], ensure_ascii=False)
        lines += [f"  {option['name']:<13} {option['type']}  [default {default}]"]
    return "\n".join([*lines, "", "example", "", spec.example])
