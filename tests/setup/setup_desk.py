"""What the tests of `punchgate setup` share: the command as a process, and answers that are right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PUNCHGATE = str(Path(sys.executable).with_name("punchgate"))
KEY = "00112233445566778899aabbccddeeff" * 2
GATEWAY = '[gateway]\nsite = "hq"\nid = "edge-01"\ntimezone = "Asia/Shanghai"\nstate_dir = "state"\n'
UPLINK = '[uplink]\nurl = "mqtt://127.0.0.1:1"\n'
LANE = '[[lanes]]\nid = "door"\nportal = "door"\nfrom_zone = "street"\nto_zone = "shop"\n'


def port(url: str = "./reader", driver: str = "em4100", more: str = "") -> str:
    device = f'[[ports.devices]]\nid = "door-in"\ndriver = "{driver}"\nlane = "door"\nside = "in"\n'
    return f'[[ports]]\nurl = "{url}"\n{device}{more}'


def answers(setup: str = 'organisation_key = "new"', *, uplink: str = UPLINK, lines: str = "") -> str:
    """An answers file that is right; `setup` the rows of [setup], `lines` instead of one reader at ./reader."""
    return f"{GATEWAY}{uplink}[setup]\n{setup}\n{LANE}{lines or port()}"


def setup(*arguments: object, cwd: Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """`punchgate setup …` to its end, without a terminal."""
    return subprocess.run(
        [PUNCHGATE, "setup", *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONUTF8": "1"},
    )


def told(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Set a box up in folder/box from these answers."""
    (folder / "answers.toml").write_text(text)
    return setup("--answers", "answers.toml", "-c", "box/punchgate.toml", cwd=folder)


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
