"""Directory documents from an operator's files: TOML, JSON or CSV, checked before any gateway hears of them.

TOML and JSON hold `tokens`, `lists`, `visits` as arrays of tables; a CSV file holds one of them, told by its columns,
a list's tokens one a row. Several files are put together. What is not in any file is not touched at the gateways.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gateway.downward.documents import MAX_DOCUMENT_BYTES, AnyDocument, read_document
from gateway.errors import Misconfigured, Rejected
from gateway.wire import Topics, compact, timestamp
from traceability.dispatch import Visit
from traceability.sign import Signer, unsigned
from traceability.subscription import Broker

Tables = dict[str, list[dict[str, Any]]]

KINDS = ("tokens", "lists", "visits")
MAX_FILE_BYTES = 16 * 1024 * 1024
COLUMNS = {
    "tokens": ({"token", "person"}, {"kind", "from", "to"}),
    "lists": ({"list", "token"}, {"from", "to"}),
    "visits": ({"visit", "token"}, {"from", "to"}),
}


def read_files(paths: Iterable[Path]) -> Tables:
    """All of them together. Raises Rejected, which names the file and what is wrong in it."""
    tables: Tables = {}
    for path in paths:
        try:
            found = _read(path)
            _check(found)
        except Rejected as error:
            raise Rejected(f"{path}: {error.message}", remedy=error.remedy) from error
        for kind, entries in found.items():
            tables.setdefault(kind, []).extend(entries)
    _check(tables)
    return tables


def documents(
    tables: Mapping[str, list[dict[str, Any]]], gateway: str, version: int, now_ms: int, sign: Signer
) -> dict[str, bytes]:
    """Signed documents for one gateway, by topic. Raises Misconfigured without a key, Rejected if too large."""
    if sign is unsigned:
        remedy = "set centre.key_file, and uplink.centre_key_file on the gateways"
        raise Misconfigured("directory documents are signed, and this centre has no key", remedy=remedy)
    made = {}
    for kind, entries in tables.items():
        payload = compact(sign(_words(kind, entries, gateway, version, timestamp(now_ms))))
        if len(payload) > MAX_DOCUMENT_BYTES:
            raise Rejected(
                f"{kind}: {len(payload)} bytes, at most {MAX_DOCUMENT_BYTES} are taken",
                remedy="leave out what this site does not need",
            )
        made[f"directory/{kind}"] = payload
    return made


def publish(broker: Broker, prefix: str, by_gateway: Mapping[str, Mapping[str, bytes]]) -> dict[str, bool]:
    """Lay them at the broker, which keeps them; whether each gateway listens now. Raises Misconfigured, Transient."""
    listening = {}
    with Visit(broker) as visit:
        for gateway, made in by_gateway.items():
            site, _, name = gateway.partition("/")
            topics = Topics(prefix, site, name)
            heard = [visit.say(topics.of(leaf), said, retain=True) for leaf, said in made.items()]
            listening[gateway] = all(heard)
    return listening


def _check(tables: Tables) -> None:
    """Raises Rejected where a gateway would."""
    for kind, entries in tables.items():
        read(_words(kind, entries, "site/gateway", 1, "2026-01-01T00:00:00Z"))


def read(words: dict[str, Any]) -> AnyDocument:
    """As a gateway reads it. Raises Rejected."""
    return read_document(compact(words))


def _words(kind: str, entries: list[dict[str, Any]], gateway: str, version: int, issued: str) -> dict[str, Any]:
    head = {"punchgate": f"directory/{kind}", "gateway": gateway, "version": version, "issued": issued}
    return head | {kind: entries}


def _read(path: Path) -> Tables:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        if len(raw) > MAX_FILE_BYTES:
            raise Rejected(f"more than {MAX_FILE_BYTES} bytes")
        text = raw.decode("utf-8-sig")
        if path.suffix.lower() == ".csv":
            return _of_rows(text)
        found = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise Rejected(f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if path.suffix.lower() == ".toml" else "JSON (nor is it called .toml or .csv)"
        raise Rejected(f"is not {kind}: {error}") from error
    if not isinstance(found, dict) or not found or set(found) - set(KINDS):
        raise Rejected("must hold tokens, lists or visits, and nothing else")
    if not all(isinstance(entries, list) for entries in found.values()):
        raise Rejected("tokens, lists and visits are arrays")
    return {kind: [_plain(entry) for entry in entries] for kind, entries in found.items()}


def _plain(entry: Any) -> Any:
    """TOML has dates of its own; in a document they are text."""
    if not isinstance(entry, dict):
        return entry
    return {key: value.isoformat() if hasattr(value, "isoformat") else value for key, value in entry.items()}


def _of_rows(text: str) -> Tables:
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = set(rows[0]) if rows else set(next(csv.reader(io.StringIO(text)), ()))
    kind = next((each for each, (must, may) in COLUMNS.items() if must <= columns <= must | may), None)
    if kind is None:
        known = "; ".join(f"{each}: {', '.join(sorted(must | may))}" for each, (must, may) in COLUMNS.items())
        raise Rejected("the columns are those of no document", remedy=f"the first line names them: {known}")
    filled = [{key: value for key, value in row.items() if value not in ("", None)} for row in rows]
    return {kind: _lists(filled) if kind == "lists" else filled}


def _lists(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each list and window."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, row in enumerate(rows, 2):
        if "token" not in row:
            raise Rejected(f"line {number} has no token")
        token = row.pop("token")
        entry = found.setdefault((row.get("list"), row.get("from"), row.get("to")), row | {"tokens": []})
        entry["tokens"].append(token)
    return list(found.values())
