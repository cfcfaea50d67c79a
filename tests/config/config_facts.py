"""Drivers as the configuration sees them, one of each kind, so that these tests need no real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config import DriverFacts


@dataclass(frozen=True)
class ReaderOptions:
    style: str = "auto"
    gap_s: float = 0.1
    key: str = ""

    def __post_init__(self) -> None:
        if self.style not in ("auto", "rdm6300"):
            raise ValueError(f"style must be auto or rdm6300, not {self.style}")
        if self.key and len(self.key) != 32:
            raise ValueError(f"key must be 32 hex digits, not {self.key!r}")


@dataclass(frozen=True)
class LineOptions:
    kind: str = "credential"
    directions: tuple[str, ...] = ()

    @property
    def emits(self) -> frozenset[str]:
        return frozenset({self.kind})


@dataclass(frozen=True)
class BusOptions:
    address: int = 0
    poll_s: float = 0.05


def make_options(spec: Spec, values: Mapping[str, object]) -> object:
    for name, value in values.items():
        wanted = type(getattr(spec.options(), name))
        if not isinstance(value, wanted):
            raise ValueError(f"options.{name}: {value!r} is not of type {wanted.__name__}")
    return spec.options(**values)


@dataclass(frozen=True)
class Spec:
    name: str
    emits: frozenset[str]
    options: type = ReaderOptions
    baud: int = 9600
    bus: bool = False
    directions: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def build(self, units: Sequence[BusOptions]) -> object:
        if self.bus and len({unit.address for unit in units}) < len(units):
            raise ValueError("address: two devices on this line have the same one")
        return units

    def latency_with(self, options: Any, line: Sequence[Any] = ()) -> float:
        return float(getattr(options, "poll_s", 0.0)) + 0.1 * len(line) if self.name == "io_module" else 0.0

    @property
    def aliases(self) -> dict[str, str]:
        return {"a": self.directions[0], "b": self.directions[1]} if self.directions else {}


def drivers() -> Mapping[str, DriverFacts]:
    specs = (
        Spec("em4100", frozenset({"credential"})),
        Spec("scanner", frozenset({"credential"}), baud=115200),
        Spec("eb_turnstile", frozenset({"passage"}), directions=("left", "right")),
        Spec("line", frozenset({"credential"}), options=LineOptions),
        Spec("io_module", frozenset({"input"}), options=BusOptions, bus=True, inputs=("0", "1", "2")),
    )
    return {spec.name: DriverFacts.of(spec, make_options) for spec in specs}
