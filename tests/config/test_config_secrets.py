"""Secrets are read from files and never shown; who else can read them is reported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config import ConfigError, exposure, read_organisation_key, read_password

HEX = "00112233445566778899aabbccddeeff" * 2


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "organisation.key"
    file.write_text(f"{HEX}\n")
    file.chmod(0o600)
    return file


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_organisation_key(path)
    assert caught.value.findings[0].key == "privacy.key_file"
    assert HEX[:40] not in str(caught.value)
    return str(caught.value)


def test_a_key_without_a_name_is_k1(secret: Path) -> None:
    assert read_organisation_key(secret) == ("k1", bytes.fromhex(HEX))


def test_a_key_may_carry_its_name(secret: Path) -> None:
    secret.write_text(f"2026-a:{HEX.upper()}")
    assert read_organisation_key(secret) == ("2026-a", bytes.fromhex(HEX))


@pytest.mark.parametrize(
    "text", [HEX[:-1], HEX + "0", f"k 1:{HEX}", f"{HEX}\n{HEX}\n", "", "\n", f":{HEX}", "x" * 64]
)
def test_a_malformed_key_is_refused_without_being_shown(secret: Path, text: str) -> None:
    secret.write_text(text)
    assert str(secret) in refusal(secret)


def test_a_missing_key_is_told(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "nowhere")


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    assert "is not a file" in refusal(tmp_path)


def test_a_pipe_is_no_key_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_key_open_to_everybody_is_read_and_reported_with_the_command_that_mends_it(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    found = exposure(secret, key="privacy.key_file")
    assert found is not None
    assert f"privacy.key_file: is open to every user of this machine (mode {mode:04o})" in str(found)
    assert f"chmod 600 {secret}" in found.remedy
    assert read_organisation_key(secret)[0] == "k1"


def test_a_key_its_group_may_read_is_no_exposure(secret: Path) -> None:
    secret.chmod(0o640)
    assert exposure(secret, key="privacy.key_file") is None


def test_a_credential_from_systemd_is_taken_as_it_is(secret: Path) -> None:
    secret.chmod(0o444)
    assert exposure(secret, key="privacy.key_file", environ={"CREDENTIALS_DIRECTORY": str(secret.parent)}) is None


def test_what_is_no_file_is_left_to_reading_it(tmp_path: Path) -> None:
    assert exposure(tmp_path / "nowhere", key="k") is None
    assert exposure(tmp_path, key="k") is None


def test_a_password_is_the_only_line_with_its_blanks(secret: Path) -> None:
    secret.write_text(" pass word \r\n")
    assert read_password(secret) == " pass word "


def test_a_password_that_is_not_text_is_refused(secret: Path) -> None:
    secret.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_password(secret)
