"""A configuration for strangers: what is harmless is shown, and nothing else, however wrong the file is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config import blanked
from gateway.assembly import driver_facts

GOOD = """\
# call Wang on 13800138000, the password is hunter2hunter2
[gateway]
site = "hq"
id = "edge-01"

[uplink]
url = "mqtts://broker.example:8883"
username = "wang.wei"
password_file = "secrets/there"
key_file = "hunter3hunter3"

[privacy]
key_file = "organisation.key"
credentials = "token"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "socket://10.1.0.9:4370"

  [[ports.devices]]
  id = "gate-1"
  driver = "zk_terminal"
  lane = "lobby-1"
  options = { comm_key = 918273, pull_s = 7.5 }
"""


def shown(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> str:
    (tmp_path / "secrets").mkdir(exist_ok=True)
    (tmp_path / "secrets" / "there").write_text("x")
    (tmp_path / "organisation.key").write_text("x")
    file = tmp_path / "punchgate.toml"
    file.write_text(text)
    return json.dumps(blanked(file, driver_facts(), environ or {}).tree)


def test_names_places_and_numbers_are_shown(tmp_path: Path) -> None:
    text = shown(tmp_path, GOOD)
    for word in (
        "hq",
        "edge-01",
        "broker.example:8883",
        "secrets/there",
        "organisation.key",
        "lobby-1",
        "10.1.0.9:4370",
    ):
        assert word in text
    assert '"pull_s": 7.5' in text


@pytest.mark.parametrize("secret", ["13800138000", "hunter2", "wang", "hunter3hunter3", "918273"])
def test_comments_user_names_and_secrets_are_not(tmp_path: Path, secret: str) -> None:
    assert secret not in shown(tmp_path, GOOD)


@pytest.mark.parametrize(
    "wrong",
    [
        'passwrod = "s3cretWord"',
        'settle = "s3cretWord"',
        'window = "s3cretWord"',
        'ca_file = "s3cretWord"',
        'insecure = ["s3cretWord"]',
        'prefix = { deep = "s3cretWord" }',
    ],
)
def test_a_secret_in_a_wrong_place_is_not_shown(tmp_path: Path, wrong: str) -> None:
    text = shown(tmp_path, GOOD.replace("[uplink]", f"[uplink]\n{wrong}"))
    assert "s3cretWord" not in text


@pytest.mark.parametrize("where", ["[new]\nkey = ", "[[lanes]]\npin = ", "[[lanes]]\nmode = ", "[log]\nlevel = "])
def test_neither_is_one_in_a_table_nobody_knows(tmp_path: Path, where: str) -> None:
    assert "s3cretWord" not in shown(tmp_path, f'{GOOD}\n{where}"s3cretWord"\n')


def test_a_password_within_a_url_is_not_shown(tmp_path: Path) -> None:
    text = shown(tmp_path, GOOD.replace("mqtts://broker", "mqtts://wang:s3cretWord@broker"))
    assert "s3cretWord" not in text


def test_variables_of_the_environment_count_like_the_file(tmp_path: Path) -> None:
    text = shown(tmp_path, GOOD, {"PUNCHGATE_UPLINK__USERNAME": "li.na", "PUNCHGATE_UPLINK__PREFIX": "other/v1"})
    assert "li.na" not in text
    assert "other/v1" in text


@pytest.mark.parametrize(
    "text",
    ["", "[[gateway]]\nid = 1\n", "ports = 7\nlanes = 'x'\n", "[gateway\n", "\x00", "[uplink]\nurl = 1979-05-27\n"],
)
def test_it_never_fails(tmp_path: Path, text: str) -> None:
    shown(tmp_path, text)
