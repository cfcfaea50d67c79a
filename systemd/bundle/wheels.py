"""Wheels: fetched by pip for another machine, checked against the lock, unpacked without being installed."""

from __future__ import annotations

import email
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from hashlib import sha256
from pathlib import Path, PurePosixPath

from bundle.lock import Lock
from bundle.trouble import Trouble

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of an architecture to the kernel's."""

GLIBC = "2.28"
"""The oldest C library the wheels are taken for."""

LICENCE_WORDS = ("licen", "copying", "notice", "authors")


@dataclass(frozen=True)
class Wheel:
    """One wheel file."""

    path: Path

    @cached_property
    def facts(self) -> Message:
        """Its METADATA."""
        return email.message_from_string(self.contents[f"{self.info}/METADATA"].decode("utf-8"))

    @property
    def name(self) -> str:
        return str(self.facts["Name"])

    @property
    def version(self) -> str:
        return str(self.facts["Version"])

    @cached_property
    def sha256(self) -> str:
        return sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def info(self) -> str:
        """The name of its dist-info folder."""
        names = {PurePosixPath(name).parts[0] for name in self.contents}
        return next(name for name in sorted(names) if name.endswith(".dist-info"))

    @cached_property
    def contents(self) -> dict[str, bytes]:
        """Path below site-packages to bytes. Trouble: it wants to place something elsewhere."""
        with zipfile.ZipFile(self.path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            found = {_place(name, self.path.name): archive.read(name) for name in names}
        return {place: data for place, data in found.items() if place}

    def licences(self) -> dict[str, bytes]:
        """File name to text of its licence files."""
        inside = {name: PurePosixPath(name) for name in self.contents if name.startswith(f"{self.info}/")}
        return {
            path.name: self.contents[name]
            for name, path in inside.items()
            if "licenses" in path.parts or any(word in path.name.lower() for word in LICENCE_WORDS)
        }


def _place(name: str, wheel: str) -> str:
    """Where a member goes; empty: it is a script for PATH, of which our launcher is the only one."""
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        if first.endswith(".pth"):
            raise Trouble(f"{wheel} changes the interpreter by {first}: it cannot be bundled")
        return name
    scheme, _, below = rest.partition("/")
    if scheme in ("purelib", "platlib"):
        return below
    if scheme in ("scripts", "headers"):
        return ""
    raise Trouble(f"{wheel} wants to install {name}: it cannot be bundled")


def fetch(root: Path, lock: Lock, arch: str, minor: str, store: Path) -> list[Wheel]:
    """All pinned wheels for this architecture and Python: from `store`, else by pip. Trouble: neither has them."""
    folder = store / f"{arch}-{minor}-{lock.digest[:16]}"
    if not (folder / "complete").exists():
        _download(root / lock.name, MACHINES[arch], minor, folder)
        (folder / "complete").touch()
    found = sorted(folder.glob("*.whl"))
    lock.check(found)
    return [Wheel(path) for path in found]


def _download(lock_file: Path, machine: str, minor: str, folder: Path) -> None:
    newest = int(GLIBC.removeprefix("2."))
    platforms = [f"manylinux_2_{minor_version}_{machine}" for minor_version in range(newest, 16, -1)]
    platforms.append(f"manylinux2014_{machine}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--implementation=cp", f"--python-version={minor}"]
    command += [f"--platform={platform}" for platform in platforms]
    _run([*command, "--dest", str(folder), "--requirement", str(lock_file)], f"cannot fetch wheels for {machine}")


def build_own(root: Path, out: Path, epoch: int) -> Wheel:
    """Our own wheel, from the source tree as it is. Trouble: hatchling is missing or refuses."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(out)]
    _run(command, "cannot build our own wheel", folder=root, environment={"SOURCE_DATE_EPOCH": str(epoch)})
    (wheel,) = out.glob("punchgate-*.whl")
    return Wheel(wheel)


def _run(
    command: Sequence[str], what: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Trouble(f"{what}: {done.stderr.strip() or done.stdout.strip()}")


def grouped(by_minor: Mapping[str, list[Wheel]]) -> dict[str, list[Wheel]]:
    """Folder name to its wheels: `lib` what every minor takes, `lib-3.11` what only that one takes."""
    names = [{wheel.path.name for wheel in wheels} for wheels in by_minor.values()]
    common = set.intersection(*names)
    first = next(iter(by_minor.values()))
    groups = {"lib": [wheel for wheel in first if wheel.path.name in common]}
    for minor, wheels in by_minor.items():
        groups[f"lib-{minor}"] = [wheel for wheel in wheels if wheel.path.name not in common]
    return groups
