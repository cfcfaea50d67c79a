"""The whole order: wheels of every architecture and Python, packages, papers, checksums, signature."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundle import debian, sbom, selfextracting
from bundle.layout import Parts
from bundle.lock import Lock, normal, read_centre_lock, read_lock
from bundle.release import Release, release, signature, sums
from bundle.wheels import Wheel, build_own, fetch, grouped

MINORS = ("3.11", "3.12", "3.13")
"""The Pythons the installer is for; the Debian packages need those of their releases only."""

SUMS, SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted. `store` None: the user's cache; `key` None: unsigned."""

    root: Path
    out: Path
    archs: Sequence[str]
    kinds: Sequence[str]
    store: Path | None = None
    key: Path | None = None


def build(order: Order) -> Iterator[str]:
    """Builds all of it and says a line for each file. Trouble: it cannot be built; nothing half is left behind."""
    now = release(order.root)
    store = order.store or cache() / "wheels"
    made: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as scratch:
        own = build_own(order.root, Path(scratch), now.epoch)
        for arch in order.archs:
            for kind in order.kinds:
                minors = list(debian.RELEASES) if kind == "deb" else MINORS
                parts = parts_of(order.root, own, arch, minors, store)
                made |= _package(parts, now, arch, kind)
    made[SUMS] = sums(made).encode()
    if order.key is not None:
        made[SIGNATURE] = signature(order.key, made[SUMS])
    yield from _place(order.out, made)
    if order.key is None:
        yield f"{SUMS} is not signed: no --key was given"


def parts_of(root: Path, own: Wheel, arch: str, minors: Sequence[str], store: Path) -> Parts:
    """What the locks pin for one architecture and these Pythons, beside our own wheel. Trouble: one is missing."""
    lock, centre = read_lock(root), read_centre_lock(root)
    wheels = {minor: fetch(root, lock, arch, minor, store) for minor in minors}
    besides: dict[str, list[Wheel]] = {}
    if centre is not None:
        besides = {minor: _added(root, centre, lock, arch, minor, store) for minor in minors}
    return Parts(root, own, grouped(wheels), grouped(besides) if besides else {})


def _added(root: Path, centre: Lock, base: Lock, arch: str, minor: str, store: Path) -> list[Wheel]:
    """The wheels that only the centre gets."""
    wanted = centre.added_to(base)
    return [wheel for wheel in fetch(root, centre, arch, minor, store) if normal(wheel.name) in wanted]


def _package(parts: Parts, now: Release, arch: str, kind: str) -> dict[str, bytes]:
    """File name to bytes of one kind of package for one architecture."""
    if kind == "run":
        name = selfextracting.file_name(now.version, arch)
        bill = _bill(name, now.version, parts, now, parts.wheels + parts.centre_wheels)
        data = selfextracting.write(parts, now.version, arch, now.epoch, {"sbom.cdx.json": bill})
        return {name: data, f"{name}.cdx.json": bill}
    version = debian.full_version(now.version)
    name = f"punchgate_{version}_{arch}"
    bills = {name: _bill(name, version, parts, now, parts.wheels)}
    centre = debian.centre(parts, version, arch)
    if parts.centre_wheels:
        bills[centre.full_name] = _bill(centre.full_name, version, parts, now, parts.centre_wheels)
    packages = [debian.gateway(parts, version, arch, {"sbom.cdx.json": bills[name]}), centre]
    made = {package.file_name: package.write(now.epoch) for package in packages}
    return made | {f"{name}.cdx.json": bill for name, bill in bills.items()}


def _bill(name: str, version: str, parts: Parts, now: Release, wheels: list[Wheel]) -> bytes:
    return sbom.document(name, version, now.date, parts.own, wheels)


def _place(out: Path, made: dict[str, bytes]) -> Iterator[str]:
    """Each file whole or not at all; a signature of older checksums does not stay."""
    out.mkdir(parents=True, exist_ok=True)
    if SIGNATURE not in made:
        (out / SIGNATURE).unlink(missing_ok=True)
    for name, data in made.items():
        part = out / f"{name}.part"
        part.write_bytes(data)
        part.chmod(0o755 if name.endswith(".run") else 0o644)
        part.replace(out / name)
        yield f"{out / name}  {len(data) / 1e6:.1f} MB"


def cache() -> Path:
    """The user's folder for what can be fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "punchgate"
