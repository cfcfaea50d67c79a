"""The pages: which there are, what is drawn in them by the code, which commands in them can be run, where links lead.

<!-- drawn: NAME -->          what stands between the two is drawn by docs_draw.py
<!-- /drawn -->
<!-- run -->                  the console block that follows is run: `$ ` begins a command, `> ` continues it, the
                              rest is what it prints on stdout; `…` stands for anything, nothing for nothing said
<!-- run exit=1 -->           its last command ends with 1
<!-- file: NAME -->           the block that follows is a file NAME for the commands of this page
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
DRAWN = ("payloads", "setup", "operations", "errors", "security", "design", "deviations", "supported")
OURS = (ROOT / "README.md", *(DOCS / f"{name}.md" for name in DRAWN))

Painter = Callable[[], str]

_DRAWN = re.compile(r"(<!-- drawn: (.+?) -->\n)(.*?)(<!-- /drawn -->)", re.DOTALL)
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (run|file: (?P<file>\S+))(?: exit=(?P<exit>\d+))? -->\n+ *$")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a console block and what it is said to print."""

    text: str
    printed: list[str] = field(default_factory=list)
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A file that the commands of a page need."""

    name: str
    text: str


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def redrawn(text: str, painters: Mapping[str, Painter]) -> str:
    """The page with all that is drawn drawn anew. KeyError: a name that nobody draws."""
    return _DRAWN.sub(lambda match: f"{match[1]}\n{painters[match[2]]().strip()}\n\n{match[4]}", text)


def drawn_names(text: str) -> set[str]:
    return {match[2] for match in _DRAWN.finditer(text)}


def block(text: str, name: str) -> str:
    """The block that is the file of this name."""
    return next(step.text for step in steps(text) if isinstance(step, File) and step.name == name)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in this language."""
    return [match[3] for match in _FENCE.finditer(text) if match[2] == language]


def steps(text: str) -> list[Command | File]:
    """Files and commands of a page in their order."""
    found: list[Command | File] = []
    for match in _FENCE.finditer(text):
        mark = _MARK.search(text[: match.start()])
        if mark and mark["file"]:
            found.append(File(mark["file"], match[3]))
        elif mark:
            found += _commands(dedent(match[3]), int(mark["exit"] or 0))
    return found


def _commands(block_text: str, exit_code: int) -> list[Command]:
    found: list[tuple[str, list[str]]] = []
    for line in block_text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        else:
            found[-1][1].append(line)
    codes = [0] * (len(found) - 1) + [exit_code]
    return [Command(text, printed, code) for (text, printed), code in zip(found, codes, strict=True)]


def agrees(said: str, printed: str) -> bool:
    """Whether a command printed what the page says; `…` stands for anything."""
    pattern = ".*?".join(re.escape(part) for part in said.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


# --- links and commands


def links(text: str) -> list[str]:
    """Targets of links and pictures, code left out."""
    return [first or second for first, second in _LINK.findall(_CODE.sub("", text))]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    heads = re.findall(r"^#+ (.*)$", without_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def invocations(text: str) -> set[tuple[str, ...]]:
    """What is called in code: `punchgate WORD [WORD]`, words of lower-case letters only, with the options behind."""
    found: set[tuple[str, ...]] = set()
    for code in _CODE.findall(text):
        for call in re.findall(
            r"(?:^|[\s`(/])punchgate (?!punchgate)((?:[a-z][a-z-]+|--[a-z-]+)(?: +[^\s`|;&)]+)*)", code
        ):
            found.add(tuple(call.split()))
    return found
