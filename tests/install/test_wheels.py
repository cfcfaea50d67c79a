"""What pip fetches for another machine is for that machine; fetched once, it is kept and checked again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from bundle import debian
from bundle.build import MINORS, cache, parts_of
from bundle.lock import Lock
from bundle.wheels import MACHINES, fetch
from small_wheels import ROOT, licensed

ELF_MACHINE = {"amd64": 62, "arm64": 183}
MACHINE_NAME = {"amd64": "x86_64", "arm64": "aarch64"}
TAG = re.compile(r"^Tag: (\S+)-(\S+)-(\S+)$", re.MULTILINE)


@pytest.mark.parametrize("arch", sorted(MACHINES))
@pytest.mark.parametrize("minor", MINORS)
def test_the_lock_has_compiled_libraries_for_every_architecture_and_python(arch: str, minor: str) -> None:
    wheels = fetch(ROOT, Lock((ROOT / "requirements.lock").read_text("utf-8")), arch, minor, cache() / "wheels")
    compiled = {path: data for wheel in wheels for path, data in wheel.contents.items() if path.endswith(".so")}
    assert len(compiled) >= 4
    for path, data in compiled.items():
        assert int.from_bytes(data[18:20], "little") == ELF_MACHINE[arch], path
        assert ".abi3." in path or f".cpython-{minor.replace('.', '')}-" in path


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_every_program_file_of_a_debian_package_is_for_its_architecture_and_python(arch: str, tmp_path: Path) -> None:
    parts = parts_of(ROOT, licensed(tmp_path, "punchgate"), arch, list(debian.RELEASES), cache() / "wheels")
    gateway, centre = debian.gateway(parts, "1", arch, {}), debian.centre(parts, "1", arch)
    for package in (gateway, centre):
        assert package.architecture == arch
        machines, platforms = set(), set()
        for path, entry in package.tree.files():
            if entry.data[:4] == b"\x7fELF":
                machines.add(int.from_bytes(entry.data[18:20], "little"))
                minor = re.search(r"/lib-(3\.\d+)/", path)
                special = re.search(r"\.cpython-3(\d+)-", path)
                assert special is None or (minor is not None and minor[1] == f"3.{special[1]}"), path
            elif path.endswith(".dist-info/WHEEL"):
                platforms |= {tag[2] for tag in TAG.findall(entry.data.decode())}
        assert machines == {ELF_MACHINE[arch]}
        assert len(platforms) > 1
        assert all(it == "any" or it.endswith(MACHINE_NAME[arch]) for it in platforms), platforms
