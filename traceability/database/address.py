"""`postgresql://user@host:port/database`: what it means, and how it is shown to people.

Further words behind `?`: `host=/run/postgresql` (a folder: the server's socket there), `sslmode` and `sslrootcert` as
libpq has them. Without `sslmode` the way to another machine is encrypted and the server's certificate checked
(`verify-full`); on this machine there is no need. `disable` is taken at its word.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from gateway.errors import Misconfigured

SCHEMES = ("postgresql", "postgres")
PORT = 5432
EXAMPLE = "for example postgresql://punchgate@db.example/punchgate"
WORDS = {"host", "sslmode", "sslrootcert"}

Mode = Literal["disable", "require", "verify-full"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and as whom to go there. `folder`: of its socket, instead of host and port."""

    user: str
    database: str
    host: str
    port: int = PORT
    folder: Path | None = None
    mode: Mode = "verify-full"
    authorities: Path | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """As logs and errors name it, without the password."""
        if self.folder is not None:
            return f"postgresql://{self.user}@/{self.database}?host={self.folder}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORT else f":{self.port}"
        return f"postgresql://{self.user}@{host}{port}/{self.database}"

    @property
    def socket(self) -> str | None:
        """Path of the server's socket; None: it is reached by TCP."""
        return None if self.folder is None else str(self.folder / f".s.PGSQL.{self.port}")

    def tls(self) -> ssl.SSLContext | Literal[False]:
        """How the connection is to be encrypted; False: not at all. Raises Misconfigured."""
        if self.mode == "disable" or self.folder is not None:
            return False
        try:
            context = ssl.create_default_context(cafile=self.authorities)
        except OSError as error:
            raise Misconfigured(
                f"centre.database: sslrootcert {self.authorities}: {error.strerror or error}",
                remedy="name a PEM file the centre's user can read",
            ) from error
        if self.mode == "require":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def is_address(setting: str) -> bool:
    """Whether a `database` setting is an address, and not a path."""
    return "://" in setting


def read_address(setting: str) -> Address:
    """Parse a setting. Raises Misconfigured, which names neither the setting nor the password in it."""
    try:
        parts = urlsplit(setting)
        return _address(parts, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query))))
    except ValueError as error:
        raise Misconfigured("centre.database: not an address", remedy=EXAMPLE) from error


def _address(parts: SplitResult, words: dict[str, str]) -> Address:
    if parts.scheme not in SCHEMES:
        raise Misconfigured(
            f"centre.database: {parts.scheme}:// is not known",
            remedy="give the path of an SQLite file, or postgresql://…",
        )
    unknown = sorted(words.keys() - WORDS)
    if unknown:
        raise Misconfigured(
            f"centre.database: {', '.join(unknown)} is not known", remedy=f"known: {', '.join(WORDS)}"
        )
    database, user = unquote(parts.path.removeprefix("/")), unquote(parts.username or "")
    place = words.get("host") or parts.hostname or ""
    if not (database and user and place):
        raise Misconfigured("centre.database: user, host and name of the database are needed", remedy=EXAMPLE)
    return Address(
        user=user,
        database=database,
        host=place,
        port=parts.port or PORT,
        folder=Path(place) if place.startswith("/") else None,
        mode=_mode(words.get("sslmode"), place),
        authorities=Path(words["sslrootcert"]) if "sslrootcert" in words else None,
        password=None if parts.password is None else unquote(parts.password),
    )


def _mode(word: str | None, host: str) -> Mode:
    match word:
        case None:
            return "disable" if _is_here(host) else "verify-full"
        case "disable" | "require" | "verify-full":
            return word
        case _:
            raise Misconfigured(
                f"centre.database: sslmode {word} is not known", remedy="disable, require or verify-full"
            )


def _is_here(host: str) -> bool:
    try:
        return host.startswith("/") or host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
