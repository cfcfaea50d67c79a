"""`punchgate centre provision FILE.csv`: answers files for many boxes at once, each with a one-time code of its own.

The table has a line for each box: `site`, `id`, and whatever else the template asks for as `$column`. Everything is
checked before anything is made. What was made is kept: run again, it goes on where it was.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import click

from config import ConfigError
from config.answers import read_answers
from gateway.commands.authority import room
from gateway.commands.centre_options import centre_option, read_centre
from gateway.commands.invitations import span, valid_option, whom
from gateway.commands.progress import progress
from gateway.errors import Misconfigured
from gateway.identity.code import Code
from gateway.whole_file import put

if TYPE_CHECKING:
    from traceability.authority import Authority

OWN = ("code", "centre")
"""What the template may ask for beside the columns."""
SAMPLE = Code("0" * 3, "0" * 12, "0" * 16)
MAX_FLAWS = 50


@dataclass(frozen=True, slots=True)
class Box:
    """One line of the table; `line`: its number in the file."""

    line: int
    words: dict[str, str]

    @property
    def name(self) -> str:
        """`{site}.{id}`."""
        return f"{self.words['site']}.{self.words['id']}"


@click.command("provision")
@click.argument("table", metavar="FILE.csv", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--template", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answers file with $site, $id, $code, $centre and $COLUMN in it.",
)  # fmt: skip
@click.option("--centre", "url", required=True, help="Where boxes reach this centre: https://host:port.")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder.")
@click.option("--replace", is_flag=True, help="Also boxes that have a certificate: it ends when the code is used.")
@valid_option
@centre_option
def provision_command(
    table: Path, template: Path, url: str, output: Path, replace: bool, valid: str, config: Path
) -> None:
    """Make an answers file for `punchgate setup` for each line of FILE.csv, with a one-time code."""
    from traceability.authority.invitations import Invitations

    authority = room().Authority(read_centre(config).centre.authority)
    lasts, pattern = span(valid), Template(template.read_text(encoding="utf-8"))
    boxes = read_table(table)
    flaws = [*_flaws(boxes, pattern, template, url), *_taken(authority, boxes, replace)]
    if flaws:
        shown = flaws[:MAX_FLAWS] + ([f"… and {len(flaws) - MAX_FLAWS} more"] if len(flaws) > MAX_FLAWS else [])
        raise Misconfigured("\n".join(f"{table}: {flaw}" for flaw in shown), remedy="nothing was made")
    output.mkdir(mode=0o700, parents=True, exist_ok=True)
    say, made = progress("made", "answers files"), 0
    for box in boxes:
        file = output / f"{box.name}.toml"
        if file.exists():
            continue
        with authority.alone():
            code, _ = Invitations(authority.folder).invite(box.name, authority.ca, lasts, replace)
        put(file, pattern.substitute(box.words, code=code.text(), centre=url).encode(), 0o600)
        made += 1
        say(made)
    click.echo(f"{output}: {made} answers files made, {len(boxes) - made} were there; their codes last {valid}")
    click.echo("on each box: punchgate setup --answers SITE.ID.toml --start")


def read_table(path: Path) -> list[Box]:
    """The lines of the table. Raises Misconfigured if it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = [column.strip() for column in rows.fieldnames or []]
            rows.fieldnames = columns
            boxes = [
                Box(rows.line_num, {column: (row[column] or "").strip() for column in columns if column})
                for row in rows
                if any(value for value in row.values())
            ]
    except (csv.Error, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{path}: {error}", remedy="write it as CSV in UTF-8, the columns' names first"
        ) from error
    missing = [column for column in ("site", "id") if column not in columns]
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if missing or twice or not boxes:
        what = f"no column {missing[0]}" if missing else f"two columns {twice[0]}" if twice else "no boxes"
        raise Misconfigured(f"{path}: {what}", remedy="the first line names the columns: site,id,…")
    return boxes


def _flaws(boxes: list[Box], pattern: Template, template: Path, url: str) -> Iterator[str]:
    """What is wrong with each line, and with the answers that it makes."""
    from gateway.assembly import driver_facts

    asked = set(pattern.get_identifiers())
    for own in OWN:
        if own not in asked:
            yield f'template {template}: does not use ${own}; write {own} = "${own}" into its [setup]'
    if not pattern.is_valid():
        yield f"template {template}: a $ that begins no name; write $$ for a dollar sign"
        return
    if absent := sorted(asked - boxes[0].words.keys() - set(OWN)):
        yield f"template {template}: ${absent[0]} is no column; there are {', '.join(boxes[0].words)}"
        return
    names = Counter(box.name for box in boxes)
    facts = driver_facts()
    for box in boxes:
        bad = [
            f"line {box.line}: {column}: {value!r} cannot stand in an answers file; leave out quotes and backslashes"
            for column, value in box.words.items()
            if not value.isprintable() or set(value) & {'"', "\\"}
        ]
        if names[box.name] > 1:
            bad.append(f"line {box.line}: {box.name} is there {names[box.name]} times; each box has its own name")
        yield from bad
        if bad:
            continue
        try:
            whom(box.words["site"], box.words["id"])
            text = pattern.substitute(box.words, code=SAMPLE.text(), centre=url)
            read_answers(template, drivers=facts, instead=text.encode(), alone=True)
        except (ConfigError, Misconfigured) as error:
            yield from (f"line {box.line} ({box.name}): {flaw}" for flaw in str(error).splitlines())


def _taken(authority: Authority, boxes: list[Box], replace: bool) -> Iterator[str]:
    for box in boxes:
        if not replace and authority.counting(box.name):
            yield f"line {box.line}: there is a {box.name}, whose certificate counts; give another id, or --replace"
