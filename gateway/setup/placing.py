"""Putting things in place: nothing is there half, and nothing that was there is lost."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config import ConfigError, DriverFacts, Finding, Settings, load
from config.answers import ENROLLED, NEW, STAND_INS, Answered
from gateway.backup.named import folder_of, named_files, place_in
from gateway.errors import Misconfigured
from gateway.setup import page
from gateway.whole_file import PUBLIC, put

PRIVATE = 0o640
"""Secrets may be read by the folder's group too, so that root can set up for the daemon's user."""
MADE_BY_ENROLMENT = "50-enrolment.toml"


@dataclass(frozen=True, slots=True)
class Written:
    """The file, where the old one is now (None: there was none), and whether it was the same before."""

    path: Path
    kept: Path | None
    was_there: bool


def require_room(config: Path, *, replace: bool, same_as: bytes | None = None) -> None:
    """Raises Misconfigured if the file may not or cannot be written; `same_as`: content that may be there already."""
    if config.exists() and not replace and config.read_bytes() != same_as:
        remedy = "punchgate setup --replace puts another in its place and keeps this one beside it"
        raise Misconfigured(f"{config}: is there already", remedy=remedy)
    folder = config.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise Misconfigured(f"{folder}: cannot be written", remedy="become root, or name a file elsewhere: -c FILE")


def checked(
    answered: Answered, config: Path, drivers: Mapping[str, DriverFacts], environ: Mapping[str, str]
) -> bytes:
    """The configuration, taken by the daemon's own reading as if it were in place. Raises ConfigError."""
    text = page.configuration(answered.tree, answered.setup, config.name).encode()
    enrolled = config.with_name(f"{config.name}.d") / MADE_BY_ENROLMENT
    if answered.setup.enrol in ENROLLED and not enrolled.exists():
        stand_ins = {f"PUNCHGATE_{table}__{key}".upper(): value for (table, key), value in STAND_INS.items()}
        environ = {**stand_ins, **environ}
    load(config, drivers=drivers, environ=environ, instead=text)
    return text


def place(config: Path, text: bytes) -> Written:
    """Put the configuration in place; another one that is there is kept beside it first. Raises NotDurable."""
    old = config.read_bytes() if config.exists() else None
    if old == text:
        return Written(config, None, was_there=True)
    kept = _keep(config, old) if old is not None else None
    put(config, text, PUBLIC)
    return Written(config, kept, was_there=False)


def organisation_key(answered: Answered, config: Path) -> str:
    """The key where the configuration expects it; what was done, in a sentence, "" for nothing.

    Raises ConfigError: it is not to be had, or another one is there.
    """
    source = answered.setup.organisation_key
    if source is None or answered.setup.enrol in ENROLLED:
        return ""
    target = config.parent / answered.key_file
    if source == NEW:
        if target.exists():
            return ""
        put_secret(target, f"{secrets.token_hex(32)}\n".encode())
        return f"{target}: a new key; the other gateways of the organisation need the same"
    data = _taken(answered.folder / source)
    if target.exists() and target.read_bytes() != data:
        remedy = "take the file away if no punch was captured with it; another key makes other tokens"
        raise _refused(f"{target} holds another key", remedy)
    if not target.exists():
        put_secret(target, data)
        return f"{target}: the key from {answered.folder / source}"
    return ""


def check_organisation_key(answered: Answered, config: Path) -> list[Finding]:
    """What will be wrong with the key, before anything is written."""
    from config import read_organisation_key

    if answered.setup.enrol in ENROLLED or answered.setup.organisation_key == NEW:
        return []
    source = answered.setup.organisation_key
    key = "privacy.key_file" if source is None else "setup.organisation_key"
    path = config.parent / answered.key_file if source is None else answered.folder / source
    try:
        read_organisation_key(path, key=key)
    except ConfigError as error:
        return error.findings
    return []


def put_secret(path: Path, data: bytes) -> None:
    """A file for the daemon's user, who is in the folder's group if root puts it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, data, PRIVATE, path.parent.stat().st_gid if os.geteuid() == 0 else None)


def hand_over(settings: Settings, config: Path) -> list[Path]:
    """Secrets in the configuration's folder that its group was meant to read, given to that group; which ones.

    Only root needs to: whoever sets up for himself reads what he writes. Those of an earlier installation may be
    root's own.
    """
    folder = folder_of(config)
    group = folder.stat().st_gid
    given = []
    for named in named_files(settings) if os.geteuid() == 0 else ():
        if place_in(folder, named.path) is None or not named.path.is_file():
            continue
        found = named.path.stat()
        if found.st_gid != group and found.st_uid == 0 and found.st_mode & stat.S_IRGRP and named.secret:
            os.chown(named.path, -1, group, follow_symlinks=False)
            given.append(named.path)
    return given


def _taken(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(f"{path}: {error.strerror}", "name the right file") from error


def _refused(problem: str, remedy: str) -> ConfigError:
    return ConfigError([Finding("", "setup.organisation_key", "", problem, remedy)])


def _keep(config: Path, old: bytes) -> Path:
    """A copy beside it, under a name that is free or holds the same already."""
    number = 1
    while (kept := config.with_name(f"{config.name}.old-{number}")).exists() and kept.read_bytes() != old:
        number += 1
    if not kept.exists():
        put(kept, old, config.stat().st_mode & 0o777)
    return kept
