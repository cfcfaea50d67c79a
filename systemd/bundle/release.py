"""Which version this is and when it was made: from the commit, so that two builds of it are the same bytes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bundle.trouble import Trouble

PACKAGED = (
    "config",
    "drivers",
    "gateway",
    "traceability",
    "systemd",
    "pyproject.toml",
    "requirements.lock",
    "requirements-centre.lock",
    "README.md",
)


@dataclass(frozen=True, slots=True)
class Release:
    """`version` sorts as Debian sorts: 0.1.0~git… before 0.1.0. `epoch`: seconds, the time of all that is built."""

    version: str
    epoch: int

    @property
    def date(self) -> datetime:
        return datetime.fromtimestamp(self.epoch, UTC)


def release(root: Path) -> Release:
    """The release that the source tree is.

    The commit that is tagged v0.1.0 is 0.1.0; any other is a step towards it; `dirty` says that something is not
    committed. Without git the tree is taken for the release. Trouble: then SOURCE_DATE_EPOCH has to be set.
    """
    base = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    asked = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not (root / ".git").exists() or shutil.which("git") is None:
        if not asked.isdigit():
            raise Trouble("not a git checkout: set SOURCE_DATE_EPOCH to the time of the release, in seconds")
        return Release(base, int(asked))
    commit, committed = _git(root, "log", "-1", "--format=%h %ct", "--abbrev=10").split()
    epoch = int(asked) if asked.isdigit() else int(committed)
    dirty = ".dirty" if _git(root, "status", "--porcelain", "--", *PACKAGED) else ""
    if not dirty and f"v{base}" in _git(root, "tag", "--points-at", "HEAD").splitlines():
        return Release(base, epoch)
    when = datetime.fromtimestamp(int(committed), UTC)
    return Release(f"{base}~git{when:%Y%m%d.%H%M%S}.{commit}{dirty}", epoch)


def _git(root: Path, *words: str) -> str:
    # A checkout of another user is refused by git unless it is called safe; it is only read.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def sums(files: Mapping[str, bytes]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()))


def signature(key: Path, message: bytes) -> bytes:
    """64 bytes, Ed25519 over the message as it is (`openssl pkeyutl -verify -rawin`). Trouble: no such key (PEM)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Trouble(f"{key}: not a private key without a password: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Trouble(f"{key}: not an Ed25519 key; make one: openssl genpkey -algorithm ed25519")
    return private.sign(message)
