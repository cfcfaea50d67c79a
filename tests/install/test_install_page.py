"""docs/install.md: commands in the blocks of a box are run there, in their order, and print what the page says."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from box import Box
from test_debian_box import pytestmark as needs

pytestmark = [*needs, pytest.mark.needs("boot")]

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
BLOCK = re.compile(r"^<!-- box: (?P<box>[^\n]+) -->\n```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BOXES = sorted({match["box"] for match in BLOCK.finditer(PAGE.read_text("utf-8"))})
IN_ONE = ("a centre", "a gateway", "another system")


def steps(name: str) -> list[tuple[str, str]]:
    """Commands of this box, each with what it prints; empty: anything but nothing is a mistake of the page."""
    text = "".join(match["text"] for match in BLOCK.finditer(PAGE.read_text("utf-8")) if match["box"] == name)
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    matches = [re.fullmatch(r"([^\n]*\n(?:> [^\n]*\n)*)(.*)", part, re.DOTALL) for part in parts]
    found = [match for match in matches if match is not None]
    return [(match[1].replace("\n> ", "\n").strip(), match[2].strip()) for match in found]


def agrees(said: str, printed: str) -> bool:
    """`…` stands for anything, also for nothing."""
    pattern = ".*?".join(re.escape(part) for part in said.split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def follow(box: Box, name: str, host: str = "") -> float:
    """Do on a running box what the page says for it; the seconds it took. `host`: what $HOST stands for."""
    folder, started = "/root", time.monotonic()
    for command, printed in steps(name):
        if command.startswith("cd "):
            folder = command.removeprefix("cd ")
            continue
        if command.startswith("punchgate status"):
            box.eventually("punchgate status")
        said = box.sh(f"HOST={host}; cd {folder} && {command}")
        assert agrees(printed, said), f"$ {command}\nthe page says:\n{printed}\nit prints:\n{said}"
    return time.monotonic() - started


def test_the_page_has_a_session_for_each_kind_of_machine() -> None:
    assert set(BOXES) == {*IN_ONE, "an office", "an outlet", "an outlet by files"}


@pytest.mark.parametrize("name", IN_ONE)
def test_who_follows_the_page_has_what_it_says(box: Box, name: str) -> None:
    with box.boot():
        follow(box, name)
