"""What the configuration has to know about a driver, without importing one.

The composition root hands over a mapping name → facts; `DriverFacts.of` takes anything shaped like
`drivers.contract.DriverSpec`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

REFUSALS = (ValueError, TypeError, LookupError, AttributeError)
"""How a driver, perhaps a stranger's, says no to options."""


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
    def latency_with(self, options: Any, line: Sequence[Any] = (), /) -> float: ...
    @property
    def build(self) -> Callable[[Sequence[Any]], Any]: ...


class MakeOptions(Protocol):
    """Shaped like `drivers.registry.make_options`: the options, or ValueError whose message names the key."""

    def __call__(self, spec: Any, values: Mapping[str, object], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """One driver. `check_options` raises ValueError naming the option; `options` are their names, None: unknown.

    `directions` are the words of its passages, `aliases` other words for them, `inputs` the names of its inputs.
    `latency` gives how many seconds after it happened an event of a device may be told, from its options and those of
    all devices of its line.
    `narrowed` gives what changes with a device's options, `check_line` raises ValueError where the devices of one
    line do not go together; both are asked with options that passed `check_options`.
    """

    name: str
    emits: frozenset[str]
    bus: bool
    baud: int
    directions: tuple[str, ...]
    aliases: Mapping[str, str]
    inputs: tuple[str, ...]
    check_options: Callable[[Mapping[str, object]], object]
    options: tuple[str, ...] | None = None
    narrowed: Callable[[DriverFacts, Mapping[str, object]], DriverFacts] | None = None
    check_line: Callable[[Sequence[Mapping[str, object]]], object] | None = None
    latency: Callable[[Mapping[str, object], Sequence[Mapping[str, object]]], float] | None = None

    @classmethod
    def of(cls, spec: SpecLike, make_options: MakeOptions) -> DriverFacts:
        """Read the facts from a driver's description; options may have `emits` and `directions` of their own."""
        return cls(
            name=spec.name,
            emits=frozenset(spec.emits),
            bus=spec.bus,
            baud=spec.baud,
            directions=spec.directions,
            aliases=spec.aliases,
            inputs=spec.inputs,
            check_options=lambda values: make_options(spec, values),
            options=tuple(field.name for field in dataclasses.fields(spec.options)),
            narrowed=lambda facts, values: _narrowed(facts, make_options(spec, values)),
            check_line=lambda units: spec.build([make_options(spec, values) for values in units]),
            latency=lambda values, units: spec.latency_with(
                make_options(spec, values), [make_options(spec, unit) for unit in units]
            ),
        )

    def configured(self, values: Mapping[str, object]) -> DriverFacts:
        """The facts of a device with these options; those of the driver where the options are refused."""
        try:
            self.check_options(values)
            return self.narrowed(self, values) if self.narrowed else self
        except REFUSALS:
            return self

    def latency_s(self, values: Mapping[str, object], line: Sequence[Mapping[str, object]]) -> float:
        """How late a device with these options may be; 0: it speaks by itself, or its line's options are refused."""
        try:
            return self.latency(values, line) if self.latency else 0.0
        except REFUSALS:
            return 0.0


def _narrowed(facts: DriverFacts, options: Any) -> DriverFacts:
    emits = frozenset(getattr(options, "emits", facts.emits))
    directions = tuple(getattr(options, "directions", ())) or facts.directions
    return dataclasses.replace(facts, emits=emits, directions=directions)
