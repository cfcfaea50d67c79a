"""The truth of a city on disk: JSON lines for each kind of thing, and the map."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.simulation.city.blame import Blind, Unseen
from gateway.simulation.city.corrections import Correction
from gateway.simulation.city.people import Bound
from gateway.simulation.city.truth import TruePerson, Truth
from gateway.simulation.city.walk import TrueStay

PLACES = "places.toml"


def save(truth: Truth, folder: Path, stays: Iterable[TrueStay] | None = None) -> None:
    """Write it. `stays`: written in place of those of the truth, one by one, for a city that is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLACES).write_text(truth.places, encoding="utf-8")
    kinds: dict[str, Iterable[Any]] = {
        "persons": truth.persons.values(),
        "stays": truth.stays if stays is None else stays,
        "bindings": truth.bindings,
        "unseen": truth.unseen,
        "blind": truth.blind,
        "corrections": truth.corrections,
    }
    for kind, things in kinds.items():
        with (folder / f"{kind}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(thing)) + "\n" for thing in things)


def load(folder: Path, *, with_stays: bool = True) -> Truth:
    """Read what `save` has written."""
    persons = [TruePerson(**row | {"cards": tuple(row["cards"])}) for row in _rows(folder, "persons")]
    stays = sorted(
        (TrueStay(**row) for row in (_rows(folder, "stays") if with_stays else ())),
        key=lambda stay: (stay.from_ms, stay.person),
    )
    return Truth(
        {person.id: person for person in persons},
        tuple(stays),
        tuple(Bound(**row) for row in _rows(folder, "bindings")),
        tuple(
            Unseen(**row | {end: tuple(row[end]) for end in ("origin", "target")}) for row in _rows(folder, "unseen")
        ),
        tuple(Blind(**row) for row in _rows(folder, "blind")),
        tuple(Correction(**row) for row in _rows(folder, "corrections")),
        (folder / PLACES).read_text(encoding="utf-8"),
    )


def _rows(folder: Path, kind: str) -> Iterator[dict[str, Any]]:
    with (folder / f"{kind}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)
