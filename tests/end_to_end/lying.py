"""A wall clock that lies to one daemon: libfaketime, in the daemon's own process, which a wrapper would fork from."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Wall:
    """What a daemon takes for the wall clock: the true time and some seconds."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "wall"
        self.set(0)

    def set(self, ahead_s: int) -> None:
        """At once; the file is never empty."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s:+d}\n")
        fresh.replace(self._file)

    def wrapper(self) -> list[str]:
        """What to start a daemon with, so that it believes us."""
        command = ["faketime", "-m", "-f", "+0", "sh", "-c", 'echo "$LD_PRELOAD"']
        library = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        lies = ["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1", f"FAKETIME_TIMESTAMP_FILE={self._file}"]
        return ["env", f"LD_PRELOAD={library}", *lies]
