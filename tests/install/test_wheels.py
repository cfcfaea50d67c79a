"""What pip fetches for another machine is for that machine; fetched once, it is kept and checked again."""

from __future__ import annotations

import pytest
from bundle.build import MINORS, cache
from bundle.lock import Lock
from bundle.wheels import MACHINES, fetch
from small_wheels import ROOT

ELF_MACHINE = {"amd64": 62, "arm64": 183}


@pytest.mark.parametrize("arch", sorted(MACHINES))
@pytest.mark.parametrize("minor", MINORS)
def test_the_lock_has_compiled_libraries_for_every_architecture_and_python(arch: str, minor: str) -> None:
    wheels = fetch(ROOT, Lock((ROOT / "requirements.lock").read_text("utf-8")), arch, minor, cache() / "wheels")
    compiled = {path: data for wheel in wheels for path, data in wheel.contents.items() if path.endswith(".so")}
    assert len(compiled) >= 4
    for path, data in compiled.items():
        assert int.from_bytes(data[18:20], "little") == ELF_MACHINE[arch], path
        assert ".abi3." in path or f".cpython-{minor.replace('.', '')}-" in path
