"""Making a backup, beside the running daemon or without one: everything is read, nothing is changed."""

from __future__ import annotations

import grp
import gzip
import hashlib
import io
import os
import pwd
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from config import Settings
from gateway.backup import manifest as form
from gateway.backup.manifest import JournalFacts, LeftOut, Manifest, Part
from gateway.backup.named import folder_of, named_files, place_in
from gateway.directory.registry import FILE_NAME as REGISTRY_NAME
from gateway.errors import NotDurable
from gateway.journal import Reader, find_journal
from gateway.journal.ring import count_of, find_ring, peek
from gateway.journal.schema import Error
from gateway.signature import Signer
from gateway.uplink.presence import VERSION
from gateway.wire import compact, timestamp

COMPRESSION = 3
CHUNK = 1024 * 1024
MIB = 1024 * 1024
NO_SECRETS = "a secret; --with-secrets takes it along"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written: its manifest, and what a person should know of it."""

    manifest: Manifest
    remarks: list[str]


@dataclass(slots=True)
class _Contents:
    sources: list[tuple[Part, bytes | Path]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    journal: JournalFacts | None = None


def write_backup(
    out: IO[bytes],
    scratch: Path,
    config: Path,
    settings: Settings,
    *,
    secrets: bool,
    sign: Signer,
    now_ms: int,
    progress: Callable[[int], None],
) -> Made:
    """Write a backup to `out`. `scratch` is an empty folder of the caller's with room for the journal; `progress`
    gets MiB of the journal that are copied.

    Raises NotDurable if the journal cannot be copied, OSError if there is no room or the configuration is gone.
    """
    contents = _Contents()
    _take_configuration(contents, config)
    _take_named_files(contents, config, settings, secrets=secrets)
    _take_environment(contents)
    state_dir = settings.gateway.state_dir
    _take(contents, form.REGISTRY, state_dir / REGISTRY_NAME, "the device registry is not there yet")
    _take_ring(contents, state_dir)
    _take_journal(contents, state_dir, scratch, progress)
    contents.sources.sort(key=lambda source: form.order(source[0].name))
    manifest = Manifest(
        version=VERSION,
        made=timestamp(now_ms),
        site=settings.gateway.site,
        gateway=settings.gateway.id,
        secrets=secrets,
        journal=contents.journal,
        parts=tuple(part for part, _ in contents.sources),
        left_out=tuple(contents.left_out),
    )
    signed = sign(manifest.model_dump(mode="json", exclude={"sig"}))
    _pack(out, compact(signed), contents, now_ms)
    return Made(Manifest.model_validate(signed), contents.remarks)


def _take_configuration(contents: _Contents, config: Path) -> None:
    _add(contents, form.CONFIGURATION, config, config.read_bytes())
    folder = config.with_name(f"{config.name}.d")
    names = sorted(path.name for path in folder.glob("*.toml")) if folder.is_dir() else []
    for name in names:
        if not name.startswith("."):
            _add(contents, f"{form.DROP_INS}{name}", folder / name, (folder / name).read_bytes())


def _take_named_files(contents: _Contents, config: Path, settings: Settings, *, secrets: bool) -> None:
    folder, taken = folder_of(config), set()
    for named in named_files(settings):
        what = f"{named.key}: {named.path}"
        place = place_in(folder, named.path)
        name = f"{form.FILES}{place}"
        if named.secret and not secrets:
            contents.left_out.append(LeftOut(what=what, why=NO_SECRETS))
        elif place is None or not _has_place(name):
            contents.left_out.append(LeftOut(what=what, why=f"lies outside of {folder}, where a restore may write"))
        elif name not in taken:
            taken.add(name)
            _take(contents, name, named.path, "there is no such file", what=what, secret=named.secret)


def _take(
    contents: _Contents, name: str, path: Path, missing: str, *, what: str | None = None, secret: bool = False
) -> None:
    """One small file, if it is there and can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 (opened without waiting for the writer of a pipe)
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = file.read(form.MAX_SMALL_BYTES + 1) if is_file else b""
    except FileNotFoundError:
        contents.left_out.append(LeftOut(what=what or str(path), why=missing))
    except OSError as error:
        contents.left_out.append(LeftOut(what=what or str(path), why=f"cannot be read: {error.strerror}"))
        contents.remarks.append(f"{path} cannot be read and is not in it: {error.strerror}")
    else:
        if is_file and len(data) <= form.MAX_SMALL_BYTES:
            _add(contents, name, path, data, secret=secret)
        else:
            contents.left_out.append(LeftOut(what=what or str(path), why="no file, or too large for one of its kind"))


