"""Setting a box up from a backup: what comes back, under which epoch, and what has to be refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import stat
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backup_bench import CONFIG, Box, manifest, moment, rewrite
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway import lock
from gateway.backup import BackupReader
from gateway.clock import Clock
from gateway.directory import Registry
from gateway.errors import Rejected, Transient
from gateway.journal import Journal, Limits, Listeners, Opened, Reader, find_journal
from gateway.journal.overflow import DRAINED, Overflow
from gateway.journal.ring import find_ring, peek
from gateway.journal.store import Store
from gateway.records import Draft, Notice
from gateway.wire import GENESIS, read_line

NAMES = ("hq", "edge-01", "Asia/Shanghai")


def first_record(box: Box) -> dict[str, Any]:
    reader = box.reader()
    try:
        return read_line(reader.lines(1, 1, 1, 1)[0].line).data
    finally:
        reader.close()


def opened(box: Box) -> Opened:
    """What the daemon's journal finds at its start."""

    async def main() -> Opened:
        journal = Journal(box.state, NAMES, Limits(1 << 30, 7 * 86_400_000, ring_bytes=256 * 1024), Clock())
        found = journal.open(Listeners(lambda _: None, lambda _: None, lambda _: None))
        await journal.close()
        return found

    return asyncio.run(main())


def restored(file: Path, spare: Box, *options: object) -> str:
    done = spare.run("backup", "restore", *options, file)
    assert done.code == 0, done.err
    return done.out + done.err


def test_a_spare_box_gets_everything_back(box: Box, spare: Box) -> None:
    box.record(20, settled=5)
    box.register()
    said = restored(box.back_up("--with-secrets"), spare)
    for name in ("punchgate.toml.d/50-size.toml", "organisation.key", "keys/broker.password", "broker-ca.pem"):
        assert (spare.folder / name).read_bytes() == (box.folder / name).read_bytes()
    assert spare.config.read_text() == CONFIG
    assert stat.S_IMODE((spare.folder / "organisation.key").stat().st_mode) == 0o600
    assert f"next: punchgate check -c {spare.config}, then start the daemon" in said
    assert "is not here" not in said
    assert not list(spare.folder.glob(".*"))
    assert not (spare.state / ".restore").exists()


def test_what_is_missing_without_the_secrets_is_said(box: Box, spare: Box) -> None:
    box.record(3)
    said = restored(box.back_up(), spare)
    assert f"privacy.key_file: {spare.folder}/organisation.key is not here; put it there before the start" in said


def test_the_restored_journal_is_another_epoch_that_names_the_one_before(box: Box, spare: Box) -> None:
    epoch = box.record(20, settled=5)
    head = manifest(file := box.back_up())["journal"]["head"]
    restored(file, spare)
    data = first_record(spare)
    assert data["epoch"] != epoch
    assert (data["seq"], data["prev"]) == (1, GENESIS)
    assert data["previous"] == {"epoch": epoch, "seq": 20, "hash": head}
    lost = data["lost"]
    assert (lost["epoch"], lost["first"], lost["last"], lost["count"]) == (epoch, 6, 20, None)


def test_nothing_of_the_old_epoch_can_be_sent_or_closed_by_the_restored_box(box: Box, spare: Box) -> None:
    """Its reads that were open belong to the box that had them; its numbers are nobody's any more."""
    epoch = box.record(20, settled=5)
    restored(box.back_up(), spare)
    found = opened(spare)
    assert (found.epoch != epoch, found.oldest, found.newest) == (True, 1, 2)
    assert found.open_reads == []
    assert list(found.settled) == []
    assert found.receipt == 0


@pytest.mark.parametrize("left", ["-wal", "-shm"])
def test_what_is_left_of_a_journal_that_is_gone_is_not_played_into_the_restored_one(
    box: Box, spare: Box, left: str
) -> None:
    epoch = box.record(3)
    file = box.back_up()
    journal = find_journal(spare.state)
    store = Store(find_journal(box.state), NAMES)
    with store.transaction():
        store.append([Draft(Notice(kind="device.up", device="reader-1"), moment())], 1)
    spare.state.mkdir(parents=True)
    shutil.copy(f"{find_journal(box.state)}{left}", f"{journal}{left}")
    store.close()
    restored(file, spare)
    found = opened(spare)
    assert (found.epoch != epoch, found.newest) == (True, 2)


def test_two_restores_of_one_backup_have_two_epochs(box: Box, spare: Box, tmp_path: Path) -> None:
    box.record(3)
    file = box.back_up()
    other = Box(tmp_path / "other", spare.capsys)
    restored(file, spare)
    restored(file, other)
    assert first_record(spare)["epoch"] != first_record(other)["epoch"]


