"""One-time codes at the centre: codes.json in the authority's folder, one row for each. Secrets are kept as hashes.

A code is used by one box, which may use it again while it is valid and for a week: its answer may have been lost on
the way. All here belongs inside `Authority.alone` or `changing`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.errors import Misconfigured, Rejected
from gateway.identity.code import ID, Code
from gateway.whole_file import put_of_service

FILE = "codes.json"
PRIVATE = 0o600
AGAIN = timedelta(days=7)
"""How long after its end the box that used a code may ask for its answer again."""
FORGET = timedelta(days=90)


class Wrong(Rejected):
    """Nobody was given such a code."""


class Expired(Rejected):
    """It was right, but too late."""


class Used(Rejected):
    """Another box has used it."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """`salt` and `hash` hex; `until` and `used` RFC 3339; `box` what tells the box that used it; `replaces`: older
    certificates of this name end when it is used; `attempts` wrong secrets under its id.
    """

    id: str
    gateway: str
    salt: str
    hash: str
    until: str
    replaces: bool = False
    attempts: int = 0
    used: str | None = None
    box: str | None = None

    @property
    def end(self) -> datetime:
        """When it ends for whoever has not used it."""
        return datetime.fromisoformat(self.until)

    def knows(self, secret: str) -> bool:
        """Whether this is its secret."""
        return hmac.compare_digest(_hash(secret, self.salt), self.hash)

    def state(self, now: datetime) -> str:
        """For a person."""
        if self.used is not None:
            return f"used {self.used}"
        return f"{'expired' if self.end <= now else 'open until'} {self.until}"


class Invitations:
    """The codes of an authority's folder. Raises Misconfigured if the file is damaged."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        try:
            rows = json.loads(self._path.read_text()) if self._path.exists() else []
            self.all = [Invitation(**row) for row in rows]
        except (ValueError, TypeError) as error:
            raise Misconfigured(f"{self._path}: damaged", remedy="take it away, and make codes anew") from error

    def invite(self, gateway: str, ca: bytes, valid: timedelta, replaces: bool = False) -> tuple[Code, Invitation]:
        """A new code for this gateway; earlier ones of it that nobody has used end."""
        now = datetime.now(UTC)
        kept = [one for one in self.all if one.end + FORGET > now and (one.gateway != gateway or one.used)]
        code, salt = Code.new(ca, {one.id for one in kept}), secrets.token_hex(16)
        until = (now + valid).isoformat(timespec="seconds")
        made = Invitation(code.id, gateway, salt, _hash(code.secret, salt), until, replaces)
        self._keep([*kept, made])
        return code, made

    def admit(self, claim: str, gateway: str, box: str) -> Invitation:
        """The invitation that a claim (id and secret) of this box shows. Raises Wrong, Expired, Used, Rejected."""
        now = datetime.now(UTC)
        found = next((one for one in self.all if one.id == claim[:ID]), None)
        if found is None or not found.knows(claim[ID:]):
            if found is not None:
                self._replace(found, replace(found, attempts=found.attempts + 1))
            raise Wrong("the code is wrong", remedy="compare it with what the centre shows")
        if found.gateway != gateway:
            remedy = f"say --site and --id of {found.gateway}, or make a code for {gateway}"
            raise Rejected(f"the code is for {found.gateway}, and this box is {gateway}", remedy=remedy)
        if found.used is not None and found.box != box:
            raise Used("another box has used the code", remedy=_another(gateway))
        if now >= (found.end if found.used is None else found.end + AGAIN):
            raise Expired(f"the code ended {found.until}", remedy=_another(gateway))
        return found

    def use(self, invitation: Invitation, box: str) -> None:
        """From now on it is this box's."""
        if invitation.used is None:
            stamp = datetime.now(UTC).isoformat(timespec="seconds")
            self._replace(invitation, replace(invitation, used=stamp, box=box))

    def withdraw(self, gateway: str) -> int:
        """No code of this gateway counts any more; how many there were."""
        kept = [one for one in self.all if one.gateway != gateway]
        count = len(self.all) - len(kept)
        if count:
            self._keep(kept)
        return count

    def _replace(self, old: Invitation, new: Invitation) -> None:
        self._keep([new if one == old else one for one in self.all])

    def _keep(self, rows: list[Invitation]) -> None:
        put_of_service(self._path, (json.dumps([asdict(one) for one in rows], indent=1) + "\n").encode(), PRIVATE)
        self.all = rows


def _another(gateway: str) -> str:
    site, _, name = gateway.partition(".")
    return f"have a new one made: punchgate centre enrol-code {site} {name}"


def _hash(secret: str, salt: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), n=2**13, r=8, p=1, dklen=32).hex()
