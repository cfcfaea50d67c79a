"""Putting a backup in place: everything is looked at and laid ready first, then it is renamed into place.

Nothing is overwritten: what stands where something belongs is set aside under another name, and only if that is
wished. Interrupted, a restore can be done again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from config import Settings
from gateway import assembly
from gateway.backup import manifest as form
from gateway.backup.archive import BackupReader
from gateway.backup.manifest import Manifest, Part
from gateway.backup.named import folder_of, named_files, place_in
from gateway.backup.placing import aside, give_to, give_to_owner, holds, write
from gateway.backup.staging import alone_since, begin_after, is_drained, look_back
from gateway.clock import Clock
from gateway.directory.registry import FILE_NAME as REGISTRY_NAME
from gateway.errors import Misconfigured, NotDurable, Rejected
from gateway.journal import Previous, find_journal
from gateway.journal.aside import free_name, set_aside
from gateway.journal.ring import find_ring
from gateway.journal.schema import Error, sync
from gateway.lock import own

MIB = 1024 * 1024
SPARE_BYTES = 8 * MIB
STAGE = ".restore"
SECRET_MODE = 0o640


@dataclass(slots=True)
class Restored:
    """What was done: where files were put, what was set aside, the epoch before, where its journal lies, remarks."""

    manifest: Manifest
    put: list[Path] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    previous: Previous | None = None
    kept: Path | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What belongs where, and what stands in the way."""

    files: list[tuple[Part, bytes, Path]]
    obstacles: list[Path]


def restore(
    reader: BackupReader, config: Path, *, force: bool, clock: Clock, progress: Callable[[int], None]
) -> Restored:
    """Restore to the configuration `config` and the state directory it names. `progress` gets MiB of the journal.

    Raises Rejected (damaged; something is there already), Transient (a daemon runs there), Misconfigured (the
    configuration cannot be used here), NotDurable.
    """
    parts = reader.small_parts()
    try:
        with _staged(config, parts) as settings, _owned(settings.gateway.state_dir, reader.manifest):
            state_dir = settings.gateway.state_dir
            done = Restored(reader.manifest)
            plan = _plan(reader.manifest, parts, config, settings)
            _require_way(plan, force=force)
            _require_room(reader.manifest, state_dir)
            stage = _fresh(state_dir / STAGE)
            _stage_state(reader, parts, stage, settings, clock, progress, done)
            _put_files(plan, done)
            _put_state(stage, state_dir, reader.manifest, done)
            stage.rmdir()
            give_to_owner(state_dir)
            done.remarks += _lacking(settings)
            return done
    except Error as error:
        raise NotDurable(
            f"the journal cannot be restored: {error}", remedy="look at the disk, then try again"
        ) from error
    except OSError as error:
        where = error.filename or "the backup"
        raise NotDurable(
            f"{where}: {error.strerror or error}; the restore is not complete",
            remedy="mend that, then restore again with --force",
        ) from error


@contextmanager
def _staged(config: Path, parts: dict[str, bytes]) -> Iterator[Settings]:
    """The settings that the configuration will have in its place: read there, under a hidden name."""
    draft = config.with_name(f".{config.name}.restore")
    drop_ins = draft.with_name(f"{draft.name}.d")
    with ExitStack() as stack:
        config.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        stack.callback(shutil.rmtree, drop_ins, ignore_errors=True)
        stack.callback(draft.unlink, missing_ok=True)
        shutil.rmtree(drop_ins, ignore_errors=True)
        drop_ins.mkdir(mode=0o700)
        write(draft, parts[form.CONFIGURATION], 0o600)
        for name, data in parts.items():
            if name.startswith(form.DROP_INS):
                write(drop_ins / name.removeprefix(form.DROP_INS), data, 0o600)
        try:
            settings = assembly.read_settings(draft)
        except Misconfigured as error:
            said = error.message.replace(str(draft), str(config))
            raise Misconfigured(
                f"the backup's configuration cannot be used here; nothing was changed:\n{said}"
            ) from error
        yield settings


@contextmanager
def _owned(state_dir: Path, manifest: Manifest) -> Iterator[None]:
    """The state directory for ourselves; one that has to be made belongs to whom the old one did."""
    is_new, part = not state_dir.exists(), manifest.part(form.JOURNAL) or manifest.part(form.REGISTRY)
    with own(state_dir):
        if is_new and part is not None:
            give_to(state_dir, part.user, part.group)
        yield


