"""Secrets come from files, one line each; their content is never shown.

A secret that others can read is used all the same: a punch that is not captured is lost for ever, a key can be
changed tomorrow. `exposure` says so, for `status`, `state`, log and `punchgate check` to repeat until it is mended.
Systemd hands credentials over in `$CREDENTIALS_DIRECTORY`; what lies there is guarded by it and taken as it is.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from config.findings import ConfigError, Finding

MAX_SECRET_BYTES = 64 * 1024

_KEY = re.compile(r"(?:([A-Za-z0-9._-]{1,32}):)?([0-9A-Fa-f]{64})")


def read_organisation_key(
    path: Path, *, key: str = "privacy.key_file", environ: Mapping[str, str] = os.environ
) -> tuple[str, bytes]:
    """Read `[KEYID:]64 hex digits` → (key id, 32 bytes). Raises ConfigError, which names `key`."""
    match = _KEY.fullmatch(_line(path, key, environ))
    if match is None:
        raise _refused(path, key, "does not hold one line [KEYID:]64 hex digits", "make one: openssl rand -hex 32")
    return match[1] or "k1", bytes.fromhex(match[2])


def read_password(path: Path, *, key: str = "uplink.password_file", environ: Mapping[str, str] = os.environ) -> str:
    """Read a password: the file's only line. Raises ConfigError, which names `key`."""
    return _line(path, key, environ)


def exposure(path: Path, *, key: str, environ: Mapping[str, str] = os.environ) -> Finding | None:
    """What is wrong with a secret file's permissions; None: nothing, or there is no file, which reading it tells."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode) or not found.st_mode & stat.S_IRWXO or _is_credential(path, environ):
        return None
    problem = f"is open to every user of this machine (mode {stat.S_IMODE(found.st_mode):04o})"
    remedy = f"chmod 600 {path}"
    if found.st_uid != os.geteuid():
        remedy = f"give it to the daemon's user, then {remedy}"
    return Finding(str(path), key, "", problem, remedy)


def read_secret(path: Path, *, key: str, environ: Mapping[str, str] = os.environ) -> bytes:
    """Read a secret file whole, at most MAX_SECRET_BYTES. Raises ConfigError, which names `key`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _refused(path, key, "there is no such file", "make it, or correct the path") from None
    except (OSError, ValueError) as why:
        raise _refused(path, key, f"cannot be read: {_reason(why)}", "let the daemon's user read it") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _refused(path, key, "is not a file", "name the file itself")
        data = os.read(descriptor, MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_SECRET_BYTES:
        raise _refused(path, key, "is too large for a secret", "name the right file")
    return data


def _line(path: Path, key: str, environ: Mapping[str, str]) -> str:
    try:
        text = read_secret(path, key=key, environ=environ).decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError:
        raise _refused(path, key, "is not UTF-8 text", "name the right file") from None
    if not text.strip() or "\n" in text or "\0" in text:
        raise _refused(path, key, "must hold exactly one line", "write the secret on one line, nothing else")
    return text


def _is_credential(path: Path, environ: Mapping[str, str]) -> bool:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.resolve().is_relative_to(Path(folder or "/").resolve())


def _refused(path: Path, key: str, problem: str, remedy: str) -> ConfigError:
    return ConfigError([Finding(str(path), key, "", problem, remedy)])


def _reason(why: Exception) -> str:
    return (why.strerror if isinstance(why, OSError) else None) or str(why)
