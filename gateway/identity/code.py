"""A one-time code: what the centre gives to the person who sets up a box, by telephone or on paper.

    32 letters and digits = 3 which code, 12 the secret, 16 the authority's mark, 1 check

The secret (60 bits) lets one box in once. The mark is the beginning of the authority's fingerprint (80 bits): the box
believes nobody else, so it needs no certificate beforehand. The check finds one wrong letter of nearly all.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

from gateway.errors import Misconfigured
from gateway.identity.papers import ALPHABET, fingerprint

ID, SECRET, MARK = 3, 12, 16
GROUP = 4
_LIKE = str.maketrans("oil", "011")
_REMEDY = "ask the centre for it once more: punchgate centre enrol-code"


@dataclass(frozen=True, slots=True)
class Code:
    """`id` and `mark` are public; all are of the alphabet of fingerprints."""

    id: str
    secret: str = field(repr=False)
    mark: str

    @classmethod
    def new(cls, ca: bytes, taken: set[str]) -> Self:
        """A fresh one of the authority with this certificate (PEM), whose id is not one of `taken`."""
        while (name := _random(ID)) in taken:
            pass
        return cls(name, _random(SECRET), mark_of(ca))

    def text(self) -> str:
        """In groups of four."""
        letters = self.id + self.secret + self.mark
        letters += _check(letters)
        return "-".join(letters[at : at + GROUP] for at in range(0, len(letters), GROUP))

    @property
    def claim(self) -> str:
        """What the centre is shown: the code without the mark."""
        return self.id + self.secret


def read_code(text: str) -> Code:
    """A code as somebody typed it. Raises Misconfigured if letters are missing or wrong; the text is not repeated."""
    letters = re.sub(r"[\s-]", "", text.lower()).translate(_LIKE)
    if len(letters) != ID + SECRET + MARK + 1:
        raise Misconfigured(f"the code has 32 letters and digits, this one has {len(letters)}", remedy=_REMEDY)
    if not set(letters) <= set(ALPHABET) or _check(letters[:-1]) != letters[-1]:
        raise Misconfigured("a letter of the code is wrong", remedy="compare it, or " + _REMEDY)
    return Code(letters[:ID], letters[ID : ID + SECRET], letters[ID + SECRET : -1])


def mark_of(ca: bytes) -> str:
    """The authority's mark in a code: its fingerprint begins with it."""
    return fingerprint(ca).replace("-", "")[:MARK]


def _random(letters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(letters))


def _check(letters: str) -> str:
    return ALPHABET[hashlib.sha256(letters.encode()).digest()[0] & 31]
