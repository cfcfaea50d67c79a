"""A reader's key comes from a file. This is the one place where the driver touches the disk: at START, once.

The driver owns no clock, port or thread, yet somebody has to fetch the key, and options may not hold secrets. One
small read of a local file, before anything is asked, was judged the least evil.
"""

from __future__ import annotations

import os
import re
import stat

KEY_BYTES = 16
PUBLIC_KEY = bytes(range(0x30, 0x40))
"""SCBK-D of the standard: every reader has it from the factory, and everybody knows it."""
_LONGEST_BYTES = 256
_FORM = re.compile(rb"\s*([0-9A-Fa-f]{32})\s*")


class NoKey(Exception):
    """The key cannot be used; the text says why, and what to do. Example: a file that everybody may read."""


def read_key(path: str) -> bytes:
    """The 16 bytes that `path` holds as 32 hex digits. Raises NoKey; what it says never holds a part of the key."""
    data = _content(path)
    match = _FORM.fullmatch(data)
    if match is None:
        raise NoKey(f"{path} does not hold 32 hex digits; make a key: openssl rand -hex {KEY_BYTES}")
    key = bytes.fromhex(match[1].decode("ascii"))
    if key == PUBLIC_KEY:
        raise NoKey(f"{path} holds SCBK-D, which everybody knows; make a key: openssl rand -hex {KEY_BYTES}")
    return key


def _content(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as why:
        reason = why.strerror if isinstance(why, OSError) and why.strerror else str(why)
        raise NoKey(f"{path}: {reason}; put the reader's key there, for the daemon's user to read") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise NoKey(f"{path} is not a file; name the file that holds the key")
        if found.st_mode & stat.S_IRWXO:
            raise NoKey(f"{path} is open to every user of this machine; make a new key, then chmod 600 {path}")
        return os.read(descriptor, _LONGEST_BYTES)
    except OSError as why:
        raise NoKey(f"{path}: {why.strerror}; the reader's key cannot be read") from None
    finally:
        os.close(descriptor)
