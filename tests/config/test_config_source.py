"""pydantic-settings reads the layers of the configuration and nothing else."""

from __future__ import annotations

import pytest
from config_desk import Desk
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from config import CentreSettings, Settings


def test_both_roots_are_pydantic_settings() -> None:
    assert issubclass(Settings, BaseSettings)
    assert issubclass(CentreSettings, BaseSettings)


def test_variables_without_the_prefix_and_dotenv_files_do_not_leak_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak = '{"level": "debug"}'
    monkeypatch.chdir(desk.file.parent)
    desk.file.with_name(".env").write_text(f"LOG={leak}\nPUNCHGATE_LOG={leak}\n")
    for name in ("LOG", "log", "LOG__LEVEL", "JOURNAL"):
        monkeypatch.setenv(name, leak)
    assert desk.load().log.level == "info"


def test_only_the_given_environment_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUNCHGATE_LOG__LEVEL", "debug")
    assert desk.load().log.level == "info"


def test_settings_made_in_code_hold_what_the_code_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = desk.load().model_dump()
    monkeypatch.setenv("GATEWAY", '{"site": "elsewhere"}')
    assert Settings(**whole) == Settings.model_validate(whole) == desk.load()


def test_settings_cannot_be_changed(desk: Desk) -> None:
    settings = desk.load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.log = settings.log
