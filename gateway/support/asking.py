"""Asking other programs of the system: for a few seconds, in plain words, and no harm if they are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from gateway.errors import Unavailable

TIMEOUT_S = 10.0
MAX_BYTES = 8 * 1024 * 1024
WORDS = {"LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": "cat"}


def ask_program(command: Sequence[str]) -> tuple[str, str]:
    """What it prints on stdout (the last MAX_BYTES) and stderr. Raises Unavailable: not there, failed, too slow."""
    name = command[0]
    if shutil.which(name) is None:
        raise Unavailable(f"{name} is not on this machine")
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env=os.environ | WORDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{name} did not answer within {TIMEOUT_S:g} s") from error
    except OSError as error:
        raise Unavailable(f"{name} cannot be run: {error.strerror}") from error
    out, err = (text[-MAX_BYTES:].decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.returncode:
        raise Unavailable(f"{name} failed ({done.returncode}): {' '.join(err.split())[:300]}")
    return out, err
