"""What only the site knows: who this box is, and where its centre answers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from config.answers import KEY_FILE, NEW, Setup
from config.broker import Broker, is_loopback, split
from config.findings import ConfigError
from config.secrets import read_organisation_key
from config.settings import Gateway, Uplink
from gateway.errors import Misconfigured
from gateway.setup.asking import agree, ask, ask_key, choose, say
from gateway.setup.draft import Draft
from gateway.setup.service import OF_THE_UNIT

ETC = Path("/etc")


def ask_where(draft: Draft, config: Path) -> None:
    """[gateway]"""
    said = draft.table("gateway")
    say("\nThis box")
    said["site"] = ask_key("Name of the site", Gateway, "site", said.get("site"))
    said["id"] = ask_key("Name of this gateway", Gateway, "id", said.get("id", _host_name()))
    said["timezone"] = ask_key("Time zone of the site", Gateway, "timezone", said.get("timezone", _time_zone()))
    if config != OF_THE_UNIT:
        question = "Folder of the journal, on a disk that survives a power cut"
        said["state_dir"] = ask_key(question, Gateway, "state_dir", said.get("state_dir", "state"))
    draft.save()


def ask_centre(draft: Draft, config: Path) -> None:
    """[setup], [uplink] and [privacy]"""
    say("\nThe centre")
    say("  code   the centre has given out a one-time code for this box")
    say("  files  a request is carried to the centre, and an answer back")
    say("  key    there is no authority: you know the broker, and have the organisation's key or make it")
    said = draft.table("setup")
    said["enrol"] = choose(
        "How does this box become known there?", ("code", "files", "key"), said.get("enrol", "key")
    )
    if said["enrol"] == "key":
        for key in ("centre", "code"):
            said.pop(key, None)
        _ask_broker(draft.table("uplink"))
        _ask_organisation_key(said, config)
    else:
        for table in ("uplink", "privacy"):
            draft.tree.pop(table, None)
        said.pop("organisation_key", None)
        if said["enrol"] == "code":
            said["centre"] = ask_key(
                "Where the centre answers, https://host:port", Setup, "centre", said.get("centre")
            )
            said["code"] = ask("The code", _code)
    draft.save()


def _ask_broker(said: dict[str, Any]) -> None:
    said["url"] = ask_key("The broker, mqtts://host[:8883]", Broker, "url", said.get("url"))
    parts = split(said["url"])
    said.pop("insecure", None)
    if parts and parts.scheme == "mqtt" and not is_loopback(parts.hostname or ""):
        if not agree("Without encryption all can be read on the way. Is that meant?", default=False):
            return _ask_broker(said)
        said["insecure"] = True
    optional = (
        ("ca_file", "Authority of the broker's certificate, a file; empty: one of the system's"),
        ("username", "User at the broker; empty: none"),
    )
    for key, question in optional:
        if key == "ca_file" and parts and parts.scheme == "mqtt":
            continue
        _ask_optional(said, key, question)
    if "username" in said:
        question = "File with the user's password on one line"
        said["password_file"] = ask_key(
            question, Uplink, "password_file", said.get("password_file", "broker.password")
        )
    else:
        said.pop("password_file", None)
    return None


def _ask_optional(said: dict[str, Any], key: str, question: str) -> None:
    text = ask(question, lambda text: text, said.get(key, ""))
    said.pop(key, None)
    if text:
        said[key] = text


def _ask_organisation_key(said: dict[str, Any], config: Path) -> None:
    """Where the key comes from; one that lies where it belongs is taken as it is."""

    def check(text: str) -> str:
        if text == NEW:
            return text
        try:
            read_organisation_key(Path(text).expanduser(), key="the key")
        except ConfigError as why:
            raise ValueError(f"{why.findings[0].file} {why.findings[0].problem}") from None
        return str(Path(text).expanduser().absolute())

    if (config.parent / KEY_FILE).exists():
        said.pop("organisation_key", None)
        say(f"The organisation's key: {config.parent / KEY_FILE}")
        return
    question = 'The organisation\'s key: a file, or "new" on the first gateway of all'
    said["organisation_key"] = ask(question, check, said.get("organisation_key"))


def _code(text: str) -> str:
    """Raises ValueError: it was mistyped."""
    try:
        from gateway.identity.code import read_code

        read_code(text)
    except Misconfigured as why:
        raise ValueError(str(why)) from None
    return text


def _host_name() -> str:
    from config.answers import complaint

    name = socket.gethostname().partition(".")[0].lower()
    return "edge-01" if complaint(Gateway, "id", name) else name


def _time_zone() -> str:
    """What the system goes by, if it has a name; else the default."""
    from config.answers import complaint

    default = str(Gateway.model_fields["timezone"].default)
    try:
        name = (ETC / "timezone").read_text("utf-8").strip()
    except (OSError, ValueError):
        _, found, name = str((ETC / "localtime").resolve()).partition("zoneinfo/")
        name = name if found else ""
    plain = name in ("", "Etc/UTC", "UTC") or complaint(Gateway, "timezone", name)
    return default if plain else name
