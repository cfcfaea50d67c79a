"""The commands of the pages do what the pages say: each page is a session in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT, Command, File, agrees, page_name, steps

RUNNABLE = [page for page in PAGES if any(isinstance(step, Command) for step in steps(page.read_text("utf-8")))]
WITHIN_S = 20.0


def session(folder: Path) -> dict[str, str]:
    """A folder that looks like the repository, and the program on PATH."""
    for name in ("benchmarks", "config", "docs", "systemd", "tests"):
        (folder / name).symlink_to(ROOT / name)
    programs = str(Path(sys.executable).parent)
    return os.environ | {"HOME": str(folder), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


def run(command: Command, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command.text],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    assert done.returncode == command.exit_code, f"$ {command.text}\n{done.stdout}{done.stderr}"
    said = "\n".join(command.printed)
    if said:
        assert agrees(said, done.stdout), f"$ {command.text}\nthe page says:\n{said}\nit prints:\n{done.stdout}"


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("page", RUNNABLE, ids=page_name)
def test_the_commands_of_a_page_print_what_it_says(page: Path, tmp_path: Path) -> None:
    environment = session(tmp_path)
    for step in steps(page.read_text("utf-8")):
        if isinstance(step, File):
            (tmp_path / step.name).write_text(step.text, "utf-8")
        else:
            run(step, tmp_path, environment)


def test_a_page_may_leave_out_what_varies() -> None:
    assert agrees('{"event": "card_read", …}', '{"event": "card_read", "bits": 40}\n')
    assert agrees("first\n…\nlast", "first\nany\nthing\nlast")
    assert not agrees("first\nlast", "first\nother\nlast")


def test_a_command_may_go_over_several_lines() -> None:
    page = "<!-- run exit=3 -->\n```console\n$ true\n$ sh -c '\n> exit 3'\n```\n"
    assert steps(page) == [Command("true"), Command("sh -c '\nexit 3'", [], 3)]
