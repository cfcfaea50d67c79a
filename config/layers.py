"""Files laid one over the other, each value remembering where it came from.

`Document` is one merged tree. A place is noted only where a layer put something, so the origin of any value is
that of the longest noted place above it, and a list item knows the index it has in *its* file. Tables merge
deeply, `lanes` and `ports` grow, everything else is replaced by the later layer.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from config.findings import Finding, Loc, Problem, key_path, shown

APPENDED: frozenset[Loc] = frozenset({("lanes",), ("ports",)})
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32

Tree = dict[str, object]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: a name for people, the folder relative paths start from, the place there."""

    name: str
    folder: Path
    loc: Loc = ()


@dataclass(slots=True)
class Document:
    """A merged tree with the origins of its values; `main` is the origin of what nobody wrote."""

    main: Origin
    tree: Tree = field(default_factory=dict)
    origins: dict[Loc, Origin] = field(default_factory=dict)

    def lay(self, tree: Tree, origin: Origin) -> None:
        """Put a file over what is there."""
        self._merge(self.tree, tree, origin, ())

    def put(self, loc: tuple[str, ...], value: object, origin: Origin) -> None:
        """Replace one value, making the tables above it; a table is merged."""
        node = self.tree
        for part in loc[:-1]:
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {}
            node = below
        old = node.get(loc[-1])
        if isinstance(value, dict) and isinstance(old, dict):
            self._merge(old, value, origin, loc)
        else:
            self._replace(node, loc, value, origin)

    def value(self, loc: Loc) -> object:
        """What stands at `loc`; None where nothing does."""
        node: object = self.tree
        for part in loc:
            if isinstance(node, dict) and isinstance(part, str):
                node = node.get(part)
            elif isinstance(node, list) and isinstance(part, int) and part < len(node):
                node = node[part]
            else:
                return None
        return node

    def origin(self, loc: Loc) -> Origin:
        """Where the value at `loc` was written, with its place in that file."""
        for length in range(len(loc), 0, -1):
            known = self.origins.get(loc[:length])
            if known is not None:
                return Origin(known.name, known.folder, known.loc + loc[length:])
        return Origin(self.main.name, self.main.folder, loc)

    def finding(self, problem: Problem) -> Finding:
        """Say a problem of the merged tree in the words of the file it stands in."""
        origin = self.origin(problem.loc)
        value = shown(problem.loc, self.value(problem.loc))
        return Finding(origin.name, key_path(origin.loc), value, problem.problem, problem.remedy)

    def _merge(self, node: Tree, tree: Tree, origin: Origin, at: Loc) -> None:
        for key, value in tree.items():
            loc = (*at, key)
            old = node.get(key)
            if isinstance(value, dict) and isinstance(old, dict):
                self._merge(old, value, origin, loc)
            elif loc in APPENDED and isinstance(value, list) and isinstance(old, list):
                for index, item in enumerate(value):
                    self.origins[*loc, len(old)] = Origin(origin.name, origin.folder, (*loc, index))
                    old.append(item)
            else:
                self._replace(node, loc, value, origin)

    def _replace(self, node: Tree, loc: Loc, value: object, origin: Origin) -> None:
        for stale in [known for known in self.origins if known[: len(loc)] == loc]:
            del self.origins[stale]
        node[str(loc[-1])] = value
        self.origins[loc] = Origin(origin.name, origin.folder, loc)


def read_layers(path: Path, instead: bytes | None = None, *, alone: bool = False) -> tuple[Document, list[Finding]]:
    """Read FILE and FILE.d/*.toml in the order of their names; what cannot be read becomes findings.

    `instead` stands for what is in FILE; `alone`: without FILE.d.
    """
    document = Document(Origin(str(path), _folder(path)))
    drop_ins, findings = ((), []) if alone else _drop_ins(path)
    for file in (path, *drop_ins):
        try:
            data = _read(file) if instead is None or file != path else instead
            document.lay(_parse(data), Origin(str(file), _folder(file)))
        except _Unusable as why:
            findings.append(Finding(str(file), "", "", str(why), why.remedy))
    return document, findings


class _Unusable(Exception):
    """A file that is no TOML document at all."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.remedy = remedy


def _folder(path: Path) -> Path:
    return Path(os.path.abspath(path)).parent  # noqa: PTH100 (resolve() would follow symlinks)


def _drop_ins(path: Path) -> tuple[Iterable[Path], list[Finding]]:
    folder = path.with_name(f"{path.name}.d") if path.name else path
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return (), []
    except (OSError, ValueError) as why:
        return (), [] if "\0" in str(path) else [Finding(str(folder), "", "", f"cannot be listed: {_reason(why)}")]
    return [folder / name for name in names if name.endswith(".toml") and not name.startswith(".")], []


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _Unusable("no such file", "give another with -c FILE or $PUNCHGATE_CONFIG") from None
    except (OSError, ValueError) as why:
        raise _Unusable(f"cannot be read: {_reason(why)}") from None
    if len(data) > MAX_BYTES:
        raise _Unusable(f"is larger than {MAX_BYTES} bytes")
    return data


def _parse(data: bytes) -> Tree:
    try:
        text = data.decode("utf-8-sig")
        tree = tomllib.loads(text)
    except UnicodeDecodeError as why:
        line = data.count(b"\n", 0, why.start) + 1
        raise _Unusable(f"line {line}: is not UTF-8", "save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as why:
        raise _Unusable(_place(str(why), text), "correct the TOML there") from None
    except (ValueError, RecursionError):
        raise _Unusable("holds a number too long or tables nested too deeply") from None
    if too_deep(tree):
        raise _Unusable(f"nests tables more than {MAX_DEPTH} deep")
    return tree


def too_deep(tree: object) -> bool:
    """Whether tables and lists nest more than MAX_DEPTH deep."""
    level = [tree]
    for _ in range(MAX_DEPTH):
        level = [item for node in level for item in _below(node)]
    return bool(level)


def _below(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _place(message: str, text: str) -> str:
    match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if match:
        return f"line {match[2]}, column {match[3]}: {match[1]}"
    last = text.rstrip("\n").split("\n")
    return f"line {len(last)}, column {len(last[-1]) + 1}: {message.removesuffix(' (at end of document)')}"


def _reason(why: Exception) -> str:
    return (why.strerror if isinstance(why, OSError) else None) or str(why)