def test_devices_with_a_memory_go_on_from_their_marks(box: Box, spare: Box) -> None:
    box.record(20)
    restored(box.back_up(), spare)
    assert opened(spare).marks == {"gate-3": "entry 41"}


def test_devices_count_as_unheard_since_the_newest_record_of_the_backup(box: Box, spare: Box) -> None:
    """When the backup was made they were listened to; whether anybody did afterwards this box cannot know."""
    box.record(20)
    box.register()
    restored(box.back_up(), spare)
    registry = Registry(spare.state)
    lost = registry.lost_at("reader-1")
    registry.close()
    assert lost is not None
    assert (lost.boot, lost.time_ms) == ("boot", 1_795_400_000_000)


def test_the_old_records_are_kept_and_what_the_centre_lacks_can_be_carried(
    box: Box, spare: Box, tmp_path: Path
) -> None:
    epoch = box.record(20, settled=5)
    said = restored(box.back_up(), spare)
    aside = spare.state / f"journal-{epoch}.aside"
    assert f"15 records of epoch {epoch} had not reached the centre" in said
    assert f"punchgate journal export --journal {aside} --unsettled" in said
    done = spare.run("journal", "export", "--journal", aside, "--unsettled", "-o", tmp_path / "stick")
    assert f"15 records (6..20) of hq/edge-01, epoch {epoch}" in done.out


def test_nothing_is_overwritten_unless_it_is_wished_and_then_it_is_set_aside(box: Box, spare: Box) -> None:
    box.record(5)
    box.register()
    file = box.back_up("--with-secrets")
    spare.set_up(CONFIG.replace("lobby-1", "gate-1"))
    (spare.folder / "punchgate.toml.d" / "90-more.toml").write_text("[log]\nlevel = 'debug'\n")
    (spare.folder / "broker-ca.pem").write_text("another certificate\n")
    epoch = spare.record(7)
    registry = Registry(spare.state)
    registry.seen("reader-1", "em4100", "/dev/ttyUSB7", "2026-11-23T00:31:07.412Z")
    registry.close()
    before = spare.snapshot()
    done = spare.run("backup", "restore", file)
    assert done.code == 1
    for name in ("punchgate.toml", "90-more.toml", "broker-ca.pem", "journal.sqlite", "devices.json"):
        assert name in done.err
    assert "organisation.key" not in done.err, "what is there already is in nobody's way"
    assert "--force sets all of that aside" in done.err
    assert spare.snapshot() == before
    said = restored(file, spare, "--force")
    after = spare.snapshot()
    for old, new in (
        ("punchgate.toml", "punchgate.toml.aside"),
        ("punchgate.toml.d/90-more.toml", "punchgate.toml.d/90-more.toml.aside"),
        ("broker-ca.pem", "broker-ca.pem.aside"),
        ("state/devices.json", "state/devices.json.aside"),
    ):
        assert after[new] == before[old]
        assert new in said
    assert spare.config.read_text() == CONFIG
    reader = Reader(spare.state / f"journal-{epoch}.aside")
    assert reader.bounds() == (1, 7)
    reader.close()
    assert spare.run("backup", "restore", "--force", file).code == 0, "and it can be done again"


def test_on_the_same_box_the_newer_journal_is_kept_beside_the_backups(box: Box) -> None:
    epoch = box.record(5)
    file = box.back_up()
    box.record(5)
    said = restored(file, box, "--force")
    newer, older = box.state / f"journal-{epoch}.aside", box.state / f"journal-{epoch}.aside-2"
    for path, newest in ((newer, 10), (older, 5)):
        reader = Reader(path)
        assert reader.bounds() == (1, newest)
        reader.close()
    assert f"--journal {newer} --unsettled" in said


def ring_of(box: Box, epoch: str) -> int:
    """One record waits in the emergency ring; the number of its filling."""
    overflow = Overflow(find_journal(box.state), 256 * 1024)
    overflow._ring.allocate()
    overflow.keep([[Draft(Notice(kind="device.tamper", device="reader-1"), moment())]], epoch)
    overflow.close()
    return peek(find_ring(find_journal(box.state)))[0].generation


def types(box: Box) -> list[str]:
    opened(box)
    reader = box.reader()
    try:
        return [read_line(entry.line).type for entry in reader.lines(1, 99, 99, 2**30)]
    finally:
        reader.close()


def test_what_waited_in_the_emergency_ring_of_this_box_is_told_in_the_new_epoch(box: Box) -> None:
    epoch = box.record(5)
    file = box.back_up()
    ring_of(box, epoch)
    restored(file, box, "--force")
    assert "punchgate.device.tamper.v1" in types(box)


