"""docs/install.md: commands in the blocks of a box are run there, in their order, and print what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from box import Box
from test_debian_box import pytestmark as needs

pytestmark = [*needs, pytest.mark.needs("boot")]

PAGE = Path(__file__).parents[2] / "docs" / "install.md"
BLOCK = re.compile(r"^<!-- box: (?P<box>[^\n]+) -->\n```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
BOXES = sorted({match["box"] for match in BLOCK.finditer(PAGE.read_text("utf-8"))})


def steps(name: str) -> list[tuple[str, str]]:
    """Commands of this box, each with what it prints; empty: anything but nothing is a mistake of the page."""
    text = "".join(match["text"] for match in BLOCK.finditer(PAGE.read_text("utf-8")) if match["box"] == name)
    parts = [part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]]
    return [(command, printed.strip()) for command, _, printed in parts]


def agrees(said: str, printed: str) -> bool:
    """`…` stands for anything, also for nothing."""
    pattern = ".*?".join(re.escape(part) for part in said.split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def test_the_page_has_a_session_for_a_gateway_a_centre_and_another_system() -> None:
    assert BOXES == ["a centre", "a gateway", "another system"]


@pytest.mark.parametrize("name", BOXES)
def test_who_follows_the_page_has_what_it_says(box: Box, name: str) -> None:
    folder = "/root"
    with box.boot():
        for command, printed in steps(name):
            if command.startswith("cd "):
                folder = command.removeprefix("cd ")
                continue
            if command.startswith("punchgate status"):
                box.eventually("punchgate status")
            said = box.sh(f"cd {folder} && {command}")
            assert agrees(printed, said), f"$ {command}\nthe page says:\n{printed}\nit prints:\n{said}"
