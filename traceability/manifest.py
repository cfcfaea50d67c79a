"""What an export holds, in a file beside it: counts, ranges and head hashes, signed with the centre's key.

The lines of an export say nothing of what was left out. The manifest does: of each epoch how many lines, from where
to where, the hash of the last one, and over everything the SHA-256 of the bytes that went to standard output. With
`centre.key_file` it is signed as receipts are; whoever has the public half can show later that the centre gave these
lines, and no others, at that time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gateway.wire import line_hash
from traceability.export import Wanted


class Manifest:
    """`add` each slice as it is printed, then `words`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._hash = hashlib.sha256()
        self._epochs: list[dict[str, Any]] = []

    def add(self, lines: Sequence[bytes], printed: bytes) -> None:
        """Lines of one epoch in order, and the bytes they were printed as."""
        self._hash.update(printed)
        for line in lines:
            self._count(line)

    def words(self, made: str) -> dict[str, Any]:
        """The manifest, unsigned. `made`: RFC 3339, UTC."""
        return {
            "punchgate": "manifest",
            "version": 1,
            "made": made,
            "wanted": asdict(self._wanted),
            "lines": sum(epoch["lines"] for epoch in self._epochs),
            "sha256": self._hash.hexdigest(),
            "epochs": self._epochs,
        }

    def _count(self, line: bytes) -> None:
        """A line; other bytes under the number before are counted as conflicts, their hash is not the head's."""
        site, gateway, epoch, number = json.loads(line)["id"].split("/")
        seq = int(number)
        name = {"site": site, "gateway": gateway, "epoch": epoch}
        if not self._epochs or {key: self._epochs[-1][key] for key in name} != name:
            self._epochs.append(name | {"lines": 0, "conflicts": 0, "first": seq, "last": 0, "head": None})
        counts = self._epochs[-1]
        counts["lines"] += 1
        if counts["last"] == seq:
            counts["conflicts"] += 1
        else:
            counts["last"], counts["head"] = seq, line_hash(line)
