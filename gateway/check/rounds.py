"""The order of an examination: what stands on this box first, the way out of it last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import assembly
from gateway.check.broker import broker
from gateway.check.cards import schemes, short_views
from gateway.check.case import Case
from gateway.check.certificates import certificates
from gateway.check.delivery import daemon, proof, settling
from gateway.check.finding import Finding
from gateway.check.keys import keys
from gateway.check.machine import autonomy, clock, disk
from gateway.check.ports import ports
from gateway.clock import Clock

ROUNDS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    daemon,
    ports,
    keys,
    certificates,
    clock,
    disk,
    autonomy,
    broker,
    settling,
    proof,
    short_views,
    schemes,
)


def examine(case: Case) -> Iterator[Finding]:
    """Everything there is to say, each as soon as it is known."""
    for part in ROUNDS:
        yield from part(case)


def findings(path: Path) -> list[dict[str, Any]]:
    """What there is to mend or to know on the box of this configuration. Raises Misconfigured; takes seconds."""
    found = examine(Case.of(assembly.read_settings(path), Clock()))
    return [asdict(finding) for finding in found if finding.severity != "ok"]
