"""pydantic's errors in an operator's words: the problem, what is allowed, the nearest valid name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.fields import ID_PATTERN
from config.findings import Loc, Problem, choose


def explain(error: ValidationError, model: type[BaseModel]) -> Iterator[Problem]:
    """One problem for each of pydantic's errors, in their order."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and detail["input"]:
            continue  # its items are wrong, and said so; the list is not empty
        loc = detail["loc"]
        if detail["type"] == "string_unicode" and loc[-1] == "[key]":
            loc = loc[:-1]
        yield Problem(loc, *_words(detail, loc, model))


def _words(detail: ErrorDetails, loc: Loc, model: type[BaseModel]) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    value = detail["input"]
    if kind == "missing":
        info = _field_at(model, loc)
        return "is required", f"add it: {info.description}" if info else ""
    if kind == "extra_forbidden":
        return "is not a known key", choose(str(loc[-1]), _keys_at(model, loc[:-1]))
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'|(\d+)", str(context["expected"]))
        return "is not allowed", choose(str(value), ("".join(pair) for pair in allowed))
    if kind == "string_pattern_mismatch":
        return _pattern(str(context["pattern"]), value)
    if kind == "refused":
        return str(context["problem"]), str(context["remedy"])
    return _plain(kind, context, detail["msg"]), ""


def _pattern(pattern: str, value: object) -> tuple[str, str]:
    if pattern != ID_PATTERN:
        return "holds characters that are not allowed here, or too many", f"it must match {pattern}"
    close = re.sub(r"[^a-z0-9-]+", "-", str(value)[:100].lower()).strip("-")[:32].strip("-")
    allowed = "allowed: 1 to 32 of a-z, 0-9 and -"
    return "is not a valid name", f'did you mean "{close}"? {allowed}' if close else allowed


def _plain(kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "too_short":
        return "must not be empty"
    if kind == "tuple_type":
        return "must be a list of tables, each under [[…]]"
    if kind in ("model_type", "model_attributes_type", "mapping_type", "dict_type"):
        return "must be a table"
    wanted = re.sub(r"^(Input|String|Value) should (be|have)", r"must \2", message)
    if kind in ("int_type", "float_type", "bool_type", "string_type"):
        wanted = {
            "int_type": "must be a whole number",
            "float_type": "must be a number",
            "bool_type": "must be true or false",
            "string_type": "must be a text between quotes",
        }[kind]
    return wanted


def _field_at(model: type[BaseModel], loc: Loc) -> FieldInfo | None:
    below = _model_at(model, loc[:-1])
    return below.model_fields.get(str(loc[-1])) if below else None


def _keys_at(model: type[BaseModel], loc: Loc) -> list[str]:
    below = _model_at(model, loc)
    return list(below.model_fields) if below else []


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel] | None:
    at: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str):
            info = at.model_fields.get(part) if at else None
            at = _model_in(info.annotation) if info else None
    return at


def _model_in(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
