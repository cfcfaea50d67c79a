"""Malformed messages at either end: refused, counted, said once per kind and minute; nothing is lost by them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator

import pytest

from gateway.simulation.broker import HOST, Broker

from .ear import Ear
from .site import Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

EPOCH = "0" * 16
GOOD = {"ledger": "strange", "receipt": 1, "epoch": EPOCH, "through": 1, "missing": [], "seen": 1, "rejected": []}
JUNK = [
    b"",
    b"\x00\xff junk",
    b"[]",
    b"null",
    b'"through"',
    b"{" * 50_000,
    json.dumps(GOOD).encode(),
    json.dumps(GOOD | {"epoch": "another"}).encode(),
    json.dumps(GOOD | {"through": "7"}).encode(),
    json.dumps(GOOD | {"through": -1}).encode(),
    json.dumps(GOOD | {"through": 2**70}).encode(),
    json.dumps(GOOD | {"through": True}).encode(),
    json.dumps(GOOD | {"missing": [[1]]}).encode(),
    json.dumps(GOOD | {"missing": [[1, 2]] * 1000}).encode(),
    json.dumps(GOOD | {"missing": [[5, 2]]}).encode(),
    json.dumps(GOOD | {"rejected": [{"seq": "x"}]}).encode(),
    json.dumps(GOOD | {"service": "x" * 1_000_000}).encode(),
]


@pytest.fixture
def mouth(site: Site, broker: Broker) -> Iterator[Ear]:
    """A stranger who talks but does not listen to records: the broker knows nobody who does."""
    with Ear(HOST, broker.port, site.prefix, "nothing") as ear:
        yield ear


def test_malformed_receipts_settle_nothing_and_are_said_once(site: Site, mouth: Ear) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    epoch = site.wait_captured(reader, "0C00000001")["epoch"]
    for _ in range(3):
        for junk in JUNK:
            own = junk.replace(EPOCH.encode(), epoch.encode()) if b"7" in junk else junk
            mouth.tell(f"hq/{site.name}/receipt", own)
    site.wait_captured(reader, "0C00000002")
    assert site.status()["settled"] == 0
    refused = eventually(lambda: daemon.said("receipt.refused"))
    assert len(refused) == len({row["reason"] for row in refused})
    assert daemon.said("gateway.bug") == []
    site.centre()
    site.wait_settled(newest=5)


def test_a_receipt_of_another_epoch_is_refused(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    status = site.wait_captured(reader, "0C00000001")
    ear.tell(f"hq/{site.name}/receipt", json.dumps(GOOD | {"epoch": "f" * 16, "through": 3, "seen": 3}).encode())
    daemon.wait_for("receipt.refused")
    assert (site.status()["settled"], site.status()["epoch"]) == (0, status["epoch"])


def test_what_the_centre_rejects_goes_into_quarantine_and_the_rest_settles(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    status = site.wait_captured(reader, "0C00000001")
    newest = status["newest"]
    receipt = {"epoch": status["epoch"], "through": newest, "seen": newest, "rejected": [{"seq": 2, "reason": "no"}]}
    ear.tell(f"hq/{site.name}/receipt", json.dumps(GOOD | receipt).encode())
    daemon.wait_for("records.refused")
    eventually(lambda: site.status()["settled"] == newest)
    shown = json.loads(punchgate("journal", "show", "2", "-c", site.file).stdout)
    assert shown["refused"] == "no"


def test_malformed_records_at_the_centre_are_refused_and_the_good_ones_kept(site: Site, broker: Broker) -> None:
    site.forked = False
    reader = site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    reader.swipe("0C00000001")
    site.wait_settled(newest=4)
    line = site.export()[-1]
    with Ear(HOST, broker.port, site.prefix) as ear:
        records = f"hq/{site.name}/records"
        for junk in [b"", b"\xff\xfe", b"{}", b"[1,2]", b"\n\n\n", b"{" * 40_000, line[:-5], line * 200]:
            ear.tell(records, junk)
        ear.tell(records, b"no zlib", encoding="deflate")
        ear.tell(records, zlib.compress(b"\0" * 64 * 1024 * 1024, 9), encoding="deflate")
        ear.tell(records, line, encoding="brotli")
        ear.tell("hq/edge-77/records", line)
        ear.tell("Not A Site/x/records", line)
        ear.tell(f"hq/{site.name}/state", b"not json")
        ear.tell(records, line)
    reader.swipe("0C00000002")
    newest = site.wait_settled(newest=6)
    assert centre.running
    assert len(site.export()) == newest
    assert centre.rss_mib() < 200
    said = [(row["part"], row["reason"]) for row in centre.said("message.malformed")]
    assert len(said) == len(set(said)) >= 3


def test_a_changed_record_under_a_known_name_is_kept_beside_it_and_raises_an_alarm(
    site: Site, broker: Broker
) -> None:
    reader = site.reader("reader-1")
    centre = site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    reader.swipe("0C00000001")
    newest = site.wait_settled(newest=4)
    before = site.export()
    with Ear(HOST, broker.port, site.prefix) as ear:
        ear.tell(f"hq/{site.name}/records", before[-1].replace(b"assumed", b"ASSUMED"))
        ear.tell(f"hq/{site.name}/records", before[-1])
    centre.wait_for("record.conflict")
    assert site.export() == [*before, before[-1].replace(b"assumed", b"ASSUMED")]
    assert len(before) == newest
    assert len(site.coverage()["streams"][0]["conflicts"]) == 1
