"""A backup of a running gateway, and a spare box set up from it: nothing is said twice, whoever goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .site import Site, cards, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")


def _capture(site: Site, count: int, start: int) -> int:
    for card in cards(count, start):
        site.wait_captured(site.readers[0], card)
    return int(site.status()["newest"])


def _back_up(site: Site, file: Path) -> None:
    done = punchgate("backup", "create", "--with-secrets", "-c", site.file, file)
    assert done.returncode == 0, done.stderr.decode()


def _stop(box: Site) -> None:
    assert box.daemon is not None
    assert box.daemon.stop() == 0


def test_a_box_restored_beside_the_one_that_goes_on_says_nothing_under_its_epoch(
    site: Site, make_site: Callable[..., Site], tmp_path: Path
) -> None:
    """As when the old box is thought to be dead, and is not: each keeps to an epoch of its own."""
    site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    newest = _capture(site, 10, 0)
    _back_up(site, tmp_path / "box.backup")
    settled = site.wait_settled(newest=_capture(site, 5, 100))
    epoch = site.status()["epoch"]
    _stop(site)
    before = site.export()
    spare = make_site(prefix=site.prefix)
    spare.reader("reader-1")
    spare.write()
    done = punchgate("backup", "restore", "-c", spare.file, tmp_path / "box.backup")
    assert (done.returncode, b"there is already" in done.stderr) == (1, True), "its configuration is another one"
    text = spare.file.read_text()
    done = punchgate("backup", "restore", "--force", "-c", spare.file, tmp_path / "box.backup")
    assert done.returncode == 0, done.stderr.decode()
    assert spare.file.read_text() == site.file.read_text()
    spare.file.write_text(text)  # its port has another path
    spare.start()
    spare.wait_up()
    spare.wait_connected()
    _capture(spare, 4, 200)
    spare.wait_settled(newest=9)
    own = spare.status()["epoch"]
    assert own != epoch
    _stop(spare)
    site.start()
    site.wait_up()
    site.wait_connected()
    _capture(site, 3, 300)
    last = site.wait_settled(newest=settled + 6)
    assert site.status()["epoch"] == epoch, "it is no copy, and is not taken for one"
    assert centre.running
    assert set(before) <= set(site.export())
    streams = {stream["epoch"]: stream for stream in site.coverage()["streams"]}
    assert set(streams) == {epoch, own}
    assert (streams[epoch]["through"], streams[epoch]["missing"], streams[epoch]["conflicts"]) == (last, [], [])
    assert (streams[own]["missing"], streams[own]["conflicts"]) == ([], [])
    first = next(event["data"] for event in site.events() if event["data"]["epoch"] == own)
    assert first["previous"]["epoch"] == epoch
    assert newest <= first["previous"]["seq"] <= settled
    reads = [event for event in site.events() if event["type"] == "punchgate.credential.read.v1"]
    assert len({event["data"]["subject"]["token"] for event in reads}) == len(reads) == 10 + 5 + 4 + 3


def test_what_only_the_backup_had_reaches_the_centre_by_hand(make_site: Callable[..., Site], tmp_path: Path) -> None:
    """The box burns with records that the network never took; the backup has them, under their own names."""
    site = make_site("mqtt://127.0.0.1:1")
    site.reader("reader-1")
    site.start()
    site.wait_up()
    newest = _capture(site, 10, 0)
    epoch = site.status()["epoch"]
    _back_up(site, tmp_path / "box.backup")
    assert site.daemon is not None
    site.daemon.kill()
    for file in [*site.state_dir.iterdir()]:
        file.unlink()
    done = punchgate("backup", "restore", "-c", site.file, tmp_path / "box.backup")
    assert done.returncode == 0, done.stderr.decode()
    aside = site.state_dir / f"journal-{epoch}.aside"
    assert f"journal export --journal {aside} --unsettled" in done.stderr.decode()
    stick = tmp_path / "stick"
    assert punchgate("journal", "export", "-c", site.file, "--journal", aside, "-o", stick).returncode == 0
    done = punchgate("centre", "import", "-c", site.centre_file(), stick)
    assert done.returncode == 0, done.stderr.decode()
    eventually(lambda: len(site.export()) >= newest, "the carried records")
    assert {event["data"]["epoch"] for event in site.events()} == {epoch}


def test_nothing_is_restored_under_a_running_daemon(site: Site, tmp_path: Path) -> None:
    site.reader("reader-1")
    site.start()
    site.wait_up()
    _capture(site, 2, 0)
    _back_up(site, tmp_path / "box.backup")
    done = punchgate("backup", "restore", "--force", "-c", site.file, tmp_path / "box.backup")
    assert (done.returncode, b"stop it first" in done.stderr) == (75, True)
    _capture(site, 2, 100)
