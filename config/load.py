"""From files and environment to settings: read the layers, resolve paths, validate, cross-check, tell everything.

FILE, FILE.d/*.toml ──> Document ──> relative paths ──> models ────────┐
PUNCHGATE_… ───────────────┘                        └──> cross checks ──┴──> Settings or ConfigError
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError

from config.centre import LEDGER_NAME, CentreSettings
from config.crosschecks import absences, broker_problems, presences
from config.driverfacts import DriverFacts
from config.environment import lay_environment
from config.explain import explain
from config.fields import types_of
from config.findings import ConfigError, Finding, Loc, Problem, key_path
from config.layers import Document, read_layers
from config.settings import Settings
from config.source import Root
from config.views import lanes_of, ports_of


def load(
    path: Path, *, drivers: Mapping[str, DriverFacts], environ: Mapping[str, str], instead: bytes | None = None
) -> Settings:
    """Read the gateway's configuration; direction aliases come out as the driver's own words.

    `instead`: what FILE is going to hold; it need not be there yet. Raises ConfigError with every mistake in it.
    """
    document, findings = _document(path, Settings, CentreSettings, environ, instead)
    problems = model_problems(Settings, document)
    problems += broker_problems(_table(document, "uplink"), ("uplink",), "key_file")
    problems += cross_problems(document, drivers, sound=not any(_concerns_lines(each.loc) for each in problems))
    raise_any(document, findings, problems)
    _without_aliases(document, drivers)
    return Settings.read(document)


def load_centre(path: Path, environ: Mapping[str, str]) -> CentreSettings:
    """Read the centre's configuration. Raises ConfigError with every mistake in it."""
    document, findings = _document(path, CentreSettings, Settings, environ)
    problems = model_problems(CentreSettings, document)
    problems += broker_problems(_table(document, "centre"), ("centre",), "tls_key_file")
    raise_any(document, findings, problems)
    settings = CentreSettings.read(document)
    if "database" in settings.centre.model_fields_set:
        return settings
    ledger = {"database": str(settings.centre.state_dir / LEDGER_NAME)}
    return settings.model_copy(update={"centre": settings.centre.model_copy(update=ledger)})


def _document(
    path: Path,
    model: type[BaseModel],
    other: type[BaseModel],
    environ: Mapping[str, str],
    instead: bytes | None = None,
) -> tuple[Document, list[Finding]]:
    """The merged layers with absolute paths; files that cannot be read at all end the reading."""
    document, unusable = read_layers(path, instead)
    if unusable:
        raise ConfigError(unusable)
    findings = lay_environment(document, model, other, environ)
    for loc in _path_keys(model):
        _make_absolute(document, loc)
    ports = document.tree.get("ports")
    for index in range(len(ports)) if isinstance(ports, list) else ():
        loc = ("ports", index, "url")
        _make_absolute(document, loc)
    return document, findings


def _path_keys(model: type[BaseModel]) -> list[Loc]:
    """The keys of a root model's tables that name files, and the ledger, which may be one."""
    keys: list[Loc] = []
    for table, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            fields = info.annotation.model_fields.items()
            keys += [(table, key) for key, field in fields if Path in types_of(field.annotation)]
    return [*keys, ("centre", "database")]


def _make_absolute(document: Document, loc: Loc) -> None:
    value, holder = document.value(loc), document.value(loc[:-1])
    if isinstance(holder, dict) and isinstance(value, str) and value.strip() and "://" not in value:
        holder[loc[-1]] = os.path.normpath(document.origin(loc).folder / value)


def model_problems(model: type[Root], document: Document) -> list[Problem]:
    try:
        model.read(document)
    except ValidationError as why:
        return list(explain(why, model))
    return []


def cross_problems(document: Document, drivers: Mapping[str, DriverFacts], *, sound: bool) -> list[Problem]:
    lanes, ports = lanes_of(document.tree), ports_of(document.tree)

    def where(loc: Loc) -> str:
        origin = document.origin(loc)
        return f"{key_path(origin.loc)} in {origin.name}"

    problems = list(presences(lanes, ports, drivers, where))
    return problems + list(absences(lanes, ports, drivers)) if sound else problems


def _concerns_lines(loc: Loc) -> bool:
    return loc[:1] in (("lanes",), ("ports",))


def raise_any(document: Document, findings: list[Finding], problems: list[Problem]) -> None:
    if findings or problems:
        raise ConfigError([*findings, *map(document.finding, problems)])


def _without_aliases(document: Document, drivers: Mapping[str, DriverFacts]) -> None:
    for port in ports_of(document.tree):
        for view in port.devices:
            device = document.value(view.loc)
            if isinstance(device, dict) and view.directions:
                aliases = drivers[view.driver].aliases
                device["directions"] = {aliases.get(word, word): way for word, way in view.directions.items()}


def _table(document: Document, key: str) -> Mapping[str, object]:
    table = document.tree.get(key)
    return table if isinstance(table, dict) else {}
