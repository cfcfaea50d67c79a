"""Looks at bytes before any parser does: how many there are, and how deep they nest.

A parser that recurses, or builds a million lists of lists, has done the harm before it says no.
"""

from __future__ import annotations

import re

from gateway.errors import Rejected

MAX_DEPTH = 8

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[][{}]")


def bounded(payload: bytes, most_bytes: int, most_deep: int = MAX_DEPTH) -> bytes:
    """The payload as it is. Raises Rejected if it is too large, or nests deeper than `most_deep`."""
    if len(payload) > most_bytes:
        raise Rejected(f"message of more than {most_bytes} bytes")
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", payload)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > most_deep:
            raise Rejected(f"message nests deeper than {most_deep}")
    return payload
