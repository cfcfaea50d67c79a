"""What a backup holds, for whom, and what it leaves out and says so."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

import pytest
from backup_bench import CONFIG, DROP_IN, KEY, PASSWORD, Box, manifest, members, moment
from key_pairs import lay, pair

from gateway.journal import Store, find_journal
from gateway.journal.overflow import Overflow
from gateway.records import Draft, Notice
from gateway.signature import PublicKey


def test_a_backup_holds_configuration_drop_ins_journal_and_registry(box: Box) -> None:
    epoch = box.record(20, settled=5)
    box.register()
    file = box.back_up()
    found, told = members(file), manifest(file)
    assert list(found) == [
        "manifest.json",
        "punchgate.toml",
        "drop-ins/50-size.toml",
        "files/broker-ca.pem",
        "devices.json",
        "journal.sqlite",
    ]
    assert (found["punchgate.toml"], found["drop-ins/50-size.toml"]) == (CONFIG.encode(), DROP_IN.encode())
    assert (told["site"], told["gateway"], told["secrets"]) == ("hq", "edge-01", False)
    assert told["journal"] | {"head": ""} == {
        "epoch": epoch, "oldest": 1, "newest": 20, "settled": 5, "unsettled": 15, "head": "", "version": 2,
    }  # fmt: skip
    for part in told["parts"]:
        data = found[part["name"]]
        assert (part["size"], part["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_secrets_are_in_it_only_if_asked_for_and_said_to_be_missing_otherwise(box: Box) -> None:
    box.record(3)
    box.register()
    without = b"".join(members(box.back_up()).values())
    assert KEY.encode() not in without
    assert PASSWORD.encode() not in without
    said = box.run("backup", "create", box.folder.parent / "said.backup").out
    assert f"not in it: privacy.key_file: {box.folder}/organisation.key: a secret; --with-secrets" in said
    file = box.back_up("--with-secrets", name="with.backup")
    found = members(file)
    assert found["files/organisation.key"].decode().strip() == KEY
    assert found["files/keys/broker.password"].decode().strip() == PASSWORD
    assert manifest(file)["left_out"] == []


def test_a_backup_is_for_its_owner_only_and_leaves_nothing_beside_it(box: Box) -> None:
    box.record(3)
    file = box.back_up()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in file.parent.iterdir()) == ["box", "box.backup"]


def test_a_backup_that_is_there_is_replaced_only_if_one_says_so(box: Box) -> None:
    box.record(3)
    file = box.back_up()
    before = file.read_bytes()
    done = box.run("backup", "create", file)
    assert (done.code, "is there already; name another file, or replace it with --force" in done.err) == (1, True)
    assert file.read_bytes() == before
    box.record(3)
    assert box.run("backup", "create", "--force", file).code == 0
    assert manifest(file)["journal"]["newest"] == 6


def test_a_place_that_takes_no_file_is_said_and_nothing_is_left(box: Box) -> None:
    box.record(3)
    done = box.run("backup", "create", box.folder / "nowhere" / "box.backup")
    assert (done.code, "nothing was written; make room there" in done.err) == (74, True)


def test_without_a_name_it_is_called_after_gateway_and_time(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.record(3)
    monkeypatch.chdir(box.folder.parent)
    assert box.run("backup", "create").code == 0
    (file,) = box.folder.parent.glob("punchgate-hq-edge-01-20??????T??????Z.backup")
    assert manifest(file)["journal"]["newest"] == 3


def test_a_journal_that_is_written_to_meanwhile_is_copied_as_it_was_at_one_instant(box: Box) -> None:
    """The writer commits all the time; the copy neither waits for an end of it nor begins anew without end."""
    box.record(500)
    store = Store(find_journal(box.state), ("hq", "edge-01", "Asia/Shanghai"))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with store.transaction():
                store.append([Draft(Notice(kind="device.up", device="reader-1"), moment())] * 1, 0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        file = box.back_up()
    finally:
        stop.set()
        writer.join()
        store.close()
    told = manifest(file)["journal"]
    copy = box.folder / "copy.sqlite"
    copy.write_bytes(members(file)["journal.sqlite"])
    reader = box.reader(copy)
    assert reader.stats().head == told["head"]
    assert len(reader.lines(1, 2**62, 2**62, 2**62)) == told["newest"] >= 500
    assert [path.name for path in box.folder.glob("copy.sqlite-*")] == [], "it needs no log beside it"
    reader.close()


def test_a_damaged_journal_makes_no_backup(box: Box) -> None:
    box.record(2000)
    path = find_journal(box.state)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 65536)
    done = box.run("backup", "create", box.folder.parent / "box.backup")
    assert (done.code, "the journal cannot be copied" in done.err) == (74, True)
    assert not (box.folder.parent / "box.backup").exists()


def test_a_gateway_that_never_ran_has_a_backup_of_its_configuration(box: Box) -> None:
    done = box.run("backup", "create", file := box.folder.parent / "box.backup")
    assert (done.code, "there is no journal yet" in done.err) == (0, True)
    assert manifest(file)["journal"] is None


def test_what_lies_elsewhere_or_in_the_environment_is_named_as_missing(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.pem"
    elsewhere.write_text("a certificate")
    box.config.write_text(CONFIG.replace('"broker-ca.pem"', f'"{elsewhere}"'))
    box.record(3)
    monkeypatch.setenv("PUNCHGATE_UPLINK__USERNAME", "nobody-must-see")
    file = box.back_up()
    out = {each["what"]: each["why"] for each in manifest(file)["left_out"]}
    assert out[f"uplink.ca_file: {elsewhere}"] == f"lies outside of {box.folder}, where a restore may write"
    assert out["PUNCHGATE_UPLINK__USERNAME"] == "a variable of the environment, not of a file"
    assert b"nobody-must-see" not in b"".join(members(file).values())


def test_records_that_wait_in_the_emergency_ring_are_said_to_be_missing(box: Box) -> None:
    epoch = box.record(3)
    overflow = Overflow(find_journal(box.state), 256 * 1024)
    overflow._ring.allocate()
    overflow.keep([[Draft(Notice(kind="device.up", device="reader-1"), moment())]], epoch)
    overflow.close()
    done = box.run("backup", "create", file := box.folder.parent / "box.backup")
    assert "the emergency ring is in use and not in the backup: 1 groups of records wait" in done.err
    assert [each["what"] for each in manifest(file)["left_out"]][-1] == "the emergency ring"


def test_it_is_signed_where_the_gateway_has_a_key_and_the_signature_is_looked_at(box: Box) -> None:
    private, public = pair(7)
    lay(box.folder / "sign.pem", private)
    own, other = lay(box.folder / "own.pub", public), lay(box.folder / "other.pub", pair(8)[1])
    unsigned = box.back_up(name="unsigned.backup")
    box.config.write_text(CONFIG + '\n[sign]\nkey_file = "sign.pem"\n')
    file = box.back_up()
    PublicKey(public, "").check(members(file)["manifest.json"], "ours")
    assert b"PRIVATE KEY" not in b"".join(members(file).values())
    assert box.do("backup", "verify", file, "--key", own).code == 0
    done = box.do("backup", "verify", file, "--key", other)
    assert (done.code, "signature is not that of this gateway's key" in done.err) == (1, True)
    done = box.do("backup", "verify", unsigned, "--key", own)
    assert (done.code, "message is not signed" in done.err) == (1, True)
