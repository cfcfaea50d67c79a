"""Many boxes at once: a table and a template make answers files with codes, or nothing at all."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.commands.provision import provision_command
from gateway.identity.code import read_code
from traceability.authority import Authority

TEMPLATE = """
[gateway]
site = "$site"
id = "$id"
timezone = "$timezone"

[setup]
enrol = "code"
centre = "$centre"
code = "$code"

[[lanes]]
id = "door"
portal = "door"
from_zone = "outside"
to_zone = "shop"

[[ports]]
url = "any"

  [[ports.devices]]
  id = "door-in"
  driver = "em4100"
  lane = "door"
  side = "in"
"""
HEAD = "site,id,timezone\n"
CENTRE = "https://centre.example:8443"


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    Authority.create(tmp_path / "authority", "punchgate/v1")
    (tmp_path / "centre.toml").write_text('[centre]\nurl = "mqtt://127.0.0.1"\nauthority = "authority"\n')
    (tmp_path / "template.toml").write_text(TEMPLATE)
    return tmp_path


def provision(desk: Path, rows: str, *more: str) -> Result:
    (desk / "outlets.csv").write_text(rows)
    words = [str(desk / "outlets.csv"), "--template", str(desk / "template.toml"), "--centre", CENTRE]
    words += ["-o", str(desk / "out"), "-c", str(desk / "centre.toml"), *more]
    return CliRunner().invoke(provision_command, words)


def outlets(count: int) -> str:
    return HEAD + "".join(f"outlet-{number:03},edge-01,Asia/Shanghai\n" for number in range(count))


def test_a_hundred_outlets_have_answers_of_their_own_each_with_another_code(desk: Path) -> None:
    assert provision(desk, outlets(100)).exit_code == 0
    files = sorted((desk / "out").iterdir())
    answers = [tomllib.loads(file.read_text()) for file in files]
    codes = {read_code(each["setup"]["code"]).claim for each in answers}
    assert (len(files), len(codes)) == (100, 100)
    assert answers[7]["gateway"] == {"site": "outlet-007", "id": "edge-01", "timezone": "Asia/Shanghai"}
    assert {each["setup"]["centre"] for each in answers} == {CENTRE}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}, "a code lets a box in"


def test_run_again_it_goes_on_and_keeps_what_is_there(desk: Path) -> None:
    assert provision(desk, outlets(3)).exit_code == 0
    before = {file.name: file.read_text() for file in (desk / "out").iterdir()}
    (desk / "out" / "outlet-001.edge-01.toml").unlink()
    assert "2 answers files made, 2 were there" in provision(desk, outlets(4)).stdout
    after = {file.name: file.read_text() for file in (desk / "out").iterdir()}
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"outlet-001.edge-01.toml", "outlet-003.edge-01.toml"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (HEAD + "hq,edge-01,Asia/Shanghai\nHQ,edge-02,Asia/Shanghai\n", "line 3 (HQ.edge-02)"),
        (HEAD + "hq,edge-01,Asia/Atlantis\n", "timezone"),
        (HEAD + "hq,edge-01,Asia/Shanghai\nhq,edge-01,Asia/Shanghai\n", "hq.edge-01 is there 2 times"),
        (HEAD + 'hq,edge-01,"a""b"\n', "quotes"),
        ("site,name\nhq,edge-01\n", "no column id"),
        ("site,id\nhq,edge-01\n", "$timezone is no column"),
        (HEAD, "no boxes"),
        ("site,id,site\nhq,edge-01,x\n", "two columns site"),
    ],
)
def test_one_bad_line_and_nothing_is_made(desk: Path, rows: str, said: str) -> None:
    result = provision(desk, rows)
    assert result.exit_code != 0
    assert said in str(result.exception)
    assert not (desk / "out").exists()
    assert not (desk / "authority" / "codes.json").exists()


def test_all_bad_lines_are_told_at_once(desk: Path) -> None:
    rows = HEAD + "".join(f"S{number},edge-01,Asia/Shanghai\n" for number in range(5))
    assert str(provision(desk, rows).exception).count("\n") >= 4


def test_a_template_that_lets_everybody_use_one_code_is_refused(desk: Path) -> None:
    (desk / "template.toml").write_text(TEMPLATE.replace("$code", "7k3m"))
    assert "does not use $code" in str(provision(desk, outlets(2)).exception)


def test_who_has_a_certificate_gets_a_code_only_if_it_is_to_be_replaced(desk: Path) -> None:
    authority = Authority(desk / "authority")
    with authority.changing("punchgate/v1"):
        authority.server("server", ("127.0.0.1",))
    assert provision(desk, outlets(1)).exit_code == 0
