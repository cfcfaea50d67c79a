"""The last lines that were said: by the daemon, and by the kernel about ports and disks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gateway.errors import Unavailable
from gateway.scrubber import Scrubber
from gateway.support.asking import ask_program

LINES = 2000
KERNEL_LINES = 300
MAX_FILE_BYTES = 4 * 1024 * 1024
COUNTS = frozenset({"bytes", "size", "count", "times", "first", "last", "seq", "through", "pid", "ranges"})

_ABOUT_US = re.compile(
    r"tty|serial|usb|ftdi|cp210|ch341|pl2303|acm|mmc|ext4|sd[a-z]\d|nvme|I/O error|oom|out of memory|watchdog", re.I
)


def daemon_log(unit: str, scrubber: Scrubber) -> str:
    """What systemd has of the unit. Raises Unavailable."""
    out, err = ask_program(["journalctl", "-u", unit, "-o", "cat", "-n", str(LINES), "--no-pager", "-q"])
    if not out.strip():
        hint = " ".join(err.split())[:300]
        raise Unavailable(f"systemd has no lines of {unit} that this user may read{': ' + hint if hint else ''}")
    return scrubbed(out, scrubber)


def log_file(path: Path, scrubber: Scrubber) -> str:
    """The end of a file into which the daemon's log goes. Raises OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MAX_FILE_BYTES))
        return scrubbed(file.read().decode(errors="replace"), scrubber)


def kernel_log(scrubber: Scrubber) -> str:
    """What the kernel says of serial ports, USB, disks and memory. Raises Unavailable."""
    try:
        out, _ = ask_program(
            ["journalctl", "-k", "-b", "-o", "short-monotonic", "--no-hostname", "-n", "20000", "--no-pager", "-q"]
        )
    except Unavailable:
        out = ""
    if not out.strip():
        out, _ = ask_program(["dmesg"])
    lines = [line for line in out.splitlines() if _ABOUT_US.search(line)]
    return "".join(f"{_without_number(line, scrubber)}\n" for line in lines[-KERNEL_LINES:])


def scrubbed(text: str, scrubber: Scrubber) -> str:
    """The last lines; those that are JSON stay JSON."""
    return "".join(f"{_line(line, scrubber)}\n" for line in text.splitlines()[-LINES:])


def _line(line: str, scrubber: Scrubber) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return scrubber.text(line)
    if not isinstance(row, dict):
        return scrubber.text(line)
    clean = {key: scrubber.tree(value, numbers=key not in COUNTS) for key, value in row.items()}
    return json.dumps({scrubber.text(str(key)): value for key, value in clean.items()}, ensure_ascii=False)


def _without_number(line: str, scrubber: Scrubber) -> str:
    """The kernel's own time, seconds since the start, is no number of anybody."""
    stamp = re.match(r"\[\s*\d+\.\d+\]", line)
    return (stamp[0] + scrubber.text(line[stamp.end() :])) if stamp else scrubber.text(line)