def _take_environment(contents: _Contents) -> None:
    """What stands in the environment is not in any file; values are not shown, they may be anything."""
    for name in sorted(os.environ):
        if name.startswith("PUNCHGATE_") and "__" in name:
            contents.left_out.append(LeftOut(what=name, why="a variable of the environment, not of a file"))


def _take_ring(contents: _Contents, state_dir: Path) -> None:
    """What waits there has no number yet: restored it would be told twice, by this box and by the other one."""
    with suppress(OSError, ValueError):
        filling, frames, _ = peek(find_ring(find_journal(state_dir)))
        if frames or filling.refused:
            why = f"{len(frames)} groups of records wait in it for room, {count_of(filling.refused)} were refused"
            contents.left_out.append(LeftOut(what="the emergency ring", why=why))
            contents.remarks.append(f"the emergency ring is in use and not in the backup: {why}; make room first")


def _take_journal(contents: _Contents, state_dir: Path, scratch: Path, progress: Callable[[int], None]) -> None:
    path, copy = find_journal(state_dir), scratch / form.JOURNAL
    if not path.exists():
        contents.left_out.append(LeftOut(what=str(path), why="there is no journal yet"))
        contents.remarks.append("there is no journal yet, so none is in it")
        return
    copy.touch(mode=0o600)
    try:
        reader = Reader(path)
        try:
            size = sum(reader.page_bytes())
            reader.copy_to(copy, lambda done, pages: progress(size * done // max(1, pages) // MIB))
        finally:
            reader.close()
        contents.journal = _facts(copy)
    except (Error, ValueError, LookupError) as error:
        raise NotDurable(
            f"{path}: the journal cannot be copied: {error}", remedy="see `punchgate journal verify`"
        ) from error
    with copy.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    owner = _owner(path.stat())
    contents.sources.append(
        (Part(name=form.JOURNAL, size=copy.stat().st_size, sha256=digest, mode=0o640, **owner), copy)
    )


def _facts(copy: Path) -> JournalFacts:
    """Of the copy, not of the journal: that goes on while we look."""
    reader = Reader(copy)
    try:
        stats = reader.stats()
        return JournalFacts(
            epoch=stats.epoch,
            oldest=stats.oldest,
            newest=stats.newest,
            settled=stats.settled,
            unsettled=stats.unsettled,
            head=stats.head,
            version=reader.usable_since(),
        )
    finally:
        reader.close()


def _add(contents: _Contents, name: str, path: Path, data: bytes, *, secret: bool = False) -> None:
    status = path.stat()
    part = Part(
        name=name,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        mode=stat.S_IMODE(status.st_mode) & 0o777,
        secret=secret,
        **_owner(status),
    )
    contents.sources.append((part, data))


def _has_place(name: str) -> bool:
    try:
        Part(name=name, size=0, sha256="0" * 64, mode=0)
    except ValueError:
        return False
    return True


def _owner(status: os.stat_result) -> dict[str, Any]:
    """The names of user and group, empty where they have none."""
    names = {"user": "", "group": ""}
    with suppress(KeyError):
        names["user"] = pwd.getpwuid(status.st_uid).pw_name
    with suppress(KeyError):
        names["group"] = grp.getgrgid(status.st_gid).gr_name
    return names


def _pack(out: IO[bytes], head: bytes, contents: _Contents, now_ms: int) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION, fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, size, source in _members(head, contents):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = size, 0o600, now_ms // 1000
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as data:
                tar.addfile(member, data)


def _members(head: bytes, contents: _Contents) -> Iterator[tuple[str, int, bytes | Path]]:
    yield form.MANIFEST, len(head), head
    for part, source in contents.sources:
        yield part.name, part.size, source
