"""What a certificate says of itself: whose it is and how long it lasts.

The standard library verifies certificates but shows nobody their dates, so the few fields needed are read from the
DER here (X.509, RFC 5280 section 4.1): a certificate is nested tag-length-value, and the fields have fixed places.

    Certificate ::= { tbs { [0] version, serial, algorithm, issuer, validity { from, until }, subject, … }, … }
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MAX_BYTES = 1024 * 1024
VERSION, UTC_TIME, BMP_STRING = 0xA0, 0x17, 0x1E
COMMON_NAME = bytes([0x55, 0x04, 0x03])

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

Element = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Certificate:
    """CN of its subject ("" where it has none) and when it is valid, UTC."""

    common_name: str
    valid_from: datetime
    valid_until: datetime


def read_certificates(path: Path) -> list[Certificate]:
    """The certificates of a PEM file, in its order. OSError; ValueError where one or all of it is none."""
    if path.exists() and not path.is_file():  # who opens a pipe waits for ever
        raise ValueError("is not a file")
    with path.open("rb") as file:
        text = file.read(MAX_BYTES).decode("ascii", "replace")
    found = [parse(ssl.PEM_cert_to_DER_cert(block)) for block in _PEM.findall(text)]
    if not found:
        raise ValueError("holds no certificate in PEM form")
    return found


def parse(der: bytes) -> Certificate:
    """One certificate. ValueError where it is none."""
    try:
        tbs = _elements(_elements(_elements(der)[0][1])[0][1])
        fields = [content for tag, content in tbs if tag != VERSION]
        valid_from, valid_until = _elements(fields[3])
        return Certificate(_common_name(fields[4]), _time(valid_from), _time(valid_until))
    except (IndexError, ValueError) as error:
        raise ValueError("holds something that is no certificate") from error


def _elements(data: bytes) -> list[Element]:
    """Tag and content of each element in a row."""
    elements = []
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size >= 0x80:
            digits = size - 0x80
            size = int.from_bytes(data[at : at + digits], "big")
            at += digits
        if at + size > len(data):
            raise ValueError("cut off")
        elements.append((tag, data[at : at + size]))
        at += size
    return elements


def _common_name(subject: bytes) -> str:
    for _, relative in _elements(subject):
        for _, attribute in _elements(relative):
            (_, kind), (tag, value) = _elements(attribute)
            if kind == COMMON_NAME:
                return value.decode("utf-16-be" if tag == BMP_STRING else "utf-8", "replace")
    return ""


def _time(element: Element) -> datetime:
    tag, content = element
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S%z").astimezone(UTC)
