"""Where everything lies on the box: the program's own folder, its launcher, units, rules, examples, papers."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bundle import licences
from bundle.tree import PROGRAM, Tree
from bundle.wheels import Wheel

UNITS = {"punchgate": "punchgate.service", "punchgate-centre": "punchgate-centre.service"}
RENEWAL = ("punchgate-renew.service", "punchgate-renew.timer")
BROKER = ("punchgate-broker.service", "punchgate-broker.path")
RULES = "70-punchgate.rules"
DROP_IN = "adjtimex.conf"
RELEASE_DROP_IN = "release.conf"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a package is made of: `groups` is the folder of each wheel, our own one in `lib`; `centre` the same of
    what only the centre gets."""

    root: Path
    own: Wheel
    groups: Mapping[str, Sequence[Wheel]]
    centre: Mapping[str, Sequence[Wheel]] = field(default_factory=dict)

    @property
    def wheels(self) -> list[Wheel]:
        """All but our own, by name."""
        return _by_name(self.groups)

    @property
    def centre_wheels(self) -> list[Wheel]:
        return _by_name(self.centre)

    @property
    def minors(self) -> list[str]:
        """The Pythons there are libraries for."""
        return [name.removeprefix("lib-") for name in self.groups if name != "lib"]


def _by_name(groups: Mapping[str, Sequence[Wheel]]) -> list[Wheel]:
    return sorted((wheel for group in groups.values() for wheel in group), key=lambda it: it.path.name)


def add_release(tree: Tree, home: str, parts: Parts, version: str) -> None:
    """What the keeper makes a release of, but for its launcher; `home` is empty, or with a slash at its end."""
    add_libraries(tree, home, parts.groups)
    for path, data in parts.own.contents.items():
        tree.add(f"{home}lib/{path}", data)
    tree.add(f"{home}version", f"{version}\n")


def add_libraries(tree: Tree, home: str, groups: Mapping[str, Sequence[Wheel]]) -> None:
    """lib and lib-3.11 … below `home`, as the launcher wants them."""
    for folder, wheels in groups.items():
        for wheel in wheels:
            for path, data in wheel.contents.items():
                tree.add(f"{home}{folder}/{path}", data)


def launcher(root: Path, python: str, centre: str, minors: Sequence[str]) -> str:
    """bin/punchgate of a release; `centre` is where the centre's libraries lie, absolute or in the release."""
    text = (root / "systemd" / "launcher.py").read_text("utf-8")
    quoted = ", ".join(f'"{minor}"' for minor in minors)
    filled = text.replace("@PYTHON@", python).replace("@CENTRE@", centre).replace('"@MINORS@"', quoted)
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


def keeper(root: Path, home: str) -> str:
    """Keeps the releases below `home`."""
    return (root / "systemd" / "keeper.sh").read_text("utf-8").replace("@HOME@", home)


def release_drop_in(root: Path) -> str:
    """Has systemd ask the keeper."""
    return (root / "systemd" / RELEASE_DROP_IN).read_text("utf-8")


def unit(root: Path, name: str) -> str:
    """The text of a unit."""
    return (root / "systemd" / UNITS[name]).read_text("utf-8")


def renewal(root: Path, name: str) -> str:
    """The text of one of RENEWAL."""
    return (root / "systemd" / name).read_text("utf-8")


def broker(root: Path, name: str) -> str:
    """The text of one of BROKER, or of the program that they run: broker.sh."""
    return (root / "systemd" / name).read_text("utf-8")


def rules(root: Path) -> str:
    return (root / "systemd" / RULES).read_text("utf-8")


def drop_in(root: Path) -> str:
    """For boxes whose clock is kept by chrony or ntpd; the site puts it beside the unit."""
    return (root / "systemd" / DROP_IN).read_text("utf-8")
