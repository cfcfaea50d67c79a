"""The records as the contract fixes them: envelope, names, chain, tokens, batches; bytes never change."""

from __future__ import annotations

import hashlib
import json
import re
import time
from datetime import UTC, datetime

import pytest

from gateway.simulation import frames

from .ear import Ear, token
from .site import Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

ENVELOPE = ["specversion", "id", "source", "type", "time", "datacontenttype", "data"]
COMMON = {"seq", "epoch", "prev", "site", "tz", "tz_offset", "clock", "live"}
READ = {"portal", "lane", "device", "driver", "side", "subject", "decision"}
PUNCH = {
    "portal", "lane", "device", "driver", "direction", "direction_basis", "from_zone", "to_zone", "subject",
    "outcome", "confidence", "refs", "repeats",
}  # fmt: skip
CLOCK = {"state", "source", "error_ms", "boot", "boot_ns"}
SUBJECT = {"kind", "token", "scheme", "bits", "count"}


def test_every_record_has_the_envelope_and_the_chain_of_its_bytes(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    site.wait_connected()
    before = datetime.now(UTC)
    reader.swipe("0C000621A5")
    ear.wait_records("punch", 1)
    lines = [line for it in ear.on("records", "replay") for line in it.lines()]
    prev = "0" * 64
    for seq, line in enumerate(sorted(lines, key=lambda it: json.loads(it)["data"]["seq"]), 1):
        event = json.loads(line)
        data = event["data"]
        assert list(event) == ENVELOPE
        assert (event["specversion"], event["datacontenttype"]) == ("1.0", "application/json")
        assert re.fullmatch(r"[0-9a-f]{16}", data["epoch"])
        assert (data["seq"], event["id"]) == (seq, f"hq/{site.name}/{data['epoch']}/{seq}")
        device = f"/{data['device']}" if "device" in data else ""
        assert event["source"] == f"/hq/{site.name}{device}"
        assert re.fullmatch(r"punchgate\.[a-z_.]+\.v1", event["type"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert set(data) >= COMMON
        assert set(data["clock"]) - {"waited_ms"} == CLOCK
        assert data["clock"]["state"] in {"synced", "holdover", "restored", "unset"}
        assert (data["tz"], data["tz_offset"]) == ("Asia/Shanghai", "+08:00")
        assert data["prev"] == prev
        prev = hashlib.sha256(line).hexdigest()
    assert ear.wait(lambda: site.verify()["head"] == prev)
    read, punch = ear.records("credential.read")[0], ear.records("punch")[0]
    assert set(read["data"]) == COMMON | READ
    assert set(punch["data"]) == COMMON | PUNCH
    assert abs((datetime.fromisoformat(read["time"]) - before).total_seconds()) < 2
    assert punch["time"] == read["time"]


def test_the_worked_example_of_the_contract_holds(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    reader.swipe("0C000621A5")
    subject = ear.wait_records("punch", 1)[0]["data"]["subject"]
    assert subject == {
        "kind": "credential",
        "token": "k1:213a2e2c5a337b6548040af9024d0b27",
        "scheme": "em4100",
        "bits": 40,
        "count": 1,
    }
    assert token("0C000621A5") == subject["token"]
    assert not any(b"0621A5" in it.body for it in ear.heard)


def test_without_a_sensor_the_punch_is_assumed_in_the_transaction_of_the_read(site: Site, ear: Ear) -> None:
    site.lane("both-ways")
    readers = {side: site.reader(side, "both-ways", side=side) for side in ("in", "out", "both")}
    site.start()
    site.wait_up()
    zones = {"in": ("outside", "lobby"), "out": ("lobby", "outside"), "both": (None, None)}
    for number, (side, reader) in enumerate(readers.items(), 1):
        reader.swipe(f"0C0000000{number}")
        punch = ear.wait_records("punch", number)[-1]["data"]
        read = ear.records("credential.read")[-1]["data"]
        assert (punch["outcome"], punch["confidence"]) == ("assumed", "assumed")
        assert punch["refs"] == {"read": read["seq"], "passes": []}
        assert punch["seq"] == read["seq"] + 1
        assert (punch["from_zone"], punch["to_zone"]) == zones[side]
        direction = ("unknown", "none") if side == "both" else (side, "reader_side")
        assert (punch["direction"], punch["direction_basis"]) == direction


def test_a_card_held_at_the_reader_is_one_read_and_one_sum(site: Site, ear: Ear) -> None:
    site.lane("gate", repeat_window_s=0.6)
    reader = site.reader("reader-1", "gate")
    site.start()
    site.wait_up()
    for _ in range(12):
        last = reader.swipe("0C00000001")
        time.sleep(0.065)
    (repeated,) = ear.wait_records("credential.repeated", 1)
    (read,) = ear.records("credential.read")
    assert len(ear.records("punch")) == 1
    data = repeated["data"]
    assert (data["read"], data["count"], data["device"]) == (read["data"]["seq"], 11, "reader-1")
    assert abs(datetime.fromisoformat(data["until"]).timestamp() - last) < 0.5
    reader.swipe("0C00000001")
    ear.wait_records("credential.read", 2)


def test_messages_say_their_type_are_qos_1_and_never_retained(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    site.wait_connected()
    reader.swipe("0C00000001")
    ear.wait_records("punch", 1)
    for message in ear.on("records", "replay"):
        many = len(message.lines()) > 1
        assert message.content_type == ("application/x-ndjson" if many else "application/cloudevents+json")
        assert (message.qos, message.retained) == (1, False)
        assert not message.body.endswith(b"\n")


@pytest.mark.parametrize("compress", ["auto", "off"])
def test_large_batches_are_deflated_unless_that_is_switched_off(site: Site, ear: Ear, compress: str) -> None:
    site.tables["uplink"] |= {"compress": compress, "batch_records": 50}
    reader = site.reader("reader-1")
    heap = b"".join(frames.rdm6300(f"0C{number:08X}") for number in range(100))
    reader.port.write(heap)
    site.tables["uplink"]["url"] = "mqtt://127.0.0.1:1"
    daemon = site.start()
    eventually(lambda: site.status()["newest"] >= 200, "capturing all")
    daemon.kill()
    site.tables["uplink"]["url"] = site.url
    site.start()
    ear.wait_records("credential.read", 100)
    messages = ear.on("records", "replay")
    assert all(len(message.lines()) <= 50 for message in messages)
    assert {message.encoding for message in messages if len(message.lines()) > 40} == (
        {"deflate"} if compress == "auto" else {None}
    )


def test_clear_credentials_are_added_but_never_for_scans(site: Site, ear: Ear) -> None:
    site.tables["privacy"]["credentials"] = "clear"
    card = site.reader("card")
    code = site.reader("code", driver="scanner")
    site.start()
    site.wait_up()
    card.swipe("0C000621A5")
    code.port.write(frames.scanned("V1|visitor"))
    ear.wait_records("credential.read", 2)
    subjects = {it["data"]["device"]: it["data"]["subject"] for it in ear.records("credential.read")}
    assert subjects["card"]["value"] == "0C000621A5"
    assert subjects["card"]["token"] == token("0C000621A5")
    assert "value" not in subjects["code"]
    assert subjects["code"]["token"] == token("V1|visitor", "scan")
    assert not any(b"visitor" in it.body for it in ear.heard)


def test_one_card_has_one_token_on_readers_of_different_kinds(site: Site, ear: Ear) -> None:
    """0C000621A5 as a 40-bit reader reads it is 06 | 21A5 in the low 24 bits a wiegand converter sends."""
    long, short = site.reader("long", view="wiegand26"), site.reader("short", driver="wiegand_line")
    site.start()
    site.wait_up()
    long.swipe("0C000621A5")
    short.port.write(frames.wiegand("0621A5"))
    reads = ear.wait_records("credential.read", 2)
    assert len({it["data"]["subject"]["token"] for it in reads}) == 1
    assert {it["data"]["subject"]["scheme"] for it in reads} == {"wiegand26"}


def test_lines_are_stored_published_and_exported_byte_for_byte(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    for number in range(10):
        reader.swipe(f"0C0000000{number}")
    newest = site.wait_settled(newest=22)
    eventually(lambda: len(ear.records()) >= newest)
    published = {line for it in ear.on("records", "replay") for line in it.lines()}
    assert set(site.export()) == published