@pytest.mark.parametrize("whose", ["taken in already", "another gateway's"])
def test_what_the_ring_holds_is_not_told_a_second_time_nor_under_another_name(box: Box, whose: str) -> None:
    file = box.back_up() if not box.record(5) else box.back_up(name="first.backup")
    if whose == "another gateway's":
        find_journal(box.state).unlink()
        box.record(5, names=("hq", "edge-02", "Asia/Shanghai"))
    store = Store(find_journal(box.state), NAMES)
    generation = ring_of(box, store.origin.epoch)
    if whose == "taken in already":
        with store.transaction():
            store.remember(DRAINED, str(generation))
    store.close()
    restored(file, box, "--force")
    assert "punchgate.device.tamper.v1" not in types(box)
    assert list(box.state.glob("journal.ring.aside"))


def test_while_a_daemon_runs_on_that_state_directory_nothing_is_restored(box: Box, spare: Box) -> None:
    box.record(5)
    file = box.back_up()
    before = box.snapshot()
    with lock.own(box.state):
        done = box.run("backup", "restore", "--force", file)
    assert (done.code, "another punchgate" in done.err) == (75, True)
    assert box.snapshot() == before


def test_a_daemon_cannot_start_in_the_middle_of_a_restore(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.record(5)
    file = box.back_up()
    tried: list[str] = []

    def start(*_: object) -> None:
        try:
            lock.own(box.state)
        except Transient as refusal:
            tried.append(str(refusal))

    monkeypatch.setattr("gateway.backup.restoring._require_room", start)
    restored(file, box, "--force")
    assert len(tried) == 1


def test_a_configuration_that_cannot_be_used_here_changes_nothing(box: Box, spare: Box) -> None:
    box.record(5)

    def stranger(parts: dict[str, bytes], _: dict[str, Any]) -> None:
        parts["punchgate.toml"] = CONFIG.replace('"em4100"', '"from-a-plug-in"').encode()

    done = spare.run("backup", "restore", rewrite(box.back_up(), stranger))
    assert done.code == 78
    assert "the backup's configuration cannot be used here; nothing was changed" in done.err
    assert f"{spare.config}: ports[0].devices[0].driver" in done.err
    assert spare.snapshot() == {}


def test_it_refuses_what_is_no_backup(spare: Box, tmp_path: Path) -> None:
    for name, data in {"empty": b"", "text": b"hello", "zeros": bytes(10_000)}.items():
        (tmp_path / name).write_bytes(data)
        done = spare.run("backup", "restore", tmp_path / name)
        assert (done.code, f"{tmp_path / name}: this is no backup of a punchgate gateway" in done.err) == (1, True)
    assert spare.snapshot() == {}


def test_it_refuses_a_backup_of_a_newer_version_and_names_that(box: Box, spare: Box) -> None:
    box.record(3)
    file = box.back_up()

    def later(_: dict[str, bytes], told: dict[str, Any]) -> None:
        told |= {"format": 2, "version": "9.1", "gateway": {"what": "nobody knows yet"}}

    def newer_journal(_: dict[str, bytes], told: dict[str, Any]) -> None:
        told["version"] = "9.1"
        told["journal"]["version"] = 99

    for change in (later, newer_journal):
        done = spare.run("backup", "restore", rewrite(file, change))
        assert (done.code, "made by punchgate 9.1" in done.err) == (1, True)
        assert "install that version" in done.err
    assert spare.snapshot() == {}


def drop(name: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda parts, _: parts.pop(name) and None


def add(parts: dict[str, bytes], _: dict[str, Any]) -> None:
    parts["files/more"] = b"more"


def outside(place: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    """A file that would be written where nobody expects it."""

    def change(parts: dict[str, bytes], told: dict[str, Any]) -> None:
        parts[f"files/{place}"] = parts.pop("files/broker-ca.pem")
        next(part for part in told["parts"] if "broker-ca" in part["name"])["name"] = f"files/{place}"

    return change


def spoil(parts: dict[str, bytes], _: dict[str, Any]) -> None:
    parts["journal.sqlite"] = bytes(len(parts["journal.sqlite"]))


@pytest.mark.parametrize(
    "change",
    [drop("journal.sqlite"), drop("devices.json"), add, spoil]
    + [outside(place) for place in ("../evil", "/etc/evil", "a/../../evil", ".bashrc", "a/.ssh", "unnamed.pem", "")],
    ids=[
        "gone",
        "lost",
        "more",
        "spoilt",
        "up",
        "absolute",
        "up-again",
        "hidden",
        "hidden-below",
        "unnamed",
        "nameless",
    ],
)
def test_a_backup_that_was_tampered_with_changes_nothing(
    box: Box, spare: Box, change: Callable[[dict[str, bytes], dict[str, Any]], None]
) -> None:
    box.record(3)
    box.register()
    done = spare.run("backup", "restore", rewrite(box.back_up(), change, honest=True))
    assert done.code == 1, done.err
    assert spare.snapshot() == {}
    assert not list(spare.folder.parent.glob("evil*"))


def _says_the_same(data: bytes, whole: bytes) -> bool:
    """Some bits of a compressed stream have no meaning."""
    try:
        return gzip.decompress(data) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


def test_a_byte_that_has_changed_anywhere_is_noticed_before_anything_is_changed(box: Box, spare: Box) -> None:
    box.record(30)
    box.register()
    file = box.back_up()
    whole = file.read_bytes()

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(10, len(whole) - 1), st.integers(1, 255))
    def change(at: int, by: int) -> None:
        file.write_bytes(whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])
        assume(not _says_the_same(file.read_bytes(), whole))
        done = spare.run("backup", "restore", file)
        assert done.code == 1, (at, by, done.out, done.err)
        assert spare.snapshot() == {}

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(whole) - 1))
    def cut(at: int) -> None:
        file.write_bytes(whole[:at])
        assert spare.run("backup", "restore", file).code == 1
        assert spare.snapshot() == {}

    change()
    cut()
    file.write_bytes(whole + b"more")
    assert spare.run("backup", "restore", file).code == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_whatever_the_bytes_a_backup_is_refused_and_nothing_else(data: bytes) -> None:
    import gzip
    import io

    for bytes_ in (data, gzip.compress(data)):
        with pytest.raises(Rejected):
            BackupReader(io.BytesIO(bytes_))


