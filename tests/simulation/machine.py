"""What the tests of demo and drill must know of the machine: who still runs, and a PATH without mosquitto."""

import shutil
from pathlib import Path


def path_without_mosquitto(folder: Path) -> str:
    """A PATH on which there is a shell and nothing else."""
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    return str(folder)


def processes_of(folder: str) -> list[str]:
    """The command lines that name this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in words:
            found.append(words)
    return found
