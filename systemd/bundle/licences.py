"""Under which licences the parts of a package are, and the texts that have to go with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bundle.trouble import Trouble
from bundle.wheels import Wheel

TEXTS = Path(__file__).with_name("licences")
"""Texts of wheels that bring none of their own: NAME.txt."""

SAID_ELSEWHERE = {"libosdp": "Apache-2.0", "pyserial": "BSD-3-Clause", "rfc8785": "Apache-2.0"}
"""SPDX expressions of wheels that say it in words only."""


def expression(wheel: Wheel) -> str:
    """Its SPDX expression. Trouble: it does not say."""
    said = SAID_ELSEWHERE.get(wheel.name) or wheel.facts["License-Expression"] or wheel.facts["License"]
    if not said or len(said) > 80:
        raise Trouble(
            f"{wheel.name} {wheel.version} does not say its licence: look, and add it to bundle/licences.py"
        )
    return str(said)


def texts(wheel: Wheel) -> dict[str, bytes]:
    """File name to licence text. Trouble: there is none."""
    found = wheel.licences()
    spare = TEXTS / f"{wheel.name}.txt"
    if not found and spare.exists():
        found = {"LICENSE": spare.read_bytes()}
    if not found:
        raise Trouble(f"{wheel.name} {wheel.version} brings no licence text: put one into {spare}")
    return found


def copyright_file(wheels: Iterable[Wheel]) -> str:
    """Debian's /usr/share/doc/…/copyright, machine-readable (DEP-5)."""
    head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: punchgate\n"
    parts = [
        f"Files: {wheel.name} {wheel.version}\nCopyright: see licences/{wheel.name}\nLicense: {expression(wheel)}\n"
        f" The text is in licences/{wheel.name} beside this file.\n"
        for wheel in wheels
    ]
    return "\n".join([head, *parts])
