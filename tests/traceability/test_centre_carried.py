from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from centre_lines import EPOCH, chain, line
from test_centre_commands import centre_file, punchgate

from gateway.carry import CarryWriter, Head

HEAD = Head(site="hq", gateway="edge-01", epoch=EPOCH, made="2026-11-23T00:31:07.412Z")


def carry(path: Path, lines: Sequence[bytes], head: Head = HEAD) -> Path:
    with path.open("wb") as file:
        writer = CarryWriter(file, head)
        for raw in lines:
            writer.add(json.loads(raw)["data"]["seq"], raw)
        writer.seal()
    return path


@pytest.fixture
def centre(tmp_path: Path) -> str:
    """The configuration of a centre that nobody has started yet."""
    return str(centre_file(tmp_path, database=str(tmp_path / "ledger.sqlite")))


def test_carried_lines_are_in_the_ledger_unchanged_and_a_second_time_changes_nothing(
    tmp_path: Path, centre: str
) -> None:
    lines = chain(1200)
    file = str(carry(tmp_path / "stick", lines))
    first = punchgate("import", "-c", centre, file)
    assert (first.returncode, first.stderr) == (0, b"")
    assert first.stdout.decode().endswith(f"1200 records of hq/edge-01, epoch {EPOCH}: 1200 new, 0 known already\n")
    assert punchgate("export", "-c", centre).stdout.splitlines() == lines
    again = json.loads(punchgate("import", "--json", "-c", centre, file).stdout)
    fates = {"new": 0, "repeated": 1200, "refused": 0, "conflicts": 0}
    assert again == {"site": "hq", "gateway": "edge-01", "epoch": EPOCH} | fates


def test_a_damaged_file_is_refused_whole(tmp_path: Path, centre: str) -> None:
    file = carry(tmp_path / "stick", chain(1200))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    done = punchgate("import", "-c", centre, str(file))
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"punchgate: {file}: damaged or cut: ")
    assert done.stderr.decode().endswith("; export it again and copy it with care\n")
    assert punchgate("export", "-c", centre).stdout == b""


def test_a_file_cannot_speak_for_another_gateway(tmp_path: Path, centre: str) -> None:
    head = HEAD.model_copy(update={"gateway": "edge-02"})
    done = punchgate("import", "-c", centre, str(carry(tmp_path / "stick", chain(2), head)))
    assert done.returncode == 1
    assert "0 new, 0 known already, 2 refused" in done.stdout.decode()
    assert "record.refused: hq/edge-02/" in done.stderr.decode()
    assert punchgate("export", "-c", centre).stdout == b""


def test_other_bytes_under_a_known_name_are_kept_beside_it_and_said(tmp_path: Path, centre: str) -> None:
    first, second = chain(2)
    punchgate("import", "-c", centre, str(carry(tmp_path / "one", [first, second])))
    other = line(1, "0" * 64, lane="somewhere-else")
    done = punchgate("import", "-c", centre, str(carry(tmp_path / "two", [other])))
    assert done.returncode == 1
    assert "record.conflict" in done.stderr.decode()
    assert punchgate("export", "-c", centre).stdout.splitlines() == [first, other, second]


def test_an_empty_file_is_no_mistake(tmp_path: Path, centre: str) -> None:
    done = punchgate("import", "-c", centre, str(carry(tmp_path / "stick", [])))
    assert (done.returncode, b"0 records" in done.stdout) == (0, True)


def test_a_file_that_is_not_there_is_a_wrong_usage(tmp_path: Path, centre: str) -> None:
    assert punchgate("import", "-c", centre, str(tmp_path / "nowhere")).returncode == 2
