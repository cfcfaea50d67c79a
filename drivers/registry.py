"""Which drivers there are: entry points of the group `punchgate.drivers`, ours and strangers' alike.

A driver is imported when somebody asks for it, not before. Two distributions that claim the same name are refused
instead of one silently replacing the other: nobody should have to guess who decodes the cards.
"""

from __future__ import annotations

import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Union, get_args, get_origin

from drivers.contract import DriverSpec

GROUP = "punchgate.drivers"
YES = frozenset({"true", "yes", "on", "1"})
NO = frozenset({"false", "no", "off", "0"})


class UnknownDriver(LookupError):
    """No driver has this name. Example: `em410`, answered with `em4100`."""


class DriverConflict(LookupError):
    """Two installed distributions claim one name. Example: a plug-in that calls its driver `scanner`."""


class BrokenDriver(LookupError):
    """The entry point leads nowhere. Example: a plug-in whose module does not import, or that names no DriverSpec."""


class OptionError(ValueError):
    """An option is unknown or has an impossible value; the message names the key, the value and what is allowed."""


def names() -> list[str]:
    """All registered names, sorted; nothing is imported."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find(name: str) -> DriverSpec:
    """Import the driver `name`. Raises UnknownDriver, DriverConflict or BrokenDriver, all LookupErrors."""
    points = {point.value: point for point in entry_points(group=GROUP, name=name)}
    if not points:
        raise UnknownDriver(f"unknown driver {name!r}; {_nearest(name, names(), 'drivers')}")
    if len(points) > 1:
        claims = "; ".join(sorted(f"{point.value} of {_owner(point)}" for point in points.values()))
        raise DriverConflict(f"driver {name!r} is claimed twice: {claims}; remove one of the distributions")
    (point,) = points.values()
    return _load(point)


def catalog() -> list[DriverSpec]:
    """Every registered driver, sorted by name."""
    return [find(name) for name in names()]


def make_options(spec: DriverSpec, values: Mapping[str, object], where: str = "options.") -> Any:
    """The driver's options dataclass from a mapping (a TOML table, or texts from a command line).

    Texts are turned into the type of the field. Raises OptionError whose message begins with `where` (a key path like
    `ports[0].devices[1].options.`) and the key.
    """
    hints = typing.get_type_hints(spec.options)
    known = [option.name for option in fields(spec.options)]
    made = {}
    for key, value in values.items():
        if key not in known:
            raise OptionError(f"{where}{key}: {spec.name} has no such option; {_nearest(key, known, 'options')}")
        try:
            made[key] = _coerce(value, hints[key])
        except ValueError as error:
            raise OptionError(f"{where}{key}: {value!r} is not {error}") from None
    try:
        return spec.options(**made)
    except ValueError as error:
        raise OptionError(f"{where}{error}") from None


def choices(spec: DriverSpec, option: str) -> list[object]:
    """The values of an option that chooses among a few, without its default; empty: it has no such option."""
    hint = typing.get_type_hints(spec.options).get(option)
    return [value for value in get_args(hint) if value != getattr(spec.options(), option)] if _is_choice(hint) else []


def _is_choice(hint: object) -> bool:
    return get_origin(hint) is Literal


def _load(point: EntryPoint) -> DriverSpec:
    try:
        spec = point.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise BrokenDriver(f"driver {point.name!r} of {_owner(point)} does not load: {error}") from error
    if not isinstance(spec, DriverSpec) or spec.name != point.name:
        raise BrokenDriver(f"driver {point.name!r}: {point.value} of {_owner(point)} is no DriverSpec of that name")
    return spec


def _owner(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"


def _nearest(word: str, known: list[str], what: str) -> str:
    close = get_close_matches(word.lower().replace("-", "_"), known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"{what}: {', '.join(known) or 'none'}"


def _coerce(value: object, hint: Any) -> object:
    """`value` as the type `hint`; ValueError says what it should have been."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _coerce_union(value, get_args(hint))
    if origin is Literal:
        allowed = get_args(hint)
        if value not in allowed:
            raise ValueError("one of " + ", ".join(map(str, allowed)))
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _coerce_mapping(value, get_args(hint)[1])
    if origin is tuple:
        items = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ValueError("a list")
        return tuple(_coerce(item, get_args(hint)[0]) for item in items)
    return _coerce_plain(value, hint)


def _coerce_union(value: object, members: tuple[Any, ...]) -> object:
    if type(None) in members and (value is None or value in ("", "none", "any")):
        return None
    plain = [member for member in members if member is not type(None)]
    for member in plain[:-1]:
        try:
            return _coerce(value, member)
        except ValueError:
            continue
    return _coerce(value, plain[-1])


def _coerce_mapping(value: object, item: Any) -> dict[str, object]:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _inline_table(value)
    elif isinstance(value, str):
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        if any(not sign for _, sign, _ in pairs):
            raise ValueError("a table; write key=value,key=value")
        value = {key.strip(): text.strip() for key, _, text in pairs}
    if not isinstance(value, Mapping):
        raise ValueError("a table")
    return {str(key): _coerce(entry, item) for key, entry in value.items()}


def _inline_table(text: str) -> object:
    """`{ C3 = "timeout" }`, as it would stand in the configuration."""
    try:
        return tomllib.loads(f"table = {text}")["table"]
    except tomllib.TOMLDecodeError:
        raise ValueError('a table; write key=value,key=value or { key = "value" }') from None


def _coerce_plain(value: object, hint: Any) -> object:
    if hint is str:
        if not isinstance(value, str):
            raise ValueError("a text")
        return value
    if hint is bool:
        return _coerce_bool(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a whole number" if hint is int else "a number")
    if hint is int:
        if isinstance(value, float):
            raise ValueError("a whole number")
        return _number(value, int)
    return _number(value, float)


def _number(value: str | int | float, kind: type[int] | type[float]) -> int | float:
    try:
        return int(value, 0) if kind is int and isinstance(value, str) and value[:2].lower() == "0x" else kind(value)
    except ValueError:
        raise ValueError("a whole number" if kind is int else "a number") from None


def _coerce_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in YES | NO:
        return value.lower() in YES
    raise ValueError("true or false")
