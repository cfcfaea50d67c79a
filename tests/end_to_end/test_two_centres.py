"""Two centre processes share a subscription and a ledger: one truth, whatever order their receipts arrive in."""

from __future__ import annotations

import json
import time

import pytest

from .ear import Ear
from .site import Site, cards

pytestmark = pytest.mark.needs("mosquitto")


def test_two_centres_with_one_ledger_cause_no_replay(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.centre("second")
    site.start()
    site.wait_up()
    site.wait_connected()
    for card in cards(120):
        reader.swipe(card)
        time.sleep(0.005)
    newest = site.wait_settled(newest=240)
    services = {it.json()["service"] for it in ear.on("receipt")}
    assert len(services) == 2, "both answer"
    assert ear.on("replay") == []
    assert len(site.export()) == newest
    assert site.coverage()["streams"][0]["through"] == newest


def test_old_and_repeated_receipts_change_nothing(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    for card in cards(20):
        reader.swipe(card)
        time.sleep(0.02)
    newest = site.wait_settled(newest=40)
    receipts = [it.body for it in ear.on("receipt")]
    for body in [*reversed(receipts), receipts[0], receipts[-1], receipts[-1]]:
        ear.tell(f"hq/{site.name}/receipt", body)
    reader.swipe("0CFFFFFFFF")
    site.wait_settled(newest=newest + 2)
    assert ear.on("replay") == []


def test_an_old_receipt_with_a_hole_does_not_bring_back_what_is_settled(site: Site, ear: Ear) -> None:
    """It was made when 3..5 were on their way; it arrives when they are long settled."""
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    for card in cards(10):
        reader.swipe(card)
    newest = site.wait_settled(newest=20)
    late = json.loads(ear.on("receipt")[-1].body) | {"through": 2, "missing": [[3, 5]], "seen": newest}
    ear.tell(f"hq/{site.name}/receipt", json.dumps(late | {"receipt": late["receipt"] - 1}).encode())
    reader.swipe("0CFFFFFFFF")
    site.wait_settled(newest=newest + 2)
    assert ear.on("replay") == []
