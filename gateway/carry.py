"""Records carried by hand: a file that one end writes, a person takes along, and the other end takes in.

gzip around lines of text, so `zcat` shows it:

    {"punchgate":"carry","version":1,"site":"hq","gateway":"edge-01","epoch":…,"made":…}      the head
    {"specversion":"1.0","id":"hq/edge-01/…                                                 records, bytes unchanged
    {"count":2,"first":7,"last":8,"head":…,"sha256":…,"sig":…}                              the seal

`head` of the seal is the hash of the last record's line, `sha256` that of every byte before the seal. What is cut,
changed, or followed by more has no seal that fits, and nothing of it is to be believed. Anybody can make a seal;
`sig`, where the gateway has a key, is its signature of the seal and so of all there is. A record keeps its name, so a
file that is taken in twice, or after its records came over the network, changes nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from typing import IO, Literal

from pydantic import BaseModel, Field, ValidationError

from gateway.errors import Rejected
from gateway.signature import Signer, unsigned
from gateway.wire import MAX_LINE_BYTES, Seq, compact, line_hash

COMPRESSION = 6
NAME = r"^[a-z0-9-]{1,32}$"
EPOCH = r"^[0-9a-f]{16}$"
HASH = r"^[0-9a-f]{64}$"
REMEDY = "export it again and copy it with care"


class Head(BaseModel):
    """Whose records they are, and when the file was made (RFC 3339, UTC)."""

    punchgate: Literal["carry"] = "carry"
    version: Literal[1] = 1
    site: str = Field(pattern=NAME)
    gateway: str = Field(pattern=NAME)
    epoch: str = Field(pattern=EPOCH)
    made: str = Field(max_length=40)


class Seal(BaseModel):
    """What the file has to hold: how many records, which, the hash of the last line and of all the bytes before."""

    count: Seq
    first: Seq | None
    last: Seq | None
    head: str | None = Field(pattern=HASH)
    sha256: str = Field(pattern=HASH)
    sig: str | None = Field(default=None, max_length=100)


class CarryWriter:
    """Writes one file: `add` each record, then `seal`."""

    def __init__(self, file: IO[bytes], head: Head, sign: Signer = unsigned) -> None:
        self._sign = sign
        self._out = gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=file, mtime=0)
        self._hash = hashlib.sha256()
        self._count = 0
        self._first: int | None = None
        self._last: int | None = None
        self._line: bytes | None = None
        self._write(compact(head.model_dump()))

    def add(self, seq: int, line: bytes) -> None:
        """The next record, its bytes unchanged."""
        self._write(line)
        self._count += 1
        self._first = seq if self._first is None else self._first
        self._last, self._line = seq, line

    def seal(self) -> Seal:
        """End the file."""
        seal = self._sign(
            {
                "count": self._count,
                "first": self._first,
                "last": self._last,
                "head": None if self._line is None else line_hash(self._line),
                "sha256": self._hash.hexdigest(),
            }
        )
        self._write(compact(seal))
        self._out.close()
        return Seal.model_validate(seal)

    def _write(self, row: bytes) -> None:
        self._hash.update(row + b"\n")
        self._out.write(row + b"\n")


class CarryReader:
    """Reads one file: `head` at once, then its lines; nothing counts until the iteration has ended in peace.

    Then `seal` is the row that ends it, for whoever knows the gateway's key to check.
    Raises Rejected, whatever the bytes; OSError if the file itself cannot be read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._in = gzip.GzipFile(mode="rb", fileobj=file)
        self._hash = hashlib.sha256()
        self.seal = b""
        row = self._row()
        try:
            self.head = Head.model_validate_json(row)
        except ValidationError as error:
            raise Rejected(f"no hand-carry file of this version: {_flaw(error)}") from error
        self._hash.update(row + b"\n")

    def __iter__(self) -> Iterator[bytes]:
        """The record lines; Rejected at the latest at the end if anything is not as it was written."""
        count, before = 0, None
        row = self._row()
        while following := self._row(last=True):
            self._hash.update(row + b"\n")
            yield row
            count, before, row = count + 1, row, following
        self._check(row, count, before)

    def _check(self, row: bytes, count: int, before: bytes | None) -> None:
        try:
            seal = Seal.model_validate_json(row)
        except ValidationError as error:
            raise Rejected(f"damaged or cut: it does not end with a seal ({_flaw(error)})", remedy=REMEDY) from error
        head = None if before is None else line_hash(before)
        if (seal.count, seal.head, seal.sha256) != (count, head, self._hash.hexdigest()):
            raise Rejected("damaged: its seal does not fit what it holds", remedy=REMEDY)
        self.seal = row

    def _row(self, *, last: bool = False) -> bytes:
        """The next row without its newline; empty at the end, which only may come `last`."""
        try:
            row = self._in.readline(MAX_LINE_BYTES + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Rejected(f"damaged or cut: {error}", remedy=REMEDY) from error
        if last and not row:
            return row
        if not row.endswith(b"\n") or row == b"\n":
            raise Rejected("damaged or cut: a row has no end, or no content", remedy=REMEDY)
        return row[:-1]


def _flaw(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'it'}: {first['msg']}"