def test_a_restore_that_was_interrupted_can_be_done_again(
    box: Box, spare: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any rename: the next one succeeds, and no daemon could go on with the old epoch in between."""
    epoch = box.record(5)
    box.register()
    file = box.back_up("--with-secrets")
    real, left = Path.rename, [0]

    class Killed(BaseException):
        pass

    def rename(self: Path, target: Any) -> Path:
        if threading.current_thread() is not threading.main_thread():
            return real(self, target)
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        return real(self, target)

    for steps in range(20):
        left[0] = steps
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", rename)
            try:
                ended = spare.run("backup", "restore", "--force", file).code == 0
            except (Killed, pytest.fail.Exception):
                ended = False
        spare.capsys.readouterr()
        if find_journal(spare.state).exists():
            assert first_record(spare)["epoch"] != epoch
        if ended:
            break
        left[0] = 99
        restored(file, spare, "--force")
        assert first_record(spare)["epoch"] != epoch
        for path in sorted(spare.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    else:
        pytest.fail("it never ended")
    assert steps > 3


def test_verify_reads_to_the_end_and_changes_nothing(box: Box) -> None:
    box.record(5)
    file = box.back_up()
    done = box.do("backup", "verify", file)
    assert (done.code, "whole; hq/edge-01" in done.out) == (0, True)
    assert json.loads(box.do("backup", "verify", "--json", file).out) == manifest(file) | {"sig": None}
    file.write_bytes(file.read_bytes()[:-20])
    assert box.do("backup", "verify", file).code == 1


def test_too_little_room_is_said_before_anything_is_changed(
    box: Box, spare: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.record(5)
    file = box.back_up()
    usage = type("Usage", (), {"free": 1024 * 1024})
    monkeypatch.setattr("gateway.backup.restoring.shutil.disk_usage", lambda _: usage)
    done = spare.run("backup", "restore", file)
    assert (done.code, "1 MiB free, 8 MiB are needed; nothing was changed" in done.err) == (74, True)
    assert spare.snapshot() == {}


@pytest.mark.needs("root")
def test_what_root_restores_belongs_to_the_daemons_user(box: Box, spare: Box) -> None:
    """The state to the owner of its directory, other files to whom they belonged; strangers are said."""
    box.record(5)
    box.register()
    shutil.chown(box.folder / "organisation.key", "daemon", "daemon")
    os.chown(box.folder / "keys" / "broker.password", 54321, 54321)
    file = box.back_up("--with-secrets")
    spare.state.mkdir(parents=True)
    os.chown(spare.state, 65534, 65534)
    restored(file, spare)
    owners = {path.name: path.stat().st_uid for path in spare.state.iterdir()}
    assert set(owners.values()) == {65534}, owners
    assert (spare.folder / "organisation.key").owner() == "daemon"

    def by_a_stranger(_: dict[str, bytes], told: dict[str, Any]) -> None:
        next(part for part in told["parts"] if part["name"] == "files/organisation.key")["user"] = "nobody-here"

    for path in (spare.folder / "organisation.key", find_journal(spare.state)):
        path.unlink()
    said = restored(rewrite(file, by_a_stranger), spare, "--force")
    assert "organisation.key: it belonged to nobody-here, unknown on this machine" in said
