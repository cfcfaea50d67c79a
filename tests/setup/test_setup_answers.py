"""A box from an answers file: nothing is asked, and nothing is written before all of it is right."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from setup_desk import GATEWAY, KEY, LANE, UPLINK, answers, files, port, setup, told

import config
from gateway import assembly
from gateway.errors import Misconfigured
from gateway.setup import placing


def loaded(folder: Path) -> config.Settings:
    return config.load(folder / "box/punchgate.toml", drivers=assembly.driver_facts(), environ={})


def test_a_box_is_set_up_by_a_file_as_a_person_would_have_written_it(tmp_path: Path) -> None:
    done = told(answers(), tmp_path)
    assert done.returncode == 1, done.stderr  # nobody is at the port and at the broker, and the check says so
    assert "finding" in done.stdout
    text = (tmp_path / "box/punchgate.toml").read_text()
    tables = [row for row in text.splitlines() if row.lstrip().startswith("[")]
    assert tables == ["[gateway]", "[uplink]", "[privacy]", "[[lanes]]", "[[ports]]", "  [[ports.devices]]"]
    said = tomllib.loads(answers()) | {"privacy": {"key_file": "organisation.key"}}
    del said["setup"]
    assert tomllib.loads(text) == said
    assert 'id = "edge-01"                   # the broker knows this box as hq.edge-01\n' in text
    assert loaded(tmp_path).ports[0].url == str(tmp_path / "box/reader")


def test_all_that_is_missing_or_wrong_is_said_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    wrong = (
        GATEWAY.replace('"hq"', '"H Q"').replace("Shanghai", "Shangai")
        + '[uplink]\nurl = "mqtt://broker.example"\n[setup]\nenrl = "code"\nlisten_s = true\n'
        + LANE
        + port(driver="em41OO").replace('lane = "door"', 'lane = "dor"')
    )
    done = told(wrong, tmp_path)
    assert done.returncode == 78
    said = [row.removeprefix("punchgate: ") for row in done.stderr.splitlines()]
    assert all(row.startswith("answers.toml: ") for row in said)
    for words in (
        'gateway.site = "H Q"',
        'did you mean "h-q"?',
        'gateway.timezone = "Asia/Shangai"',
        "uplink.url",
        'setup.enrl = "code": is not a known key; did you mean "enrol"?',
        "setup.listen_s = true: must be a number",
        'driver = "em41OO": is not a known driver; did you mean "em4100"?',
        'lane = "dor": is not a lane; did you mean "door"?',
    ):
        assert words in done.stderr
    assert not (tmp_path / "box").exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('enrol = "code"', "setup.centre: is required"),
        ('enrol = "code"', "setup.code: is required"),
        ('enrol = "code"', "uplink.url"),
        ('enrol = "files"\norganisation_key = "new"', "setup.organisation_key"),
        ('code = "abc"', "setup.code = (not shown): is of no use"),
        ('enrol = "code"\ncentre = "http://centre.example"', "use https://"),
        ('enrol = "code"\ncentre = "centre.example"', "is not the URL of a centre"),
        ('enrol = "fax"', "setup.enrol"),
    ],
)
def test_how_a_box_enrols_has_to_agree_with_what_else_is_said(rows: str, said: str, tmp_path: Path) -> None:
    done = told(answers(rows), tmp_path)
    assert (done.returncode, said in done.stderr) == (78, True), done.stderr


def test_a_file_that_is_not_toml_is_told_with_its_line(tmp_path: Path) -> None:
    done = told("[gateway]\nsite = hq\n", tmp_path)
    assert (done.returncode, "answers.toml: line 2, column 8" in done.stderr) == (78, True)


def test_a_configuration_that_is_there_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box/punchgate.toml").write_text("# mine\n")
    done = told(answers(), tmp_path)
    assert (done.returncode, "--replace" in done.stderr) == (78, True)
    assert files(tmp_path / "box") == {"punchgate.toml": b"# mine\n"}
    done = setup("--answers", "answers.toml", "-c", "box/punchgate.toml", "--replace", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "box/punchgate.toml.old-1").read_text() == "# mine\n"
    assert loaded(tmp_path).gateway.site == "hq"


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    told(answers(), tmp_path)
    before = files(tmp_path / "box")
    done = told(answers(), tmp_path)
    assert (done.returncode, "is as it should be already" in done.stdout) == (1, True), done.stderr
    assert files(tmp_path / "box") == before


def test_the_organisations_key_is_taken_from_beside_the_answers_and_another_one_is_never_overwritten(
    tmp_path: Path,
) -> None:
    (tmp_path / "stick.key").write_text(f"k2:{KEY}\n")
    assert told(answers('organisation_key = "stick.key"'), tmp_path).returncode == 1
    key = tmp_path / "box/organisation.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == (f"k2:{KEY}\n", 0o640)
    (tmp_path / "stick.key").write_text(f"k3:{KEY}\n")
    done = told(answers('organisation_key = "stick.key"'), tmp_path)
    assert (done.returncode, "holds another key" in done.stderr) == (78, True)
    assert key.read_text() == f"k2:{KEY}\n"


@pytest.mark.parametrize("rows", ["", 'organisation_key = "not-there.key"', 'organisation_key = "answers.toml"'])
def test_without_a_key_that_can_be_used_nothing_is_written(rows: str, tmp_path: Path) -> None:
    done = told(answers(rows), tmp_path)
    assert (done.returncode, "key" in done.stderr) == (78, True)
    assert not (tmp_path / "box").exists()


def test_with_two_files_the_request_lies_ready_and_the_next_steps_are_said(tmp_path: Path) -> None:
    done = told(answers('enrol = "files"', uplink=""), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "punchgate centre enrol hq.edge-01.request" in done.stdout
    assert (tmp_path / "box/hq.edge-01.request").exists()
    written = tomllib.loads((tmp_path / "box/punchgate.toml").read_text())
    assert set(written) == {"gateway", "lanes", "ports"}


def test_who_may_not_write_there_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(Misconfigured, match="become root, or name a file elsewhere: -c FILE"):
        placing.require_room(tmp_path / "far" / "punchgate.toml", replace=False)


def test_only_one_line_can_be_any(tmp_path: Path) -> None:
    two = port("any") + port("any").replace("door-in", "door-out")
    done = told(answers(lines=two), tmp_path)
    assert (done.returncode, "is used already" in done.stderr) == (78, True)


def test_words_of_a_driver_that_is_to_be_found_are_refused(tmp_path: Path) -> None:
    done = told(answers(lines=port(driver="identify", more='options = { a = "b" }\n')), tmp_path)
    assert (done.returncode, "name the driver instead" in done.stderr) == (78, True)


def test_uplink_is_required_where_no_enrolment_brings_it(tmp_path: Path) -> None:
    done = told(answers().replace(UPLINK, ""), tmp_path)
    assert (done.returncode, "uplink: is required" in done.stderr) == (78, True), done.stderr
