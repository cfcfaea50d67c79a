"""FILE, FILE.d and the environment: who wins, where relative paths start, what is told about each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from config_desk import GOOD, Desk

PORT = '[[ports]]\nurl = "{0}"\n[[ports.devices]]\nid = "{1}"\ndriver = "em4100"\nlane = "lobby-2"\n'


def test_a_drop_in_merges_tables_and_the_later_file_wins(desk: Desk) -> None:
    desk.drop_in("10.toml", "[uplink]\nwindow = 3\nbatch_records = 7\n")
    desk.drop_in("20.toml", "[uplink]\nwindow = 4\n")
    uplink = desk.load().uplink
    assert (uplink.window, uplink.batch_records, uplink.host) == (4, 7, "broker.example")


def test_a_drop_in_adds_lanes_and_ports(desk: Desk) -> None:
    desk.drop_in("gate.toml", PORT.format("/dev/ttyS9", "reader-9"))
    assert [port.url for port in desk.load().ports][-1] == "/dev/ttyS9"


def test_a_mistake_in_a_drop_in_is_told_with_its_file_and_the_index_there(desk: Desk) -> None:
    file = desk.drop_in("gate.toml", PORT.format("/dev/ttyS9", "reader 9"))
    assert (desk.finding().file, desk.finding().key) == (str(file), "ports[0].devices[0].id")


def test_a_name_used_twice_in_two_files_names_both(desk: Desk) -> None:
    file = desk.drop_in("gate.toml", PORT.format("/dev/ttyS9", "reader-2"))
    assert desk.finding().file == str(file)
    assert f"ports[2].devices[0].id in {desk.file}" in desk.finding().problem


def test_other_and_hidden_files_beside_the_drop_ins_are_left_alone(desk: Desk) -> None:
    desk.drop_in("gate.toml.bak", "nonsense")
    desk.drop_in(".gate.toml", "nonsense")
    assert desk.findings() == []


def test_the_environment_wins_over_files(desk: Desk) -> None:
    desk.drop_in("10.toml", "[uplink]\nwindow = 3\n")
    desk.environ = {
        "PUNCHGATE_UPLINK__WINDOW": "5",
        "PUNCHGATE_UPLINK__INSECURE": "yes",
        "PUNCHGATE_GATEWAY__SITE": "annex",
        "PUNCHGATE_UPLINK__PROTOCOL": "5",
        "PUNCHGATE_LOG": '{"level": "debug"}',
    }
    settings = desk.load()
    assert (settings.uplink.window, settings.uplink.insecure, settings.uplink.protocol) == (5, True, "5")
    assert (settings.gateway.site, settings.gateway.id, settings.log.level) == ("annex", "edge-01", "debug")


def test_a_list_in_the_environment_replaces_that_of_the_files(desk: Desk) -> None:
    device = '{"id": "r", "driver": "em4100", "lane": "lobby-2"}'
    desk.edit(('sensor = "per_direction"', ""))
    desk.environ["PUNCHGATE_PORTS"] = f'[{{"url": "/dev/ttyS7", "devices": [{device}]}}]'
    assert desk.finding().key == "lanes[0].id"
    desk.environ["PUNCHGATE_PORTS"] = desk.environ["PUNCHGATE_PORTS"].replace("lobby-2", "lobby 2")
    (mistake, _) = desk.findings()
    assert mistake.file == "environment variable PUNCHGATE_PORTS"
    assert mistake.key == "ports[0].devices[0].lane"


def test_a_key_that_is_there_twice_is_refused_in_the_environment_as_in_a_file(desk: Desk) -> None:
    desk.environ["PUNCHGATE_GATEWAY"] = '{"site": "annex", "id": "edge-01", "site": "hq"}'
    mistake = desk.finding()
    assert (mistake.file, mistake.key) == ("environment variable PUNCHGATE_GATEWAY", "site")
    assert "twice" in str(mistake)


def test_a_wrong_value_from_the_environment_names_the_variable(desk: Desk) -> None:
    desk.environ["PUNCHGATE_UPLINK__WINDOW"] = "many"
    assert desk.finding().file == "environment variable PUNCHGATE_UPLINK__WINDOW"
    assert desk.finding().key == "uplink.window"


@pytest.mark.parametrize("text", ["[", "5", '"x"', "[" * 5000])
def test_a_table_variable_that_is_no_json_is_refused(desk: Desk, text: str) -> None:
    desk.environ["PUNCHGATE_PORTS"] = text
    assert "must be" in desk.finding().problem


def test_an_unknown_variable_is_refused_with_the_nearest_name(desk: Desk) -> None:
    desk.environ["PUNCHGATE_GATEWAY__SIET"] = "x"
    assert "PUNCHGATE_GATEWAY__SITE?" in str(desk.finding())
    assert desk.finding().file == "environment variable PUNCHGATE_GATEWAY__SIET"


def test_reserved_and_foreign_variables_are_left_alone(desk: Desk) -> None:
    desk.environ = {"PUNCHGATE_CONFIG": "x", "PUNCHGATE_REQUIRE": "y", "PUNCHGATE_CENTRE__URL": "z", "HOME": "/"}
    assert desk.findings() == []


def test_relative_paths_start_from_the_file_that_sets_them(desk: Desk) -> None:
    desk.edit(("[privacy]", 'ca_file = "ca.pem"\n[privacy]'), ('"/dev/ttyS0"', '"./bench"'))
    desk.drop_in("10.toml", '[gateway]\nstate_dir = "../state"\n[uplink]\nca_file = "ca.pem"\n')
    settings = desk.load()
    here = desk.file.parent
    assert settings.privacy.key_file == here / "organisation.key"
    assert settings.gateway.state_dir == here / "state"
    assert settings.uplink.ca_file == here / "punchgate.toml.d" / "ca.pem"
    assert settings.ports[0].url == str(here / "bench")


def test_a_file_named_without_a_folder_starts_paths_from_the_working_directory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.file.parent)
    desk.file = Path(desk.file.name)
    assert desk.load().privacy.key_file == Path.cwd() / "organisation.key"


def test_direction_aliases_come_out_as_the_drivers_own_words(desk: Desk) -> None:
    desk.edit(('left = "in", right = "out"', 'b = "in", left = "out"'))
    assert desk.load().ports[1].devices[0].directions == {"right": "in", "left": "out"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[gateway]\nsite = \n", "line 2, column 8: Invalid value"),
        (b"a = 1\na = 2\n", "line 2, column"),
        (b'[gateway]\nsite = "hq', "line 2, column 11: "),
        (b"# \xff\n", "line 1: is not UTF-8"),
        (b"a = " + b"9" * 5000, "too long"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "too deep"),
        (b"a." * 200 + b"a = 1", "deep"),
        (b"#" * (5 * 1024 * 1024), "larger than"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_line_and_column(desk: Desk, data: bytes, said: str) -> None:
    desk.file.write_bytes(data)
    assert said in str(desk.finding())
    assert desk.finding().file == str(desk.file)


def test_a_missing_file_is_told_with_a_remedy(desk: Desk) -> None:
    desk.file.unlink()
    assert "no such file; give another with -c FILE" in str(desk.finding())


def test_a_directory_is_no_file(desk: Desk) -> None:
    desk.file.unlink()
    desk.file.mkdir()
    assert "cannot be read: Is a directory" in str(desk.finding())


@contextmanager
def nobody() -> Iterator[None]:
    """Root reads everything; be somebody who does not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_told(desk: Desk) -> None:
    desk.file.chmod(0)
    with nobody():
        assert any("Permission denied" in str(each) for each in desk.findings())


def test_two_broken_files_are_both_told(desk: Desk) -> None:
    desk.write("[")
    broken = desk.drop_in("10.toml", "]")
    assert [each.file for each in desk.findings()] == [str(desk.file), str(broken)]


def test_a_byte_order_mark_is_harmless(desk: Desk) -> None:
    desk.file.write_text(GOOD, "utf-8-sig")
    assert desk.findings() == []
