"""The broker: reached, trusted, let in, and what the centre has left there."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.publish as mqtt_publish
import pytest
from check_bench import Bench, Watch, clean, daemon, only
from check_papers import Authority

from gateway.check.broker import broker
from gateway.check.past import Past
from gateway.simulation.broker import Broker, Make, iotcore, mosquitto

RECEIPT = {
    "ledger": "7d0e",
    "receipt": 1,
    "epoch": "5c1f0a9be2d74f11",
    "through": 1,
    "seen": 1,
    "service": "centre-1",
    "time": "2026-11-23T00:00:00.000Z",
}
needs_mosquitto = pytest.mark.needs("mosquitto")
Start = Callable[..., Broker]


@pytest.fixture
def start(bench: Bench) -> Iterator[Start]:
    """Start mosquitto with more lines in its configuration."""
    with ExitStack() as stack:

        def started(*lines: str, make: Make | None = None) -> Broker:
            make = make or mosquitto(shutil.which("mosquitto") or "mosquitto")
            plain = make.settings
            whole = Make(make.name, True, lambda port: "\n".join([plain(port), *lines, ""]), make.command)
            folder = bench.folder / "broker"
            folder.mkdir()
            return stack.enter_context(Broker(whole, folder))

        yield started


def leave_receipt(at: Broker, payload: str, site: str = "hq") -> None:
    topic = f"punchgate/v1/{site}/edge-01/receipt"
    mqtt_publish.single(topic, payload, qos=1, retain=True, hostname="127.0.0.1", port=at.port)


@needs_mosquitto
def test_a_broker_that_keeps_a_receipt_is_in_order(bench: Bench, start: Start) -> None:
    at = start()
    leave_receipt(at, json.dumps(RECEIPT))
    bench.uplink(at.url)
    findings = bench.examine(broker)
    assert clean(findings)
    assert findings[-1].what == "receipts: the last is of 2026-11-23T00:00:00.000Z, from centre-1"


@needs_mosquitto
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_no_receipt_is_a_note_before_the_first_start_and_a_warning_after_it(
    bench: Bench, start: Start, protocol: str
) -> None:
    bench.uplink(start().url, f'protocol = "{protocol}"')
    assert "none has ever come" in only(bench.examine(broker), "note").what
    silent = Past(newest=3, used_bytes=0, span_ms=0, waiting_since_ms=1)
    assert "centre" in only(list(broker(replace(bench.case(), past=silent))), "warning").mend
    assert clean(list(broker(replace(bench.case(), past=replace(silent, ledger="7d0e")))))


@needs_mosquitto
def test_a_receipt_that_cannot_be_believed_is_a_finding(bench: Bench, start: Start) -> None:
    at = start()
    leave_receipt(at, "nonsense")
    bench.uplink(at.url)
    assert "nothing is settled" in only(bench.examine(broker), "finding").why


@needs_mosquitto
def test_the_visit_leaves_nothing_at_the_broker(bench: Bench, start: Start) -> None:
    at = start()
    bench.uplink(at.url, 'settle = "puback"')
    bench.examine(broker)
    leave_receipt(at, "sentinel", site="zz")
    from paho.mqtt.subscribe import simple

    kept = simple("#", hostname="127.0.0.1", port=at.port, retained=True)
    assert kept.payload == b"sentinel"


@needs_mosquitto
def test_a_broker_that_says_nobody_listens_can_prove_delivery(bench: Bench, start: Start) -> None:
    bench.uplink(start().url, 'settle = "puback"')
    assert clean(bench.examine(broker))


def test_a_broker_that_never_says_so_is_a_warning(bench: Bench, start: Start) -> None:
    bench.uplink(start(make=iotcore()).url, 'settle = "puback"')
    assert "proves nothing" in only(bench.examine(broker), "warning").why


@needs_mosquitto
def test_a_refused_login_is_a_finding_and_a_warning_while_the_daemon_is_connected(bench: Bench, start: Start) -> None:
    passwords = bench.secret("passwords", "")
    at = start(f"password_file {passwords}")
    conf = bench.folder / "broker" / f"{at.name}.toml"
    at.stop()
    conf.write_text(conf.read_text().replace("allow_anonymous true", "allow_anonymous false"))
    at.start()
    bench.uplink(at.url)
    assert "broker says: not authorised (reason 135)" in only(bench.examine(broker), "finding").what
    assert "is connected" in only(bench.examine(broker, daemon()), "warning").why


def test_receipts_that_may_not_be_read_are_a_finding(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=refuse_subscription, args=(server,), daemon=True).start()
        bench.uplink(f"mqtt://127.0.0.1:{server.getsockname()[1]}", 'protocol = "3.1.1"')
        found = only(bench.examine(broker), "finding")
    assert found.what.startswith("receipts: broker says")
    assert "no record is ever settled" in found.why


def test_nobody_at_the_port_is_a_finding(bench: Bench) -> None:
    assert "connection refused" in only(bench.examine(broker), "finding").what


def test_a_name_that_nobody_knows_is_a_finding(bench: Bench) -> None:
    bench.uplink("mqtts://broker.invalid")
    assert only(bench.examine(broker), "finding").mend


@pytest.mark.alone
@pytest.mark.parametrize("scheme", ["mqtt", "mqtts"])
def test_a_broker_that_says_nothing_is_told_within_seconds(bench: Bench, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bench.uplink(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert "no answer" in only(bench.examine(broker), "finding").what
        assert time.monotonic() - began < 4


def test_credentials_that_cannot_be_used_are_not_taken_to_the_broker(bench: Bench) -> None:
    bench.uplink("mqtt://127.0.0.1:1", 'username = "u"', 'password_file = "nowhere"')
    assert "not asked" in only(bench.examine(broker), "note").what


@needs_mosquitto
def test_tls_both_ways_is_in_order_and_the_brokers_own_certificate_is_watched(bench: Bench, start: Start) -> None:
    at = secure(bench, start, days=10)
    findings = bench.examine(broker)
    assert "broker's certificate: expires in" in only(findings, "warning").what
    assert f"broker: {at.url.replace('mqtt', 'mqtts')} lets this gateway in" in [each.what for each in findings]


@needs_mosquitto
def test_an_authority_that_did_not_issue_the_brokers_certificate_is_a_finding(bench: Bench, start: Start) -> None:
    secure(bench, start, days=100)
    Authority(bench.folder, datetime.now(UTC))
    assert "broker's certificate refused" in only(bench.examine(broker), "finding").what


def refuse_subscription(server: socket.socket) -> None:
    """MQTT 3.1.1: CONNECT is taken, SUBSCRIBE (message 1) is refused. mosquitto would say yes and send nothing."""
    server.accept()[0].close()
    line, _ = server.accept()
    with line:
        line.recv(1024)
        line.sendall(b"\x20\x02\x00\x00")
        line.recv(1024)
        line.sendall(b"\x90\x03\x00\x01\x80")
        line.recv(1024)


def secure(bench: Bench, start: Start, days: float) -> Broker:
    """mosquitto with papers of our own authority, which wants ours; the clock is the real one."""
    now = datetime.now(UTC)
    bench.watch = Watch(now=now)
    authority = Authority(bench.folder, now)
    server = authority.issue("server", "127.0.0.1", days=days)
    authority.issue("own", "hq.edge-01")
    trusted = Path(shutil.copy(authority.file, bench.folder / "trusted.pem"))
    at = start(
        f"cafile {trusted}",
        f"certfile {server.cert_file}",
        f"keyfile {server.key_file}",
        "require_certificate true",
    )
    bench.uplink(
        at.url.replace("mqtt", "mqtts"), 'ca_file = "ca.pem"', 'cert_file = "own.pem"', 'key_file = "own.key"'
    )
    return at
