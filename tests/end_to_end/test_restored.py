"""Old copies come back: of the centre's database, of a gateway's journal. Found out, mended or declared lost."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from .ear import Ear
from .site import Site, cards, eventually

pytestmark = pytest.mark.needs("mosquitto")


def _copy_journal(site: Site, folder: Path) -> None:
    folder.mkdir()
    for file in site.state_dir.glob("journal.sqlite*"):
        shutil.copy2(file, folder)


def _put_back(site: Site, folder: Path) -> None:
    for file in site.state_dir.glob("journal.sqlite*"):
        file.unlink()
    for file in folder.iterdir():
        shutil.copy2(file, site.state_dir)


def _captured(site: Site, start: int, count: int = 10) -> int:
    before = site.status()["newest"]
    for card in cards(count, start):
        site.readers[0].swipe(card)
    return site.wait_settled(newest=before + 2 * count)


def _stop(site: Site) -> None:
    assert site.daemon is not None
    assert site.daemon.stop() == 0


def test_a_centre_restored_from_a_backup_gets_again_what_it_has_forgotten(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    _captured(site, 0)
    ledger, backup = site.folder / "ledger.sqlite", site.folder / "backup.sqlite"
    with sqlite3.connect(ledger) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    before = site.coverage()["ledger"]
    newest = _captured(site, 100)
    complete = site.export()
    assert centre.stop() == 0
    _stop(site)
    for file in site.folder.glob("ledger.sqlite*"):
        file.unlink()
    backup.rename(ledger)
    restored = site.centre()
    daemon = site.start()  # says its state at once; a running one says it every 30 s
    restored.wait_for("ledger.restored")
    eventually(lambda: site.export()[: len(complete)] == complete, "replaying what was forgotten")
    assert site.coverage()["ledger"] != before
    site.wait_settled(newest=newest)
    daemon.wait_for("uplink.restored")
    assert ear.on("receipt")[-1].json()["ledger"] == site.coverage()["ledger"]


def test_an_empty_centre_gets_everything_that_is_still_held(site: Site) -> None:
    site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    newest = _captured(site, 0)
    complete = site.export()
    assert centre.stop() == 0
    _stop(site)
    for file in site.folder.glob("ledger.sqlite*"):
        file.unlink()
    site.centre()
    site.start()
    eventually(lambda: site.export()[: len(complete)] == complete, "replaying everything")
    site.wait_settled(newest=newest)


def test_a_rolled_back_journal_is_found_out_and_begins_a_new_epoch(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    _captured(site, 0)
    assert site.daemon is not None
    site.daemon.kill()
    _copy_journal(site, site.folder / "copy")
    site.start()
    site.wait_up()
    old_epoch = site.status()["epoch"]
    old_newest = _captured(site, 100, 40)
    site.daemon.kill()
    _put_back(site, site.folder / "copy")
    daemon = site.start()
    daemon.wait_for("uplink.copy")
    eventually(lambda: site.status()["epoch"] != old_epoch, "a new epoch")
    daemon.wait_for("journal.epoch")
    site.wait_up()
    site.readers[0].swipe("FFFFFFFF01")
    site.wait_settled(newest=3)
    new_epoch = site.status()["epoch"]
    events = [event for event in site.events() if event["data"]["epoch"] == new_epoch]
    first = events[0]
    assert (first["type"], first["data"]["seq"]) == ("punchgate.records.lost.v1", 1)
    assert first["data"]["prev"] == "0" * 64
    assert first["data"]["lost"]["epoch"] == old_epoch
    assert first["data"]["previous"]["epoch"] == old_epoch
    streams = {stream["epoch"]: stream for stream in site.coverage()["streams"]}
    assert streams[old_epoch]["through"] >= old_newest
    assert streams[new_epoch]["missing"] == []
    assert centre.running
    assert any(f"epoch {old_epoch}" in warning for warning in site.status()["warnings"]), "an alarm that stays"
    assert list(site.state_dir.glob("journal-*.aside*")), "what was not settled is set aside, not deleted"
    reads = [event for event in events if event["type"] == "punchgate.credential.read.v1"]
    assert len(reads) == 1


@pytest.mark.parametrize("damage", ["garbage", "truncated"])
def test_a_damaged_journal_is_set_aside_and_the_gateway_goes_on(site: Site, damage: str) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    _captured(site, 0)
    _stop(site)
    file = site.state_dir / "journal.sqlite"
    data = file.read_bytes()
    file.write_bytes(b"not a database, " * 1000 if damage == "garbage" else data[: len(data) // 2 + 100])
    daemon = site.start()
    daemon.wait_for("journal.damaged")
    site.wait_up()
    reader.swipe("FFFFFFFF01")
    site.wait_settled(newest=4)
    assert site.verify()["flaws"] == []
