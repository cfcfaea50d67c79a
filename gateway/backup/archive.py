"""Reading a backup once, from front to back: each part is what the manifest says, or all of it is refused."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from gateway.backup import manifest as form
from gateway.backup.manifest import Part, not_a_backup, read_manifest
from gateway.errors import Rejected
from gateway.signature import PublicKey

CHUNK = 1024 * 1024
MIB = 1024 * 1024
REMEDY = "take another copy of it, or another backup"


class BackupReader:
    """`manifest` at once; then `small_parts`, then `journal`, which ends the file.

    `key`: whose signature the manifest has to bear; None: nobody's. Raises Rejected, whatever the bytes.
    """

    def __init__(self, file: IO[bytes], key: PublicKey | None = None) -> None:
        self._packed = gzip.GzipFile(mode="rb", fileobj=file)
        with _refusing(first=True):
            self._tar = tarfile.open(fileobj=self._packed, mode="r|")  # noqa: SIM115 - reads on in other methods
            head = self._tar.next()
            if head is None or head.name != form.MANIFEST or not head.isreg() or head.size > form.MAX_MANIFEST_BYTES:
                raise not_a_backup()
            data = self._read(head)
        if key is not None:
            key.check(data, "that of this gateway's key")
        self.manifest = read_manifest(data)

    def small_parts(self) -> dict[str, bytes]:
        """Every part but the journal, by name."""
        found: dict[str, bytes] = {}
        for part in self.manifest.parts:
            if part.name == form.JOURNAL:
                continue
            if part.size > form.MAX_SMALL_BYTES:
                raise Rejected(f"{part.name} is too large for what it is", remedy=REMEDY)
            found[part.name] = b"".join(self._part(part))
        return found

    def journal(self, out: IO[bytes] | None, progress: Callable[[int], None]) -> None:
        """Write the journal, if there is one, to `out`, and see that nothing follows. `progress` gets MiB done."""
        part = self.manifest.part(form.JOURNAL)
        done = 0
        for piece in self._part(part) if part is not None else ():
            done += len(piece)
            if out is not None:
                out.write(piece)
            progress(done // MIB)
        with _refusing():
            if self._tar.next() is not None:
                raise Rejected("damaged: it holds more than its manifest says", remedy=REMEDY)
            while piece := self._packed.read(CHUNK):
                if piece.strip(b"\0"):
                    raise Rejected("damaged: something follows its end", remedy=REMEDY)

    def _part(self, part: Part) -> Iterator[bytes]:
        """The bytes of the next part; Rejected at the latest behind the last one if they are not what they were."""
        with _refusing():
            member = self._tar.next()
            if member is None or member.name != part.name or not member.isreg() or member.size != part.size:
                raise Rejected(f"damaged: {part.name} is not where its manifest says", remedy=REMEDY)
            file = self._tar.extractfile(member)
        digest = hashlib.sha256()
        left = part.size
        while left and file is not None:
            with _refusing():
                piece = file.read(min(left, CHUNK))
            if not piece:
                break
            left -= len(piece)
            digest.update(piece)
            yield piece
        if left or digest.hexdigest() != part.sha256:
            raise Rejected(f"damaged: {part.name} is not what it was", remedy=REMEDY)

    def _read(self, member: tarfile.TarInfo) -> bytes:
        file = self._tar.extractfile(member)
        return b"" if file is None else file.read(form.MAX_MANIFEST_BYTES)


@contextmanager
def _refusing(*, first: bool = False) -> Iterator[None]:
    """Whatever tarfile and gzip say of strange bytes becomes one refusal."""
    try:
        yield
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, KeyError, RecursionError) as error:
        if first:
            raise not_a_backup() from error
        raise Rejected(f"damaged or cut: {error}", remedy=REMEDY) from error
