"""What a PostgreSQL server refuses, in words, with what mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.errors import Misconfigured, NotDurable, PunchgateError
from traceability.database.address import Address
from traceability.database.base import MISTAKE

RIGHTS = "give the database to the centre's user: ALTER DATABASE … OWNER TO …"
AGAIN = "is the server running, and is centre.database right? The centre tries again"

BY_PERSON = {
    "28P01": ("the password is wrong", "check centre.database_password_file"),
    "28000": ("the server does not let this user in", "check pg_hba.conf there, and the user in centre.database"),
    "3D000": ("there is no such database", "createdb --encoding=UTF8 --owner=USER NAME"),
    "42501": ("the user may not do this", RIGHTS),
    "3F000": ("the user has no schema to write to", RIGHTS),
}
"""SQLSTATE of what only a person can mend."""

PASSING = {
    "25006": ("the server is read-only", "is it a standby? Name the primary in centre.database"),
    "40001": ("another centre was faster", "it is tried again"),
    "40P01": ("two centres waited for each other", "it is tried again"),
    "53100": ("the server's disk is full", "make room there"),
    "53300": ("the server has no connection left", "raise max_connections there"),
    "55P03": ("another centre has held this gateway for too long", "is one of them stuck? It is tried again"),
    "57P01": ("the server was told to stop", AGAIN),
    "57P02": ("the server has crashed and recovers", AGAIN),
    "57P03": ("the server is starting or stopping", AGAIN),
}

CONTRADICTION = "23"
"""SQLSTATE class of rows that cannot be beside those there are."""


def of_driver(error: BaseException, address: Address) -> PunchgateError:
    """What an error of the driver, or below it, means; Misconfigured if only a person can mend it."""
    said = next((part.args[0] for part in _causes(error) if part.args and isinstance(part.args[0], Mapping)), None)
    if said is not None:
        return _refused(str(said.get("C", "")), str(said.get("M", "")), address)
    deepest = list(_causes(error))[-1]
    if "password" in str(error).lower():
        return Misconfigured(
            f"{address}: the server wants a password", remedy="name a file with it in centre.database_password_file"
        )
    reason = getattr(deepest, "strerror", None) or getattr(deepest, "verify_message", None) or str(deepest)
    return NotDurable(f"{address}: {reason or type(deepest).__name__}", remedy=AGAIN)


def _refused(code: str, said: str, address: Address) -> PunchgateError:
    if code in BY_PERSON:
        meaning, remedy = BY_PERSON[code]
        return Misconfigured(f"{address}: {meaning} ({said})", remedy=remedy)
    other = ("the server refuses", MISTAKE if code.startswith(CONTRADICTION) else "look into the server's log")
    meaning, remedy = PASSING.get(code, other)
    return NotDurable(f"{address}: {meaning} ({said})", remedy=remedy)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from, the first cause last."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = getattr(seen, "orig", None) or seen.__cause__
