"""Where the network does not reach, a person carries the records: same names, same bytes, settled in the end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.simulation.broker import Broker

from .conftest import BrokerMaker, SiteMaker
from .site import Site, cards, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")


def _capture(site: Site, count: int, start: int = 0) -> int:
    """Swipe `count` cards; the newest number when all their records are durable."""
    before = site.status()["newest"]
    for card in cards(count, start):
        site.readers[0].swipe(card)
    return int(eventually(lambda: (now := site.status()["newest"]) >= before + 2 * count and now, "capturing"))


def _export(site: Site, stick: Path, *options: str) -> str:
    done = punchgate("journal", "export", "-c", site.file, "-o", stick, *options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _without_a_broker(make_site: SiteMaker, broker: Broker) -> Site:
    """A site with one reader, whose daemon has started while the broker is stopped."""
    site = make_site(broker.url)
    site.reader("reader-1")
    broker.stop()
    site.start()
    site.wait_up()
    return site


def _import(site: Site, stick: Path, command: str = "journal") -> dict[str, int]:
    done = punchgate(command, "import", "--json", "-c", site.centre_file(), stick)
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def test_carried_records_are_at_the_centre_once_and_settle_when_the_network_is_back(
    make_site: SiteMaker, own_broker: BrokerMaker, tmp_path: Path
) -> None:
    broker = own_broker()
    site = _without_a_broker(make_site, broker)
    newest = _capture(site, 20)
    said = _export(site, tmp_path / "stick")
    assert f"{newest} records (1..{newest}) of hq/edge-01, epoch {site.status()['epoch']}" in said
    assert (tmp_path / "stick").stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.glob("*stick*")] == ["stick"], "nothing is left beside it"
    assert _import(site, tmp_path / "stick")["new"] == newest
    lines = site.export()
    assert len(lines) == newest
    assert site.status()["settled"] == 0
    broker.start()
    site.centre()
    settled = site.wait_settled(newest=newest)
    assert site.export()[:newest] == lines
    assert site.coverage()["streams"][0]["held"] == settled
    assert _import(site, tmp_path / "stick", "centre") | {"new": 0, "repeated": newest} == _import(
        site, tmp_path / "stick"
    )


def test_only_what_the_centre_lacks_is_carried_if_one_asks_for_it(
    make_site: SiteMaker, own_broker: BrokerMaker, tmp_path: Path
) -> None:
    broker = own_broker()
    site = make_site(broker.url)
    site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    _capture(site, 3)
    settled = site.wait_settled()
    broker.stop()
    newest = _capture(site, 5, start=50)
    said = _export(site, tmp_path / "stick", "--unsettled")
    assert f"{newest - settled} records ({settled + 1}..{newest})" in said
    since = _export(site, tmp_path / "stick", "--since-seq", str(newest))
    assert f"1 records ({newest}..{newest})" in since
    none = _export(site, tmp_path / "stick", "--since-seq", str(newest + 1))
    assert ": 0 records of" in none


def test_an_export_that_cannot_be_written_says_so_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.reader("reader-1")
    site.start()
    site.wait_up()
    done = punchgate("journal", "export", "-c", site.file, "-o", tmp_path / "nowhere" / "stick")
    assert done.returncode == 74
    assert b"No such file or directory; nothing was written; make room there, or name another file" in done.stderr


def test_without_a_journal_there_is_nothing_to_export(site: Site, tmp_path: Path) -> None:
    site.reader("reader-1")
    done = punchgate("journal", "export", "-c", site.write(), "-o", tmp_path / "stick")
    assert (done.returncode, b"there is no journal" in done.stderr) == (74, True)
    assert not list(tmp_path.glob("*stick*"))


def test_what_a_renamed_box_had_under_its_old_name_is_carried_and_not_sent_under_the_new_one(
    make_site: SiteMaker, own_broker: BrokerMaker, tmp_path: Path
) -> None:
    broker = own_broker()
    site = _without_a_broker(make_site, broker)
    _capture(site, 5)
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    site.tables["gateway"]["id"] = "edge-02"
    broker.start()
    site.centre()
    daemon = site.start()
    site.wait_up()
    _capture(site, 3, start=50)
    site.wait_settled()
    former = daemon.wait_for("journal.former")
    assert former["of"] == "hq/edge-01"
    warning = next(said for said in site.status()["warnings"] if former["path"] in said)
    assert f"{former['unsettled']} records" in warning
    assert {event["source"].split("/")[2] for event in site.events()} == {"edge-02"}
    said = _export(site, tmp_path / "stick", "--journal", former["path"], "--unsettled")
    assert f"{former['unsettled']} records (1..{former['unsettled']}) of hq/edge-01" in said
    assert _import(site, tmp_path / "stick")["new"] == former["unsettled"]
    assert {event["source"].split("/")[2] for event in site.events()} == {"edge-01", "edge-02"}
