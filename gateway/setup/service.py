"""The service of the packages: whether it can be started here, and starting it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from gateway.errors import Unavailable

UNIT = "punchgate.service"
OF_THE_UNIT = Path("/etc/punchgate/punchgate.toml")
BOOTED = Path("/run/systemd/system")
WITHIN_S = 60


def why_not(config: Path) -> str:
    """Why the service cannot be started from here; "": it can."""
    if not BOOTED.is_dir() or shutil.which("systemctl") is None:
        return f"there is no systemd here; the daemon is started with: punchgate run -c {config}"
    if config.absolute() != OF_THE_UNIT:
        return f"the service reads {OF_THE_UNIT}; with this file: punchgate run -c {config}"
    if os.geteuid() != 0:
        return f"only root starts the service: systemctl enable --now {UNIT}"
    return ""


def start() -> None:
    """Now and at every boot; one that runs is started anew. Raises Unavailable with systemd's words."""
    for word in ("enable", "restart"):
        try:
            done = subprocess.run(
                ["systemctl", word, UNIT], capture_output=True, text=True, timeout=WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"systemctl {word} {UNIT} does not end", remedy=f"systemctl status {UNIT}") from error
        if done.returncode:
            raise Unavailable(
                f"systemctl {word} {UNIT}: {done.stderr.strip()[-300:]}", remedy=f"journalctl -u {UNIT} tells more"
            )
