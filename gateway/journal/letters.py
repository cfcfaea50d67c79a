"""Drafts and marks as bytes and back, for the emergency ring: they must survive a restart before they are lines.

A reference to a draft beside it in the ring goes by its place there; one to a committed record by epoch and seq, for
it means nothing in another epoch. What refers to neither is kept all the same, and refused when it should become a
line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gateway.clock import Moment, Quality
from gateway.records import (
    CredentialRead,
    CredentialRepeated,
    Draft,
    Heard,
    Item,
    Lost,
    Notice,
    PassageSensed,
    Place,
    Punch,
    Ref,
    Subject,
)

WORDS = (
    CredentialRead,
    CredentialRepeated,
    PassageSensed,
    Punch,
    Notice,
    Lost,
    Place,
    Subject,
    Moment,
    Quality,
)
BY_NAME: dict[str, Any] = {word.__name__: word for word in WORDS}
REFERENCES = {"read", "burst", "passes", "candidates"}
PARTS = {"place", "subject", "quality"}


def seal(items: Sequence[Item], places: Mapping[int, int], epoch: str) -> bytes:
    """The bytes of what belongs together; `places` by id() of the drafts that are new."""

    def place(ref: Ref) -> dict[str, object]:
        seq = ref.seq if isinstance(ref, Draft) else ref
        if seq is not None:
            return {"seq": seq, "epoch": epoch}
        return {"kept": places.get(id(ref), ref.kept) if isinstance(ref, Draft) else None}

    def part(item: Item) -> dict[str, object]:
        if isinstance(item, Heard):
            return {"heard": [item.device, item.mark]}
        return {
            "kept": places[id(item)],
            "body": _plain(item.body, place),
            "moment": _plain(item.moment, place),
            "opens": item.opens,
            "closes": [place(ref) for ref in item.closes],
        }

    return json.dumps([part(item) for item in items], separators=(",", ":")).encode()


def drafts_in(letter: bytes) -> int:
    """How many drafts a letter holds."""
    return sum("kept" in part for part in json.loads(letter))


def unseal(letter: bytes, known: dict[int, Draft], epoch: str) -> list[Item]:
    """All of it again; drafts already `known` by their place are referred to, and the new ones become known.

    What refers into another epoch refers to a draft that never gets a number.
    """

    def ref(place: Mapping[str, Any]) -> Ref:
        if "kept" in place:
            return known.get(place["kept"]) or _nothing(moment)
        return int(place["seq"]) if place["epoch"] == epoch else _nothing(moment)

    items: list[Item] = []
    parts = json.loads(letter)
    for part in (part for part in parts if "kept" in part):
        moment = _alive(part["moment"], _no_reference)
        known[part["kept"]] = Draft(Notice(kind="unread"), moment, opens=part["opens"], kept=part["kept"])
    for part in parts:
        if "heard" in part:
            items.append(Heard(*part["heard"]))
            continue
        draft = known[part["kept"]]
        draft.body = _alive(part["body"], ref)
        draft.closes = tuple(ref(place) for place in part["closes"])
        items.append(draft)
        if part.get("mark"):  # a ring of a version whose marks had no part of their own
            items.append(Heard(*part["mark"]))
    return items


def _plain(word: Any, place: Any) -> Any:
    """A frozen dataclass of ours as JSON values."""
    plain: dict[str, Any] = {"is": type(word).__name__}
    for field in fields(word):
        value = getattr(word, field.name)
        if field.name in REFERENCES and value is not None:
            value = [place(ref) for ref in value] if isinstance(value, tuple) else place(value)
        elif field.name in PARTS:
            value = _plain(value, place)
        elif isinstance(value, Mapping):
            value = dict(value)
        plain[field.name] = value
    return plain


def _alive(plain: dict[str, Any], ref: Any) -> Any:
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name in REFERENCES and value is not None:
            values[name] = tuple(ref(place) for place in value) if isinstance(value, list) else ref(value)
        elif name in PARTS:
            values[name] = _alive(value, ref)
        elif name != "is":
            values[name] = value
    return BY_NAME[plain["is"]](**values)


def _no_reference(place: Mapping[str, Any]) -> Ref:
    raise LookupError(f"a moment refers to {place}")


def _nothing(moment: Moment) -> Draft:
    return Draft(Notice(kind="gone"), moment)
