"""Lists that people wrote by hand are complete: exit codes, reasons, causes, units."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
from docs_pages import DOCS, ROOT, block, read

from drivers.events import Flaw
from gateway import errors
from gateway.records import Confidence, Direction, LossCause, Outcome

ERRORS, PAYLOADS, OPERATIONS = (read(DOCS / f"{name}.md") for name in ("errors", "payloads", "operations"))


def test_every_exit_code_is_explained() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert codes <= {int(code) for code in re.findall(r"^\| (\d+) \| \w", ERRORS, re.MULTILINE)}


def test_every_word_a_consumer_may_meet_is_on_the_page() -> None:
    for words in (Outcome, Direction, LossCause, Flaw):
        assert set(get_args(words)) <= set(re.findall(r"`(\w+)`", PAYLOADS))
    assert set(get_args(Confidence)) - {"contradicted"} <= set(re.findall(r"`(\w+)`", PAYLOADS))


@pytest.mark.parametrize("station", ["uplink", "port"])
def test_reasons_that_are_written_down_are_said(station: str) -> None:
    section = ERRORS.split(f"## {station.capitalize()}", 1)[1].split("\n## ", 1)[0]
    table = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    source = "".join(read(path) for path in sorted((ROOT / "gateway" / station).glob("*.py")))
    assert table
    for reason in table:
        words = reason.split(": broker says")[0].removesuffix("; …")
        assert f'"{words}' in source, reason


def test_the_kinds_of_trouble_are_those_of_the_journal() -> None:
    source = "".join(read(path) for path in sorted((ROOT / "gateway" / "journal").glob("*.py")))
    kinds = set(re.findall(r'"(disk|damage|quota)"', source))
    section = ERRORS.split("| kind |", 1)[1].split("\n\n", 1)[0]
    assert kinds == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.needs("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_the_centres_unit(tmp_path: Path) -> None:
    unit = tmp_path / "punchgate-centre.service"
    text = block(OPERATIONS, "punchgate-centre.service").replace("/usr/bin/punchgate", "/bin/true")
    unit.write_text(text.replace("User=punchgate-centre", "User=daemon"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
