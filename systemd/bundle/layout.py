"""Where everything lies on the box: the program's own folder, its launcher, units, rules, examples, papers."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle import licences
from bundle.tree import PROGRAM, Tree
from bundle.wheels import Wheel

UNITS = {"punchgate": "punchgate.service", "punchgate-centre": "punchgate-centre.service"}
RULES = "70-punchgate.rules"
DROP_IN = "adjtimex.conf"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a package is made of: `groups` is the folder of each wheel, our own one in `lib`."""

    root: Path
    own: Wheel
    groups: Mapping[str, Sequence[Wheel]]

    @property
    def wheels(self) -> list[Wheel]:
        """All but our own, by name."""
        return sorted((wheel for group in self.groups.values() for wheel in group), key=lambda it: it.path.name)

    @property
    def minors(self) -> list[str]:
        """The Pythons there are libraries for."""
        return [name.removeprefix("lib-") for name in self.groups if name != "lib"]


def add_libraries(tree: Tree, home: str, parts: Parts) -> None:
    """lib and lib-3.11 … below `home` (empty, or with a slash at its end), as the launcher wants them."""
    for folder, wheels in parts.groups.items():
        for wheel in [*wheels, *([parts.own] if folder == "lib" else [])]:
            for path, data in wheel.contents.items():
                tree.add(f"{home}{folder}/{path}", data)


def launcher(root: Path, python: str, home: str, minors: Sequence[str]) -> str:
    """/usr/bin/punchgate or the like."""
    text = (root / "systemd" / "launcher.py").read_text("utf-8")
    filled = text.replace("@PYTHON@", python).replace("@HOME@", home).replace("@MINORS@", " ".join(minors))
    ast.parse(filled)
    return filled


def add_program(tree: Tree, path: str, text: str) -> None:
    tree.add(path, text, PROGRAM)


def add_examples(tree: Tree, folder: str, root: Path, *, centre: bool) -> None:
    """The centre's examples, or all others."""
    for example in sorted((root / "config" / "examples").glob("*.toml")):
        if example.stem.startswith("centre") == centre:
            tree.add(f"{folder}/{example.name}", example.read_bytes())


def add_licences(tree: Tree, folder: str, wheels: Sequence[Wheel]) -> None:
    """`folder`/NAME/LICENSE … of all parts, and `folder`/../copyright, which lists them."""
    for wheel in wheels:
        for name, text in licences.texts(wheel).items():
            tree.add(f"{folder}/licences/{wheel.name}/{name}", text)
    unique = {(wheel.name, wheel.version): wheel for wheel in wheels}
    tree.add(f"{folder}/copyright", licences.copyright_file(unique.values()))


def unit(root: Path, name: str) -> str:
    """The text of a unit."""
    return (root / "systemd" / UNITS[name]).read_text("utf-8")


def rules(root: Path) -> str:
    return (root / "systemd" / RULES).read_text("utf-8")


def drop_in(root: Path) -> str:
    """For boxes whose clock is kept by chrony or ntpd; the site puts it beside the unit."""
    return (root / "systemd" / DROP_IN).read_text("utf-8")
