"""Old copies come back: of the centre's database, of a gateway's journal. Found out, mended or declared lost."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
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


@pytest.mark.alone
def test_of_what_a_restored_centre_has_forgotten_all_that_is_held_comes_again_and_the_rest_is_declared_lost(
    site: Site, ear: Ear
) -> None:
    """The gateway runs on, and has pruned some of what the backup lacks: nobody restarts it to have it noticed."""
    site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    kept = _captured(site, 0)
    ledger, backup = site.folder / "ledger.sqlite", site.folder / "backup.sqlite"
    with sqlite3.connect(ledger) as source, sqlite3.connect(backup) as target:
        source.backup(target)
    pruned = _captured(site, 100)
    _captured(site, 200)
    epoch, complete = site.status()["epoch"], site.export()
    _stop(site)
    with sqlite3.connect(site.state_dir / "journal.sqlite") as journal:
        journal.execute("DELETE FROM records WHERE seq <= ?", (pruned,))
    site.start()
    site.wait_up()
    newest = _captured(site, 300)
    complete = site.export()
    eventually(lambda: ear.on("state")[-1].json()["settled"] == newest, "saying what is settled")
    assert centre.stop() == 0
    for file in site.folder.glob("ledger.sqlite*"):
        file.unlink()
    backup.rename(ledger)
    restored = site.centre()
    restored.wait_for("ledger.restored", within_s=2.0)
    site.wait_settled(newest=newest + 1)
    after = site.export()
    assert after[:kept] == complete[:kept]
    assert after[kept : kept + newest - pruned] == complete[pruned:newest], "all that is held, bytes unchanged"
    stream = next(stream for stream in site.coverage()["streams"] if stream["epoch"] == epoch)
    assert [(loss["first"], loss["last"], loss["cause"]) for loss in stream["lost"]] == [(kept + 1, pruned, "pruned")]
    assert (stream["missing"], stream["conflicts"], stream["through"]) == ([], [], newest + 1)
    lost = [event["data"]["lost"] for event in site.events() if event["type"] == "punchgate.records.lost.v1"]
    assert [(it["epoch"], it["first"], it["last"], it["cause"]) for it in lost] == [
        (epoch, kept + 1, pruned, "pruned")
    ]


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
    with contextlib.closing(sqlite3.connect(file)) as journal:  # what is in the log beside it would mend the file
        journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = file.read_bytes()
    file.write_bytes(b"not a database, " * 1000 if damage == "garbage" else data[: len(data) // 2 + 100])
    daemon = site.start()
    daemon.wait_for("journal.damaged")
    site.wait_up()
    reader.swipe("FFFFFFFF01")
    site.wait_settled(newest=4)
    assert site.verify()["flaws"] == []


@pytest.fixture
def clone(site: Site, make_site: Callable[..., Site]) -> Site:
    """A box with the card of `site`, cloned after ten swipes; both are stopped. They share a name."""
    clone = make_site(prefix=site.prefix)
    for box in (site, clone):
        box.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    _captured(site, 0)
    _stop(site)
    shutil.copytree(site.state_dir, clone.state_dir, ignore=shutil.ignore_patterns("*.sock", "*.lock"))
    return clone


def _start(box: Site, start: int, count: int) -> str:
    """Start it and swipe; its epoch at the start."""
    box.start()
    box.wait_up()
    epoch = str(box.status()["epoch"])
    for card in cards(count, start):
        box.wait_captured(box.readers[0], card)
    return epoch


def _found_out(box: Site, epoch: str) -> str:
    """The epoch it has begun for itself."""
    assert box.daemon is not None
    box.daemon.wait_for("uplink.copy")
    eventually(lambda: box.status()["epoch"] != epoch, "an epoch of its own")
    return str(box.status()["epoch"])


def _reads(site: Site, epoch: str) -> int:
    return sum(
        event["type"] == "punchgate.credential.read.v1" for event in site.events() if event["data"]["epoch"] == epoch
    )


def test_a_clone_that_comes_second_is_found_out_and_the_first_box_goes_on(site: Site, clone: Site) -> None:
    shared = _start(site, 100, 3)
    site.wait_settled(newest=20 + 6)
    _start(clone, 200, 0)
    own = _found_out(clone, shared)
    for card in cards(3, 300):
        clone.wait_captured(clone.readers[0], card)
    eventually(lambda: _reads(site, own) == 3, "the clone's records", within_s=90.0)
    _stop(clone)
    site.wait_captured(site.readers[0], "0CFFFFFFFF")
    site.wait_settled(within_s=90.0)
    assert site.status()["epoch"] == shared
    assert _reads(site, shared) == 10 + 3 + 1


def test_a_clone_that_is_ahead_is_found_out_and_so_is_the_box_it_has_overtaken(site: Site, clone: Site) -> None:
    """It has newer numbers than the ledger, of which some are free; while the broker was away it made them."""
    url, clone.tables["uplink"]["url"] = clone.tables["uplink"]["url"], "mqtt://127.0.0.1:1"
    shared = _start(clone, 200, 12)
    _stop(clone)
    _start(site, 100, 2)
    site.wait_settled(newest=20 + 4)
    clone.tables["uplink"]["url"] = url
    _start(clone, 300, 0)
    epochs = {_found_out(box, shared) for box in (clone, site)}
    assert len(epochs) == 2
    for box, card in ((clone, "0CFFFFFFFE"), (site, "0CFFFFFFFF")):
        box.wait_captured(box.readers[0], card)
    eventually(lambda: [_reads(site, epoch) for epoch in epochs] == [1, 1], "the records of both", within_s=90.0)
    stream = next(stream for stream in site.coverage()["streams"] if stream["epoch"] == shared)
    assert stream["lost"], "what the clone had made under these numbers is set aside, and said"
    assert stream["conflicts"] == [], "the first receipt was enough"
