"""Who follows the pages has a site that works: TLS on both sides, ACL, signed receipts; and what they list is all."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docs_records as morning
import pytest
from docs_draw import journal
from docs_pages import DOCS, block, read
from docs_site import CARDS, OPERATIONS, GuidedSite, eventually
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.simulation.broker import Broker
from gateway.wire import pack

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.needs("openssl")]

NOT_AUTHORISED = 135
FOR_EVERYBODY = {"seq", "epoch", "prev", "site", "live", "tz", "tz_offset", "clock"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuidedSite]:
    """A site that has seen a card, settled it, and is running."""
    guided = GuidedSite(tmp_path_factory.mktemp("guided"))
    try:
        guided.start()
        guided.swipe(CARDS[0])
        yield guided
    finally:
        guided.close()


def table_keys(page: Path, before: str) -> set[str]:
    """The names in the first column of the first table behind this text."""
    text = read(page).split(before, 1)[1]
    rows = re.search(r"^\|.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert rows is not None
    first_cells = [row.split("|")[1] for row in rows[0].splitlines()[2:]]
    return {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}


def paths(document: dict[str, Any]) -> set[str]:
    """Keys, one level deep: `uplink.connected`; lists as `devices[]`."""
    found: set[str] = set()
    for key, value in document.items():
        if isinstance(value, dict):
            found |= {f"{key}.{below}" for below in value}
        else:
            found.add(f"{key}[]" if isinstance(value, list) and key == "devices" else key)
    return found


def test_a_card_is_settled_by_a_signed_receipt_over_tls(site: GuidedSite) -> None:
    assert site.status()["uplink"] == site.status()["uplink"] | {"connected": True, "reason": None}
    assert [record["data"]["outcome"] for record in site.records() if "outcome" in record["data"]][:1] == ["assumed"]
    assert "receipt.refused" not in site.logs()


def test_the_doctor_has_nothing_against_it(site: GuidedSite) -> None:
    findings = json.loads(site.punchgate("check", "--json"))["findings"]
    assert not [finding for finding in findings if finding["severity"] == "finding"], findings


def test_every_key_of_status_is_explained(site: GuidedSite) -> None:
    assert paths(json.loads(site.punchgate("status", "--json"))) == table_keys(OPERATIONS, "`--json` for monitoring:")


def test_every_figure_of_the_journal_is_explained(site: GuidedSite) -> None:
    stats = json.loads(site.punchgate("journal", "stats", "--json"))
    assert set(stats) == table_keys(OPERATIONS, "| `punchgate journal verify [--json]`")
    for command in (("show", "1"), ("verify", "--json")):
        said = json.loads(site.punchgate("journal", *command))
        row = next(
            line for line in read(OPERATIONS).splitlines() if line.startswith(f"| `punchgate journal {command[0]}")
        )
        assert set(said) <= set(re.findall(r"`(\w+)`", row)), f"journal {command[0]}"


@pytest.mark.parametrize("topic", ["hq/edge-02/records", "hq/edge-01/receipt", "else/edge-01/state"])
def test_a_gateway_speaks_for_itself_only(site: GuidedSite, topic: str) -> None:
    codes: list[int] = []
    client = Client(CallbackAPIVersion.VERSION2, client_id="hq.edge-01.test", protocol=MQTTv5)
    client.tls_set(site.folder / "ca.pem", site.folder / "hq.edge-01.pem", site.folder / "hq.edge-01.key")
    client.on_publish = lambda client, userdata, mid, code, properties: codes.append(code.value)
    client.connect("localhost", site.port)
    client.loop_start()
    client.publish(f"punchgate/v1/{topic}", b"{}", qos=1)
    eventually(lambda: codes, "an answer")
    client.disconnect()
    client.loop_stop()
    assert codes == [NOT_AUTHORISED]


def test_nobody_comes_in_without_a_certificate(site: GuidedSite) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.tls_set(site.folder / "ca.pem")
    connected: list[object] = []
    client.on_connect = lambda *words: connected.append(words)
    try:
        client.connect("localhost", site.port)
        client.loop_start()
        time.sleep(0.3)
    except (ssl.SSLError, OSError):
        pass
    client.loop_stop()
    assert not connected


def test_records_of_a_real_run_look_like_those_on_the_page(site: GuidedSite) -> None:
    site.reload()
    site.unplug()
    assert site.stop_gateway() == 0
    records = eventually(lambda: [it for it in [site.records()] if "gateway.stopped" in it[-1]["type"]], "the end")[0]
    seen = {record["type"].removeprefix("punchgate.").removesuffix(".v1"): set(record["data"]) for record in records}
    common = {"credential.read", "punch", "device.up", "device.down"}
    assert set(seen) == common | {"gateway.started", "clock.anchor", "config.applied", "gateway.stopped"}
    for kind, keys in seen.items():
        assert keys == set(morning.records(kind)[0]["data"]), kind


def test_every_field_of_a_record_is_explained() -> None:
    page = DOCS / "payloads.md"
    assert table_keys(page, "Every record has in `data`:") == FOR_EVERYBODY
    assert table_keys(page, "<!-- drawn: remembered -->") == {
        "live",
        "device_clock.time",
        "device_clock.offset_ms",
        "device_clock.error_ms",
    }
    assert table_keys(page, "are two things:") == {"clock.waited_ms", "clock.error_ms", "clock.waited_since"}
    for kind in morning.kinds():
        explained = {key.partition(".")[0] for key in table_keys(page, f"<!-- drawn: record {kind} -->")}
        shown = {key for record in morning.records(kind) for key in record["data"]}
        assert shown - FOR_EVERYBODY <= explained | {"refs", "device_clock"}, kind


def test_the_plain_consumer_knows_every_record_once(tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(block(read(DOCS / "payloads.md"), "consumer.py"))
    lines = [line.encode() for line in journal().splitlines()]
    with Broker(folder=tmp_path) as broker:
        command = [sys.executable, "consumer.py", "127.0.0.1", str(broker.port)]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as consumer:
            time.sleep(0.5)
            for leaf, part in (("records", lines[:1]), ("replay", lines), ("records", lines[-2:])):
                _publish(broker.port, leaf, part)
            time.sleep(0.3)
            consumer.terminate()
            printed = consumer.communicate()[0].splitlines()
    assert len(printed) == len(lines)
    assert any("punchgate.punch.v1 lobby-1 completed" in line for line in printed)


def _publish(port: int, leaf: str, lines: list[bytes]) -> None:
    batch = pack(lines, deflate=True)
    properties = Properties(PacketTypes.PUBLISH)
    if batch.encoding:
        properties.UserProperty = [("content-encoding", batch.encoding)]
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(f"punchgate/v1/hq/edge-01/{leaf}", batch.body, qos=1, properties=properties).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()
