"""Wheels of a few bytes, to build packages from; as a program: the checksums of packages made of them."""

from __future__ import annotations

import sys
import zipfile
from hashlib import sha256
from pathlib import Path

from bundle import debian, selfextracting
from bundle.layout import Parts
from bundle.wheels import Wheel

ROOT = Path(__file__).parents[2]
EPOCH = 1_790_000_000


def wheel(folder: Path, name: str, files: dict[str, str] | None = None, **said: str) -> Wheel:
    """A wheel with these files besides its metadata."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    lines = {"Metadata-Version": "2.4", "Name": name, "Version": "1.0", "License-Expression": "MIT"}
    lines |= {key.replace("_", "-"): value for key, value in said.items()}
    facts = "".join(f"{key}: {value}\n" for key, value in lines.items() if value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", facts)
        for place, text in (files or {}).items():
            archive.writestr(place, text)
    return Wheel(path)


def licensed(folder: Path, name: str, **said: str) -> Wheel:
    return wheel(folder, name, {f"{name}/__init__.py": "", f"{name}-1.0.dist-info/licenses/LICENSE": "MIT"}, **said)


def main(folder: Path) -> None:
    """Prints one line."""
    folder.mkdir()
    own, other = licensed(folder, "punchgate"), licensed(folder, "other")
    parts = Parts(ROOT, own, {"lib": [other], "lib-3.11": []})
    packages = (debian.gateway(parts, "1", "amd64", {}), debian.centre(parts, "1", "amd64"))
    made = [*(package.write(EPOCH) for package in packages), selfextracting.write(parts, "1", "amd64", EPOCH, {})]
    print(*(sha256(data).hexdigest() for data in made))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
