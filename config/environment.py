"""Environment variables over files: `PUNCHGATE_UPLINK__URL` is `uplink.url`, a table or list is JSON.

Every variable with the prefix must be known, or a misspelt one would be ignored in silence. Both files share the
prefix, so the other file's variables are left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from config.fields import types_of
from config.findings import Finding, nearest
from config.layers import Document, Origin, too_deep

PREFIX = "PUNCHGATE_"
RESERVED = frozenset({"PUNCHGATE_CONFIG", "PUNCHGATE_REQUIRE"})

_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Variable:
    """What a variable sets: its place, and the types its text may stand for (empty: JSON)."""

    loc: tuple[str, ...]
    types: frozenset[type]


def variables(model: type[BaseModel]) -> dict[str, Variable]:
    """Every variable that can set something of `model`, by name."""
    known: dict[str, Variable] = {}
    for table, info in model.model_fields.items():
        known[f"{PREFIX}{table.upper()}"] = Variable((table,), frozenset())
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            for key, below in info.annotation.model_fields.items():
                name = f"{PREFIX}{table.upper()}__{key.upper()}"
                known[name] = Variable((table, key), types_of(below.annotation))
    return known


def lay_environment(
    document: Document, model: type[BaseModel], other: type[BaseModel], environ: Mapping[str, str]
) -> list[Finding]:
    """Put the variables of `model` over the document, leave those of `other`; report what is not known."""
    known, left_alone = variables(model), variables(other)
    tables = {name for name in left_alone if "__" not in name} - set(known)
    findings = []
    for name in sorted(name for name in environ if name.startswith(PREFIX) and name not in RESERVED):
        if name in known:
            findings += _put(document, name, known[name], environ[name])
        elif name not in left_alone and name.split("__")[0] not in tables:
            close = nearest(name, list(known))
            remedy = f"did you mean {close}?" if close else "see docs/configuration.md, or unset it"
            findings.append(Finding(f"environment variable {name}", "", "", "is not known", remedy))
    return findings


def _put(document: Document, name: str, variable: Variable, text: str) -> list[Finding]:
    origin = Origin(f"environment variable {name}", Path(document.main.folder))
    value: object = text
    if not variable.types:
        try:
            value = json.loads(text, object_pairs_hook=_table)
        except _Twice as twice:
            return [Finding(origin.name, str(twice), "", "is there twice", "as in the file, each key once")]
        except (ValueError, RecursionError):
            return [Finding(origin.name, "", "", "must be JSON", "a list or a table, as in the file")]
        if not isinstance(value, dict | list) or too_deep(value):
            return [Finding(origin.name, "", "", "must be a JSON list or table", "as in the file")]
    else:
        value = _scalar(text, variable.types)
    document.put(variable.loc, value, origin)
    return []


class _Twice(Exception):
    """A key that one table has two times; JSON alone takes the last."""


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for key, value in pairs:
        if key in table:
            raise _Twice(key)
        table[key] = value
    return table


def _scalar(text: str, types: frozenset[type]) -> object:
    """The value a text stands for; what does not convert stays text, for the model to refuse."""
    if bool in types:
        return _SWITCH.get(text.strip().lower(), text)
    for number in (int, float):
        if number in types:
            try:
                return number(text)
            except ValueError:
                return text
    return text
