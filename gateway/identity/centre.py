"""The box's way to its centre: HTTPS to whom the authority vouches for, one question at a time.

Before its first answer a box knows of the authority only the mark in its code. So it fetches the certificate from
whoever answers, compares the mark, and asks its real question over a second connection that this certificate checks.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from gateway.errors import Misconfigured, PunchgateError, Rejected, Transient, Unavailable
from gateway.identity.papers import MAX_BYTES

PATIENCE_S = 20.0
LOCAL = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Centre:
    """Where the centre answers: `https://host[:port]`; `http://` is for the same machine."""

    url: str

    def __post_init__(self) -> None:
        parts = self._parts
        plain = parts.scheme == "http" and parts.hostname in LOCAL
        if (parts.scheme != "https" and not plain) or not parts.hostname or parts.path.strip("/") or parts.query:
            remedy = "for example https://centre.example:8443"
            raise Misconfigured(f"{self.url[:200]!r} is not where a centre answers", remedy=remedy)

    def authority(self) -> bytes:
        """The certificate (PEM) that whoever answers calls the authority's: believe it for its mark only."""
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return self._ask("GET", "/enrolment/authority", None, trusting)

    def ask(self, path: str, question: dict[str, str], ca: str) -> bytes:
        """The answer to a question, from whom this authority vouches for. Raises PunchgateError."""
        try:
            context = ssl.create_default_context(cadata=ca)
        except ssl.SSLError as error:
            raise Rejected("the authority's certificate is damaged") from error
        return self._ask("POST", path, json.dumps(question).encode(), context)

    @property
    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as error:
            raise Misconfigured(f"{self.url[:200]!r} is not a URL", remedy="https://host:port") from error
        return parts

    def _ask(self, method: str, path: str, body: bytes | None, context: ssl.SSLContext) -> bytes:
        parts = self._parts
        host = parts.hostname or ""
        link = (
            http.client.HTTPSConnection(host, parts.port, timeout=PATIENCE_S, context=context)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=PATIENCE_S)
        )
        try:
            link.request(method, path, body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            said = answer.read(MAX_BYTES + 1)
        except ssl.SSLCertVerificationError as error:
            text = f"{self.url}: the certificate there is not believed: {error.verify_message}"
            remedy = "see that the name in the URL is one of `centre authority server`, and that this clock is right"
            raise Unavailable(text, remedy=remedy) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            remedy = "see that the centre runs, and that its address and the network are right; then try again"
            raise Unavailable(f"{self.url}: no answer: {reason}", remedy=remedy) from error
        finally:
            link.close()
        if answer.status != http.HTTPStatus.OK:
            self._refused(answer.status, said)
        if len(said) > MAX_BYTES:
            raise Rejected(f"{self.url}: the answer is too large")
        return said

    def _refused(self, status: int, said: bytes) -> NoReturn:
        try:
            told = json.loads(said)
            message, remedy = str(told["message"]), str(told.get("remedy", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            remedy = "is this the address of the centre, and has it an authority (centre.authority)?"
            raise Unavailable(f"{self.url}: HTTP {status}", remedy=remedy) from None
        kind: type[PunchgateError] = Transient if status in (429, 503) else Rejected
        raise kind(f"the centre says: {_plain(message)}", remedy=_plain(remedy))


def _plain(text: str) -> str:
    """What may be shown of a stranger's words."""
    return "".join(char if char.isprintable() else "?" for char in text[:300])
