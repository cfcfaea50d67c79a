"""Lists that people wrote by hand are complete: exit codes, reasons, causes."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from docs_pages import DOCS, ROOT, read

from drivers import eb_turnstile
from drivers.events import Flaw
from drivers.modbus import watch
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


def test_every_word_a_driver_has_of_its_device_is_on_the_page() -> None:
    sources = "".join(read(path) for path in sorted((ROOT / "drivers").rglob("*.py")))
    words = set(re.findall(r'DeviceChange\(kind="(\w+)"', sources)) | {watch.FAULT, watch.RECOVERED}
    captured = "".join(read(path) for path in sorted((ROOT / "tests" / "captures").rglob("*.json")))
    words |= set(re.findall(r'"event": "device", "kind": "(\w+)"', captured)) | set(eb_turnstile.CHANGES)
    section = PAYLOADS.split("| word | from | means |", 1)[1].split("\n\n", 1)[0]
    firsts = "".join(row.split("|")[1] for row in section.strip().splitlines()[1:])
    assert words == set(re.findall(r"`(\w+)`", firsts))


@pytest.mark.parametrize("station", ["uplink", "port"])
def test_reasons_that_are_written_down_are_said(station: str) -> None:
    section = ERRORS.split(f"## {station.capitalize()}", 1)[1].split("\n## ", 1)[0]
    table = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    sources = sorted((ROOT / "gateway" / station).glob("*.py"))
    if station == "port":
        sources += [ROOT / "drivers/asking.py", *(ROOT / "drivers/osdp").glob("*.py")]
    source = "".join(read(path) for path in sources)
    assert table
    for reason in table:
        words = reason.split(": broker says")[0].split("…")[0].rstrip(" ;:")
        assert f'"{words}' in source or f"'{words}" in source, reason


def test_the_kinds_of_trouble_are_those_of_the_journal() -> None:
    source = "".join(read(path) for path in sorted((ROOT / "gateway" / "journal").glob("*.py")))
    kinds = set(re.findall(r'"(disk|damage|quota)"', source))
    section = ERRORS.split("| kind |", 1)[1].split("\n\n", 1)[0]
    assert kinds == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
