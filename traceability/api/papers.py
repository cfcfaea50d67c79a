"""The server's certificate while it serves: new files are taken up as soon as they are whole; till then the old ones.

A context that is in use must never see half of a pair: OpenSSL lets go of a key that does not go with the certificate
it is given next. So both files are read once, tried on a context of their own, and only then put into the live one.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

Pair = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Papers:
    """Files of the server's certificate and its private key (PEM)."""

    cert_file: Path
    key_file: Path

    def read(self) -> Pair:
        """Certificate and key. Raises OSError."""
        return self.cert_file.read_bytes(), self.key_file.read_bytes()


class InForce:
    """What new connections to this context are shown."""

    def __init__(self, papers: Papers, context: ssl.SSLContext) -> None:
        """`context` has the papers as they are now."""
        self._papers = papers
        self._context = context
        self._seen = self._shown = self._read()

    def look(self) -> None:
        """Take new files up, if there are any. Those that cannot be used are said once; the old ones stay."""
        pair = self._read()
        if pair is None or pair == self._seen:
            return
        self._seen = pair
        log = structlog.get_logger("traceability")
        files = f"{self._papers.cert_file}, {self._papers.key_file}"
        try:
            load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), pair)
        except ssl.SSLError as error:
            reason = f"{files}: {error.reason or error}; the ones before are shown on"
            log.warning("http.papers_refused", reason=reason)
            return
        if pair != self._shown:
            load(self._context, pair)
            self._shown = pair
            log.info("http.papers", files=files)

    def _read(self) -> Pair | None:
        """None: they are not both there, perhaps just being replaced."""
        try:
            return self._papers.read()
        except OSError:
            return None


def load(context: ssl.SSLContext, pair: Pair) -> None:
    """Certificate and key from memory; the standard library loads them from files only. Raises ssl.SSLError."""
    with _file(pair[0]) as cert, _file(pair[1]) as key:
        context.load_cert_chain(cert, key, password="")


@contextmanager
def _file(data: bytes) -> Iterator[str]:
    """A file that lies nowhere."""
    descriptor = os.memfd_create("papers")
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
