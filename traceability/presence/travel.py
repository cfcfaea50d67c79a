"""How long the way from one site to another takes, and which two moves nobody can have made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traceability.presence.stays import Step


@dataclass(frozen=True, slots=True)
class Travel:
    """How long it takes at least from one site to another, ms; `default_ms` where the map does not say."""

    default_ms: int = 60_000
    between: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def needed_ms(self, here: str, there: str) -> int:
        if here == there:
            return 0
        return self.between.get((here, there), self.between.get((there, here), self.default_ms))

    def contradicts(self, before: Step, after: Step) -> bool:
        """Whether nobody can have made both moves, however wrong their clocks are within their bounds."""
        apart_ms = after.when.last_ms - before.when.first_ms
        return apart_ms < self.needed_ms(before.site, after.site)
