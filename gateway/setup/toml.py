"""Tables to TOML as a person would write them: keys in the order of the documentation, remarks behind the values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

REMARK_AT = 33
WIDTH = 118

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def value(it: object) -> str:
    """A value on one line."""
    if isinstance(it, Mapping):
        return "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in it.items()) + " }" if it else "{}"
    if isinstance(it, (list, tuple)):
        return "[" + ", ".join(map(value, it)) + "]"
    if isinstance(it, bool):
        return "true" if it else "false"
    if isinstance(it, float):
        return {math.inf: "inf", -math.inf: "-inf"}.get(it, "nan" if math.isnan(it) else repr(it))
    if isinstance(it, int):
        return str(it)
    return json.dumps(str(it), ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: object) -> str:
    """A key, in quotes where it needs them."""
    text = str(name)
    return text if _BARE.fullmatch(text) else value(text)


def document(tree: Mapping[str, Any], model: type[BaseModel], remarks: Mapping[str, str], head: Iterable[str]) -> str:
    """A whole file, tables in the order of the model; `head`: comments; `remarks`: by path, each said once."""
    lines = [f"# {line}".rstrip() for line in head]
    left = dict(remarks)
    for name in _ordered(tree, model):
        table = tree[name]
        for each in table if isinstance(table, list) else [table]:
            title = f"[[{name}]]" if isinstance(table, list) else f"[{name}]"
            lines += ["", title, *_rows(each, _below(model, name), name, left, "")]
    return "\n".join(lines) + "\n"


def _rows(
    table: Mapping[str, Any], model: type[BaseModel], at: str, left: dict[str, str], indent: str
) -> Iterator[str]:
    below = []
    for name in _ordered(table, model):
        it, path = table[name], f"{at}.{name}"
        if isinstance(it, list) and it and all(isinstance(each, Mapping) for each in it):
            below.append(name)
            continue
        yield _remarked(f"{indent}{key(name)} = {value(it)}", left.pop(path, ""))
    for name in below:
        for each in table[name]:
            yield from ("", f"{indent}  [[{at}.{name}]]")
            yield from _rows(each, _below(model, name), f"{at}.{name}", left, f"{indent}  ")


def _remarked(row: str, remark: str) -> str:
    if not remark or max(REMARK_AT, len(row) + 1) + 2 + len(remark) > WIDTH:
        return row
    return f"{row:{REMARK_AT - 1}} # {remark}"


def _ordered(table: Mapping[str, Any], model: type[BaseModel]) -> list[str]:
    """The keys that are there, those of the model first."""
    known = [name for name in model.model_fields if name in table]
    return known + [name for name in table if name not in known]


def _below(model: type[BaseModel], name: str) -> type[BaseModel]:
    """The model of a table or of the items of a list of tables."""
    field = model.model_fields.get(name)
    annotation: Any = field.annotation if field else BaseModel
    for each in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return BaseModel
