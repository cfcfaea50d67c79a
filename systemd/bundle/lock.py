"""The locks: which wheels may go into a package. What is in none, or has other bytes, does not.

requirements.lock is what every box gets, requirements-centre.lock what the centre gets besides; that one may be
missing or empty, and may name again what the first has.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from bundle.trouble import Trouble

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)
MAIN, CENTRE = "requirements.lock", "requirements-centre.lock"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of the lock."""

    name: str
    version: str
    hashes: frozenset[str]


class Lock:
    """The pins by their names in normal form."""

    def __init__(self, text: str, name: str = MAIN) -> None:
        """Trouble: a pin without a hash, or none at all."""
        self.name = name
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        starts = list(_PIN.finditer(text))
        ends = [*(match.start() for match in starts[1:]), len(text)]
        self.pins: dict[str, Pin] = {}
        for match, end in zip(starts, ends, strict=True):
            hashes = frozenset(_HASH.findall(text, match.end(), end))
            if not hashes:
                raise Trouble(f"{name}: {match['name']} has no hash")
            self.pins[normal(match["name"])] = Pin(match["name"], match["version"], hashes)
        if not self.pins:
            raise Trouble(f"{name} pins nothing")

    def check(self, wheels: list[Path]) -> None:
        """Trouble: a wheel that is not pinned or was changed, or a pin without a wheel."""
        seen: set[str] = set()
        for wheel in wheels:
            name = normal(wheel.name.split("-")[0])
            pin = self.pins.get(name)
            if pin is None or hashlib.sha256(wheel.read_bytes()).hexdigest() not in pin.hashes:
                raise Trouble(f"{wheel.name} is not what {self.name} pins")
            seen.add(name)
        if missing := sorted(set(self.pins) - seen):
            raise Trouble(f"no wheel of {', '.join(missing)}")

    def added_to(self, base: Lock) -> set[str]:
        """Names that only this one pins. Trouble: both pin one, in two versions: one process cannot have both."""
        common = set(self.pins) & set(base.pins)
        if torn := sorted(name for name in common if self.pins[name].version != base.pins[name].version):
            raise Trouble(f"{self.name} and {base.name} pin two versions of {', '.join(torn)}")
        return set(self.pins) - common


def read_lock(root: Path) -> Lock:
    """What every box gets. Trouble as for `Lock`."""
    return Lock((root / MAIN).read_text("utf-8"))


def read_centre_lock(root: Path) -> Lock | None:
    """What the centre gets besides; None: nothing. Trouble as for `Lock`."""
    path = root / CENTRE
    text = path.read_text("utf-8") if path.exists() else ""
    return Lock(text, CENTRE) if _PIN.search(text) else None


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
