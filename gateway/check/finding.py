"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "warning", "finding"]
"""ok: in order · note: worth knowing · warning: will become trouble, or cannot be proved · finding: mend it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, why it matters, what mends it; the last two are empty where all is well."""

    severity: Severity
    what: str
    why: str = ""
    mend: str = ""
