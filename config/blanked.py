"""A configuration as it may be shown to strangers: the layers merged, without comments, secrets blanked.

Shown is what is known to be harmless, not hidden what is known to be secret: a value under a key that nobody
declared is not shown (the key may be a misspelt `password`), nor is one that its key does not allow, nor the path of
a file that is not there (it may be the secret itself).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from config.centre import CentreSettings
from config.driverfacts import DriverFacts
from config.environment import lay_environment
from config.fields import types_of
from config.findings import HIDDEN, NAMES, Finding, Loc, is_secret, key_path, masked
from config.layers import read_layers
from config.settings import Device, Settings

NOT_THERE = "(a path; there is no such file)"
SET = "(set)"
PERSONAL = frozenset({"username"})
NAMED = NAMES | {"url", "timezone"}


@dataclass(slots=True)
class Blanked:
    """The tree as it may be shown, the key paths that were blanked and what stood there, the names in the tree, files
    that cannot be read."""

    tree: dict[str, Any] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    values: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    unusable: list[Finding] = field(default_factory=list)


def blanked(path: Path, drivers: Mapping[str, DriverFacts], environ: Mapping[str, str]) -> Blanked:
    """Never fails: it is asked for when something is wrong."""
    document, unusable = read_layers(path)
    found = Blanked(unusable=[*unusable, *lay_environment(document, Settings, CentreSettings, environ)])
    found.tree = _Show(found, drivers, path.parent).table((), document.tree, Settings)
    return found


class _Show:
    def __init__(self, found: Blanked, drivers: Mapping[str, DriverFacts], folder: Path) -> None:
        self._found = found
        self._drivers = drivers
        self._folder = folder

    def table(self, loc: Loc, table: Mapping[str, object], model: type[BaseModel]) -> dict[str, Any]:
        """One table, as far as its keys are declared."""
        shown: dict[str, Any] = {}
        for key, value in table.items():
            at = (*loc, key)
            if key not in model.model_fields:
                shown[key] = self._hide(at, value)
            elif model is Device and key == "options" and isinstance(value, dict):
                shown[key] = self._options(at, value, str(table.get("driver")))
            else:
                shown[key] = self._value(at, value, model.model_fields[key].annotation)
        return shown

    def _options(self, loc: Loc, options: Mapping[str, object], driver: str) -> dict[str, Any]:
        """A driver's options, as far as the driver knows them."""
        facts = self._drivers.get(driver)
        known = () if facts is None or facts.options is None else facts.options
        return {
            key: self._plain((*loc, key), value) if key in known else self._hide((*loc, key), value)
            for key, value in options.items()
        }

    def _value(self, loc: Loc, value: object, annotation: object) -> Any:
        model = next(_models(annotation), None)
        if model is not None:
            return self._tables(loc, value, model)
        if loc[-1] in PERSONAL:
            self._found.hidden.append(key_path(loc))
            return SET
        if isinstance(value, dict) and get_origin(annotation) is Mapping:
            return {key: self._value((*loc, key), below, get_args(annotation)[1]) for key, below in value.items()}
        if not _fits(value, annotation):
            return self._hide(loc, value)
        return self._plain(loc, value)

    def _tables(self, loc: Loc, value: object, model: type[BaseModel]) -> Any:
        if isinstance(value, dict):
            return self.table(loc, value, model)
        if isinstance(value, list):
            return [
                self.table((*loc, at), item, model) if isinstance(item, dict) else self._hide((*loc, at), item)
                for at, item in enumerate(value)
            ]
        return self._hide(loc, value)

    def _plain(self, loc: Loc, value: object) -> Any:
        if is_secret(loc):
            return self._hide(loc, value)
        if isinstance(value, dict):
            return {key: self._plain((*loc, key), below) for key, below in value.items()}
        if isinstance(value, list):
            return [self._plain((*loc, at), below) for at, below in enumerate(value)]
        if not isinstance(value, str):
            return value if isinstance(value, bool | int | float) else str(value)
        if str(loc[-1]).endswith("_file") and not (self._folder / value).exists():
            if not Path(value).suffix:
                self._found.values.add(Path(value).name)
            self._found.hidden.append(key_path(loc))
            return NOT_THERE
        shown = masked(value)
        if loc[-1] in NAMED and "options" not in loc:
            self._found.names.add(shown)
        return shown

    def _hide(self, loc: Loc, value: object) -> str:
        if isinstance(value, str | int | float):
            self._found.values.add(str(value))
        self._found.hidden.append(key_path(loc))
        return HIDDEN


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The table that a field is, or is a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for below in get_args(annotation):
        yield from _models(below)


def _fits(value: object, annotation: object) -> bool:
    """Whether it is a scalar that its key could take; a text where a number belongs may be anything."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if isinstance(value, dict | list) or (get_origin(annotation) is Literal and value not in get_args(annotation)):
        return False
    types = types_of(annotation)
    if isinstance(value, str):
        return bool(types & {str, Path})
    return not isinstance(value, bool) or bool in types
