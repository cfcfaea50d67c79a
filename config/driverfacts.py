"""What the configuration has to know about a driver, without importing one.

The composition root hands over a mapping name → facts; `DriverFacts.of` takes anything shaped like
`drivers.contract.DriverSpec`.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class SpecLike(Protocol):
    """The part of a driver's own description that is read here."""

    @property
    def name(self) -> str: ...
    @property
    def options(self) -> type[Any]: ...
    @property
    def emits(self) -> frozenset[Any]: ...
    @property
    def baud(self) -> int: ...
    @property
    def bus(self) -> bool: ...
    @property
    def directions(self) -> tuple[str, ...]: ...
    @property
    def aliases(self) -> dict[str, str]: ...
    @property
    def inputs(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """One driver. `check_options` raises ValueError naming the option; `options` are their names, None: unknown.

    `directions` are the words of its passages, `aliases` other words for them, `inputs` the names of its inputs.
    """

    name: str
    emits: frozenset[str]
    bus: bool
    baud: int
    directions: tuple[str, ...]
    aliases: Mapping[str, str]
    inputs: tuple[str, ...]
    check_options: Callable[[Mapping[str, object]], None]
    options: tuple[str, ...] | None = None

    @classmethod
    def of(cls, spec: SpecLike) -> DriverFacts:
        """Read the facts from a driver's description."""
        return cls(
            name=spec.name,
            emits=frozenset(spec.emits),
            bus=spec.bus,
            baud=spec.baud,
            directions=spec.directions,
            aliases=spec.aliases,
            inputs=spec.inputs,
            check_options=lambda values: _check(spec.options, values),
            options=tuple(field.name for field in dataclasses.fields(spec.options) if field.init),
        )


def _check(options: type[Any], values: Mapping[str, object]) -> None:
    """Make the options once; simple types are compared first, for a dataclass takes anything."""
    hints = typing.get_type_hints(options)
    for name, value in values.items():
        wanted = hints.get(name)
        fits = (int, float) if wanted is float else (wanted,)
        if wanted in (bool, int, float, str) and type(value) not in fits:
            raise ValueError(f"{name} must be of type {wanted.__name__}")
    options(**values)