def _plan(manifest: Manifest, parts: dict[str, bytes], config: Path, settings: Settings) -> _Plan:
    folder, drop_ins = folder_of(config), config.with_name(f"{config.name}.d")
    named = {place_in(folder, each.path) for each in named_files(settings)}
    files: list[tuple[Part, bytes, Path]] = []
    for part in manifest.parts:
        if part.name == form.CONFIGURATION:
            files.append((part, parts[part.name], config))
        elif part.name.startswith(form.DROP_INS):
            files.append((part, parts[part.name], drop_ins / part.name.removeprefix(form.DROP_INS)))
        elif part.name.startswith(form.FILES):
            if str(part.place) not in named:
                raise Rejected(
                    f"it brings {part.place}, which its configuration does not name under {config}",
                    remedy="give -c the path that the configuration had",
                )
            files.append((part, parts[part.name], folder / part.place))
    obstacles = [path for _, data, path in files if os.path.lexists(path) and not holds(path, data)]
    ours = {path for _, _, path in files}
    if drop_ins.is_dir():
        obstacles += sorted(path for path in drop_ins.glob("*.toml") if path not in ours)
    state_dir = settings.gateway.state_dir
    if manifest.journal is not None and find_journal(state_dir).exists():
        obstacles.append(find_journal(state_dir))
    registry = state_dir / REGISTRY_NAME
    if form.REGISTRY in parts and registry.exists() and not holds(registry, parts[form.REGISTRY]):
        obstacles.append(registry)
    return _Plan(files, obstacles)


def _require_way(plan: _Plan, *, force: bool) -> None:
    if plan.obstacles and not force:
        there = ", ".join(map(str, plan.obstacles))
        raise Rejected(
            f"nothing was changed: there is already {there}", remedy="--force sets all of that aside and goes on"
        )


def _require_room(manifest: Manifest, state_dir: Path) -> None:
    free, wanted = shutil.disk_usage(state_dir).free, manifest.size() + SPARE_BYTES
    if free < wanted:
        raise NotDurable(
            f"{state_dir}: {free // MIB} MiB free, {wanted // MIB} MiB are needed; nothing was changed",
            remedy="make room there",
        )


def _fresh(stage: Path) -> Path:
    """An empty folder; what an interrupted restore left in it was never in place."""
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    return stage


def _stage_state(
    reader: BackupReader,
    parts: dict[str, bytes],
    stage: Path,
    settings: Settings,
    clock: Clock,
    progress: Callable[[int], None],
    done: Restored,
) -> None:
    """Unpack and check journal and registry, and make the epoch that follows."""
    gateway, last = settings.gateway, None
    copy = stage / "copy.sqlite"
    try:
        with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb") as out:
            reader.journal(out, progress)
            out.flush()
            os.fsync(out.fileno())
        if reader.manifest.journal is None:
            copy.unlink()
        else:
            names = (gateway.site, gateway.id, gateway.timezone)
            done.previous, last = begin_after(copy, find_journal(stage), names, clock.now())
        if form.REGISTRY in parts:
            write(stage / REGISTRY_NAME, parts[form.REGISTRY], 0o640)
            alone_since(stage, last)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def _put_files(plan: _Plan, done: Restored) -> None:
    """The configuration last: until it is there, the next start uses the one before."""
    keep = {path for _, _, path in plan.files}
    for path in plan.obstacles:
        if path not in keep and path.suffix == ".toml":
            done.aside.append(aside(path))
    for part, data, path in sorted(plan.files, key=lambda file: file[0].name == form.CONFIGURATION):
        if holds(path, data):
            continue
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        part_path = path.with_name(f".{path.name}.part")
        write(part_path, data, part.mode & SECRET_MODE if part.secret else part.mode)
        if (problem := give_to(part_path, part.user, part.group)) is not None:
            done.remarks.append(f"{path}: {problem}")
        if os.path.lexists(path):
            done.aside.append(aside(path))
        part_path.rename(path)
        sync(path.parent)
        done.put.append(path)


def _put_state(stage: Path, state_dir: Path, manifest: Manifest, done: Restored) -> None:
    """The new journal last: it is what the next start goes on with."""
    journal, registry = find_journal(state_dir), state_dir / REGISTRY_NAME
    if (stage / REGISTRY_NAME).exists():
        if registry.exists():
            done.aside.append(aside(registry))
        (stage / REGISTRY_NAME).rename(registry)
        done.put.append(registry)
    if manifest.journal is None or done.previous is None:
        return
    if journal.exists():
        before = look_back(journal)
        if before.names != (manifest.site, manifest.gateway) or is_drained(before, find_ring(journal)):
            with suppress(FileNotFoundError):
                done.aside.append(aside(find_ring(journal)))
        done.aside.append(set_aside(journal, before.epoch))
        done.remarks.append(
            f"the journal that was here, epoch {before.epoch}, is set aside; what the centre lacks of it can be "
            f"carried: punchgate journal export --journal {done.aside[-1]} --unsettled"
        )
    elif any(Path(f"{journal}{suffix}").exists() for suffix in ("-wal", "-shm")):
        set_aside(journal, "unknown")  # or SQLite would play the log of a file that is gone into the new one
    done.kept = free_name(journal, manifest.journal.epoch)
    (stage / "copy.sqlite").rename(done.kept)
    find_journal(stage).rename(journal)
    sync(state_dir)
    done.put.append(journal)


def _lacking(settings: Settings) -> list[str]:
    """The files that the restored configuration names and that are not here."""
    return [
        f"{named.key}: {named.path} is not here; put it there before the start"
        for named in named_files(settings)
        if not named.path.exists()
    ]
