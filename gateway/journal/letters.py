"""Drafts as bytes and back, for the emergency ring: a draft must survive a restart before it has become a line.

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


def seal(drafts: Sequence[Draft], places: Mapping[int, int], epoch: str) -> bytes:
    """The bytes of drafts that belong together; `places` by id() of those that are new."""

    def place(ref: Ref) -> dict[str, object]:
        seq = ref.seq if isinstance(ref, Draft) else ref
        if seq is not None:
            return {"seq": seq, "epoch": epoch}
        return {"kept": places.get(id(ref), ref.kept) if isinstance(ref, Draft) else None}

    return json.dumps(
        [
            {
                "kept": places[id(draft)],
                "body": _plain(draft.body, place),
                "moment": _plain(draft.moment, place),
                "opens": draft.opens,
                "closes": [place(ref) for ref in draft.closes],
                "mark": draft.mark,
            }
            for draft in drafts
        ],
        separators=(",", ":"),
    ).encode()


def unseal(letter: bytes, known: dict[int, Draft], epoch: str) -> list[Draft]:
    """The drafts again; those already `known` by their place are referred to, and the new ones become known.

    What refers into another epoch refers to a draft that never gets a number.
    """

    def ref(place: Mapping[str, Any]) -> Ref:
        if "kept" in place:
            return known.get(place["kept"]) or _nothing(moment)
        return int(place["seq"]) if place["epoch"] == epoch else _nothing(moment)

    drafts = []
    parts = json.loads(letter)
    for part in parts:
        moment = _alive(part["moment"], _no_reference)
        known[part["kept"]] = Draft(Notice(kind="unread"), moment, opens=part["opens"], kept=part["kept"])
    for part in parts:
        draft = known[part["kept"]]
        draft.body = _alive(part["body"], ref)
        draft.closes = tuple(ref(place) for place in part["closes"])
        draft.mark = tuple(part["mark"]) if part.get("mark") else None
        drafts.append(draft)
    return drafts


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
