"""The two papers of an enrolment: what a box asks for, and what the centre gives it. Files, carried as one likes.

Both are JSON objects in UTF-8 on one line. The request holds public things only. The answer holds one secret, the
organisation's key, sealed to the box that asked. The authority signs the answer,
and neither side can know the other's key when it sees it for the first time: that is what two people compare a
fingerprint for.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Self

from gateway.errors import Rejected
from gateway.wire import compact

MAX_BYTES = 64 * 1024
GROUPS = 5
"""Of a fingerprint: groups of four digits and letters, 100 bits in all."""
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

_NAME = re.compile(r"[a-z0-9-]{1,32}\.[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class Paper:
    """Common part: a paper reads and writes itself. All members are text, binary ones in base64."""

    @classmethod
    def kind(cls) -> str:
        """The word by which a file is known."""
        return f"punchgate.enrolment-{cls.__name__.lower()}.v1"

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Raises Rejected for anything but such a paper, whole."""
        try:
            said = json.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise Rejected("it is no enrolment paper") from error
        members = set(cls.__dataclass_fields__)
        if not isinstance(said, dict) or said.pop("type", None) != cls.kind():
            raise Rejected(f"it is not of type {cls.kind()}")
        if set(said) != members or not all(isinstance(value, str) for value in said.values()):
            raise Rejected(f"it must have the members {', '.join(sorted(members))}, all of them text")
        return cls(**said)

    def bytes(self) -> bytes:
        """The line of the file."""
        return compact({"type": self.kind(), **asdict(self)}) + b"\n"


@dataclass(frozen=True, slots=True)
class Request(Paper):
    """`gateway` is {site}.{id}; `csr` PEM under that CN, signed with the key it asks a certificate for; `sign_key`
    the public half of what it signs with (PEM, Ed25519); `box_key` its X25519 key, base64.
    """

    gateway: str
    csr: str
    sign_key: str
    box_key: str

    def __post_init__(self) -> None:
        named(self.gateway)
        binary(self.box_key)

    @property
    def fingerprint(self) -> str:
        """To be compared by the person at the box and the one at the centre."""
        return fingerprint(self.bytes())


@dataclass(frozen=True, slots=True)
class Answer(Paper):
    """`certificate` and `ca` PEM; `url` and `prefix` of the broker; `centre_key` the centre's public key (PEM, ""
    where it signs nothing); `organisation_key` sealed to the box, base64; `signature` the authority's, of
    all the rest.
    """

    gateway: str
    certificate: str
    ca: str
    url: str
    prefix: str
    centre_key: str
    organisation_key: str
    signature: str = ""

    def __post_init__(self) -> None:
        named(self.gateway)
        binary(self.organisation_key)

    @property
    def signed(self) -> bytes:
        """What the authority signs: every member but the signature."""
        return replace(self, signature="").bytes()

    @property
    def context(self) -> bytes:
        """What the organisation's key is sealed with: it opens only beside the same CA and centre."""
        return context(self.gateway, self.ca, self.centre_key, self.url, self.prefix)

    @property
    def fingerprint(self) -> str:
        """Of the authority: the same for all boxes of an organisation."""
        return fingerprint(self.ca.encode())


@dataclass(frozen=True, slots=True)
class Renewal(Paper):
    """`request` a Request's line; `certificate` the box's own (PEM); `signature` with its key, of the rest."""

    request: str
    certificate: str
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """What the holder of the certificate signs: every member but the signature."""
        return replace(self, signature="").bytes()


def context(*parts: str) -> bytes:
    """One byte string of several, which no other parts give."""
    return compact(list(parts))


def fingerprint(data: bytes) -> str:
    """Short enough to be read out on the telephone: 100 bits as five groups of four."""
    number = int.from_bytes(hashlib.sha256(data).digest(), "big") >> (256 - 5 * 4 * GROUPS)
    letters = "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(4 * GROUPS)))
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def same(said: str, fingerprint_here: str) -> bool:
    """Whether somebody who typed it meant this fingerprint: case, spaces and dashes do not matter."""
    return re.sub(r"[\s-]", "", said.lower()) == fingerprint_here.replace("-", "")


def named(gateway: str) -> tuple[str, str]:
    """Site and id of `{site}.{id}`. Raises Rejected."""
    if _NAME.fullmatch(gateway) is None:
        raise Rejected(f"gateway: {gateway[:80]!r} is not {{site}}.{{id}}")
    site, _, name = gateway.partition(".")
    return site, name


def binary(text: str) -> bytes:
    """Base64. Raises Rejected."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Rejected("it is damaged: not base64") from error


def text(data: bytes) -> str:
    """Base64."""
    return base64.b64encode(data).decode()
