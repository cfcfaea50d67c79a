"""requirements.lock: which wheels may go into a package. What is not in it, or has other bytes, does not."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from bundle.trouble import Trouble

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock."""

    name: str
    version: str
    hashes: frozenset[str]


class Lock:
    """The pins by their names in normal form."""

    def __init__(self, text: str) -> None:
        """Trouble: a pin without a hash, or none at all."""
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        starts = list(_PIN.finditer(text))
        ends = [*(match.start() for match in starts[1:]), len(text)]
        self.pins: dict[str, Pin] = {}
        for match, end in zip(starts, ends, strict=True):
            hashes = frozenset(_HASH.findall(text, match.end(), end))
            if not hashes:
                raise Trouble(f"requirements.lock: {match['name']} has no hash")
            self.pins[normal(match["name"])] = Pin(match["name"], match["version"], hashes)
        if not self.pins:
            raise Trouble("requirements.lock pins nothing")

    def check(self, wheels: list[Path]) -> None:
        """Trouble: a wheel that is not pinned or was changed, or a pin without a wheel."""
        seen: set[str] = set()
        for wheel in wheels:
            name = normal(wheel.name.split("-")[0])
            pin = self.pins.get(name)
            if pin is None or hashlib.sha256(wheel.read_bytes()).hexdigest() not in pin.hashes:
                raise Trouble(f"{wheel.name} is not what requirements.lock pins")
            seen.add(name)
        if missing := sorted(set(self.pins) - seen):
            raise Trouble(f"no wheel of {', '.join(missing)}")


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
