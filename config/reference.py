"""The tables of docs/configuration.md, drawn from the models, so that the page cannot say what the code does not.

`python -m config.reference docs/configuration.md` redraws what stands between the page's markers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from config.centre import CentreSettings
from config.jsonschema import schema

BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

Schema = dict[str, Any]


def redrawn(page: str) -> str:
    """The page with its tables replaced by current ones; ValueError where the markers are missing."""
    head, tail = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:head]}\n\n{tables()}\n{page[tail:]}"


def tables() -> str:
    """All tables as Markdown: the gateway's file, then the centre's own tables."""
    gateway, centre = schema(), schema(CentreSettings)
    sections = [
        *_sections(gateway, "", gateway),
        *_sections(centre, "", centre, skip=frozenset(gateway["properties"])),
    ]
    return "\n".join(sections)


def _sections(node: Schema, at: str, root: Schema, skip: frozenset[str] = frozenset()) -> list[str]:
    sections: list[str] = []
    for key, field in node["properties"].items():
        below = _below(field, root)
        if below is None or key in skip:
            continue
        path = f"{at}.{key}" if at else key
        title = f"[[{path}]]" if field.get("type") == "array" else f"[{path}]"
        sections += [
            f"### `{title}`",
            "",
            field.get("description") or below["description"],
            "",
            *_rows(below, root),
            "",
        ]
        sections += _sections(below, path, root)
    return sections


def _rows(table: Schema, root: Schema) -> list[str]:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    required = table.get("required", [])
    for key, field in table["properties"].items():
        if _below(field, root) is None:
            default = "required" if key in required else _default(field)
            rows.append(f"| `{key}` | {_type(field)} | {default} | {field['description']} |")
    return rows


def _below(field: Schema, root: Schema) -> Schema | None:
    reference = field.get("$ref") or field.get("items", {}).get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else None


def _default(field: Schema) -> str:
    value = field.get("default", {} if field.get("type") == "object" else None)
    return "–" if value is None else f"`{json.dumps(value)}`"


def _type(field: Schema) -> str:
    for option in field.get("anyOf", ()):
        if option.get("type") != "null":
            return _type(option)
    if "enum" in field:
        return " \\| ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if field["type"] == "object":
        values = field.get("additionalProperties")
        return f"table of {_type(values)}" if isinstance(values, dict) and values else "table"
    names = {"integer": "whole number", "number": "number", "boolean": "true, false", "string": "text"}
    name = "path" if field.get("format") == "path" else names[field["type"]]
    return f"{name}{_bounds(field)}"


def _bounds(field: Schema) -> str:
    if "maximum" in field:
        low = f"over {field['exclusiveMinimum']:g}" if "exclusiveMinimum" in field else f"{field['minimum']:g}"
        return f", {low} to {field['maximum']:.15g}"
    pattern = field.get("pattern", "")
    return ", `[a-z0-9-]{1,32}`" if pattern == "^[a-z0-9-]{1,32}$" else ""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(redrawn(target.read_text("utf-8")), "utf-8")
