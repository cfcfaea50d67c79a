"""The centre's file: its own keys, the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import CentreSettings, ConfigError, load_centre


def centre(folder: Path, text: str, **environ: str) -> CentreSettings:
    file = folder / "centre.toml"
    file.write_text(f'[centre]\nurl = "mqtts://broker.example"\n{text}')
    return load_centre(file, environ)


def mistake(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        centre(folder, text, **environ)
    return str(caught.value)


def test_only_the_url_is_needed(tmp_path: Path) -> None:
    settings = centre(tmp_path, "").centre
    assert (settings.host, settings.port, settings.tls, settings.share) == ("broker.example", 8883, True, "punchgate")
    assert (settings.listen_host, settings.listen_port) == ("127.0.0.1", 8080)


def test_the_ledger_stands_in_the_state_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert centre(tmp_path, 'state_dir = "state"').centre.database == str(tmp_path / "state" / "ledger.sqlite")
    assert centre(tmp_path, 'database = "other.sqlite"').centre.database == str(tmp_path / "other.sqlite")


def test_a_postgresql_url_is_taken_as_it_is_and_its_password_never_shown(tmp_path: Path) -> None:
    url = "postgresql://me:hunter2@db/ledger"
    assert centre(tmp_path, f'database = "{url}"').centre.database == url
    assert "hunter2" not in mistake(tmp_path, f'databas = "{url}"')


def test_the_environment_sets_its_keys_and_leaves_the_gateways_alone(tmp_path: Path) -> None:
    settings = centre(tmp_path, "", PUNCHGATE_CENTRE__SHARE="", PUNCHGATE_GATEWAY__SITE="hq", PUNCHGATE_PORTS="[")
    assert settings.centre.share == ""
    assert "PUNCHGATE_CENTRE__SHARE?" in mistake(tmp_path, "", PUNCHGATE_CENTRE__SHRE="x")


def test_a_certificate_needs_tls_key_file_not_the_signing_key(tmp_path: Path) -> None:
    assert "set tls_key_file too" in mistake(tmp_path, 'cert_file = "c.pem"\nkey_file = "sign.pem"')


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:99999", "http://x:1", "a@b:1", "[::1:80", ":80"])
def test_an_address_without_a_port_is_refused(tmp_path: Path, listen: str) -> None:
    assert "for example 127.0.0.1:8080" in mistake(tmp_path, f'listen = "{listen}"')


def test_mqtt_in_the_clear_is_refused_off_the_loopback(tmp_path: Path) -> None:
    file = tmp_path / "centre.toml"
    file.write_text('[centre]\nurl = "mqtt://broker.example"\n')
    with pytest.raises(ConfigError, match=r"centre\.url.*insecure = true"):
        load_centre(file, {})
