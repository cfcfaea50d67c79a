"""The pages are current: what is drawn in them, where their links lead, which commands they name."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from docs_draw import JOURNAL, PAINTERS, journal
from docs_pages import (
    OURS,
    PAGES,
    ROOT,
    anchors,
    drawn_names,
    invocations,
    links,
    page_name,
    read,
    redrawn,
)

from gateway.commands import cli

REDRAW = "run: python tests/docs/docs_draw.py"
HELP = {"-h", "--help"}


@pytest.mark.parametrize("page", OURS, ids=page_name)
def test_what_is_drawn_in_a_page_is_what_the_code_says_today(page: Path) -> None:
    assert read(page) == redrawn(read(page), PAINTERS), REDRAW


def test_the_morning_is_what_the_code_says_today() -> None:
    assert read(JOURNAL) == journal(), REDRAW


def test_everything_that_can_be_drawn_is_shown() -> None:
    assert {name for page in OURS for name in drawn_names(read(page))} == set(PAINTERS)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(read(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor:
            assert anchor in anchors(read(target)), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_every_command_it_names_exists_with_its_options(page: Path) -> None:
    for words in invocations(read(page)):
        command: click.Command | None = cli
        options = set(HELP)
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                context = click.Context(command)
                found = command.get_command(context, word)
                assert found is not None or not word.isalpha(), f"punchgate {' '.join(words)}: no such command"
                command = found
            elif word.startswith("-") and command is not None:
                options |= {name for each in command.params for name in each.opts}
                name = word.partition("=")[0]
                assert name == "-" or name in options, f"punchgate {' '.join(words)}: no option {name}"
            if command is None:
                break


@pytest.mark.parametrize("page", OURS, ids=page_name)
def test_a_page_names_no_place_of_the_machine_it_was_written_on(page: Path) -> None:
    assert str(Path(__file__).parents[2]) not in read(page)
    assert "/tmp/" not in read(page)
