"""What goes wrong and what is said then, by making it happen: the tables of docs/errors.md."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docs_papers as papers
import docs_records as morning

from config import ConfigError, load, read_organisation_key
from gateway import assembly
from gateway.errors import Rejected
from gateway.port.serial_port import explain
from gateway.uplink import remedies
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import read_line, read_receipt, unpack

FOLDER = "/etc/punchgate"
PORT = "/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0"
GOOD = f"""\
[gateway]
site = "hq"
id = "edge-01"

[uplink]
url = "mqtts://broker.example"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"
sensor = "per_direction"

[[ports]]
url = "{PORT}"

  [[ports.devices]]
  id = "lane-1-in"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"

[[ports]]
url = "/dev/ttyS1"

  [[ports.devices]]
  id = "lane-1-arm"
  driver = "eb_turnstile"
  lane = "lobby-1"
  directions = {{ left = "in", right = "out" }}
"""
EDITS = (
    ("a key is misspelt", 'sitee = "hq"', 'site = "hq"'),
    ("a name has capitals or blanks", 'site = "H Q"', 'site = "hq"'),
    ("a number is out of bounds", "window = 0", None),
    ("a word that is not allowed", 'side = "inn"', 'side = "in"'),
    ("a driver is misspelt", 'driver = "em410O"', 'driver = "em4100"'),
    ("a driver's option is unknown", "options = { gap = 1 }", 'side = "in"'),
    ("a device on a lane that does not exist", 'lane = "loby-1"', 'lane = "lobby-1"\n  side'),
    ("a turnstile on a lane without a sensor", 'sensor = "none"', 'sensor = "per_direction"'),
    ("a sensor lane without mapped passages", "", 'directions = { left = "in", right = "out" }'),
    ("only one direction is mapped", "", ', right = "out"'),
    ("a port is used twice", f'url = "{PORT}"', 'url = "/dev/ttyS1"'),
    ("the broker's URL is not encrypted", 'url = "mqtt://broker.example"', 'url = "mqtts://broker.example"'),
    ("a password in the URL", 'url = "mqtts://me:secret@broker.example"', 'url = "mqtts://broker.example"'),
    ("a password without a user", 'password_file = "broker.password"', None),
    ("a certificate without its key", 'cert_file = "edge-01.pem"', None),
    ("the file is not TOML", "site = hq", 'site = "hq"'),
)


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]] | list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell(text) for text in row) + " |" for row in lines)


# --- uplink


def broker_reasons() -> str:
    rows = [(f"{code} (0x{code:02X})", *remedies.REASONS[code]) for code in sorted(remedies.REASONS)]
    return table(("reason code", "the broker says", "remedy"), [*rows, ("any other", "refused", _said(255))])


def _said(code: int) -> str:
    return remedies.said_by_broker(code)[1]


def network_reasons() -> str:
    certificate = ssl.SSLCertVerificationError(1, "certificate verify failed")
    certificate.verify_message = "self-signed certificate in certificate chain"
    outdated = ssl.SSLCertVerificationError(1, "certificate verify failed")
    outdated.verify_code, outdated.verify_message = 9, "certificate is not yet valid"
    tls = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    tls.reason = "WRONG_VERSION_NUMBER"
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", f"{FOLDER}/edge-01.key")

    def alert(name: str) -> BaseException:
        return remedies.HungUp(f"[SSL: {name}]")

    happenings: list[tuple[str, BaseException, bool]] = [
        ("nothing listens there", ConnectionRefusedError(), False),
        ("no answer within seconds: cable, firewall, wrong address", TimeoutError(), False),
        ("DNS", socket.gaierror(-2, "Name or service not known"), False),
        ("the broker's certificate is not accepted", certificate, False),
        ("its dates do not fit", outdated, False),
        ("… while the clock stands before 2025", outdated, True),
        ("no TLS there, or no common version", tls, False),
        ("our certificate is of an authority the broker does not know", alert("TLSV1_ALERT_UNKNOWN_CA"), False),
        ("our certificate has expired", alert("SSLV3_ALERT_CERTIFICATE_EXPIRED"), False),
        ("our certificate was revoked", alert("SSLV3_ALERT_CERTIFICATE_REVOKED"), False),
        ("the broker wants a certificate", alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), False),
        ("anything else the broker's TLS refuses", alert("SSLV3_ALERT_HANDSHAKE_FAILURE"), False),
        ("the same on some brokers, or another MQTT version", remedies.HungUp("reset by peer"), False),
        ("a file of the configuration cannot be read", missing, False),
        ("anything else", OSError("Network is unreachable"), False),
    ]
    rows = []
    for cause, error, clock_is_wrong in happenings:
        text, remedy = remedies.said_by_network(error, clock_is_wrong=clock_is_wrong)
        rows.append((cause, text, remedy))
    return table(("cause", "reason", "remedy"), rows)


# --- ports


def port_reasons() -> str:
    happenings = [
        ("the device is not plugged in, or has another name", OSError(errno.ENOENT, "")),
        ("the daemon's user may not open it", OSError(errno.EACCES, "")),
        ("systemd keeps it from the service: a port of an unusual kind", OSError(errno.EPERM, "")),
        ("another program has it", OSError(errno.EBUSY, "")),
        ("a serial server does not answer; any other error", OSError("timed out")),
    ]
    rows = []
    for cause, error in happenings:
        trouble = explain("PORT", error)
        rows.append((cause, trouble.message.removeprefix("PORT: "), trouble.remedy))
    return table(("cause", "reason", "remedy"), rows)


# --- configuration


def configuration_mistakes() -> str:
    return table(("mistake", "what is said"), [(what, f"`{_told(new, old)}`") for what, new, old in EDITS])


def _told(new: str, old: str | None) -> str:
    text = GOOD.replace("[privacy]", f"{new}\n\n[privacy]") if old is None else _replaced(old, new)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "punchgate.toml"
        file.write_text(text)
        try:
            load(file, drivers=assembly.driver_facts(), environ={})
        except ConfigError as error:
            word = new.split(" ", maxsplit=1)[0]
            told = [finding for finding in error.findings if word and finding.key.endswith(word)] or error.findings
            return str(told[0]).replace(folder, FOLDER)
    raise AssertionError(f"{new} is no mistake")


def _replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, f"{new}\n  side" if old.endswith("side") else new, 1)


def secret_mistakes() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "organisation.key"
        told = [("there is none", _secret(path, folder))]
        path.write_text("hello\n")
        told.append(("it is no key", _secret(path, folder)))
        path.write_text("ab" * 32 + "\n" + "cd" * 32 + "\n")
        told.append(("it holds more than one line", _secret(path, folder)))
    return table(("mistake", "what is said"), told)


def _secret(path: Path, folder: str) -> str:
    try:
        read_organisation_key(path, environ={})
    except ConfigError as error:
        return f"`{str(error).replace(folder, FOLDER)}`"
    raise AssertionError(f"{path.read_text()} is a key")


# --- what either end does not take


def record_refusals() -> str:
    """Lines the centre refuses, each made from a good one."""
    good = json.loads(str(morning.records("punch")[0]["raw"]))
    spoilt: list[tuple[str, Any]] = [
        ("not JSON, or cut off", b'{"specversion":"1.0","id"'),
        ("not a CloudEvent of version 1.0 with `data`", good | {"specversion": "0.3"}),
        ("`source`", good | {"source": "/hq"}),
        ("`epoch`", _with(good, epoch="1")),
        ("`seq` is no number, or 0", _with(good, seq="9")),
        ("`prev`", _with(good, prev="?")),
        ("`id` does not fit the rest", good | {"id": "hq/edge-01/5c1f0a9be2d74f11/77"}),
        ("`type` or `time`", good | {"type": None}),
        ("longer than 64 KiB", _with(good, note="x" * 65536)),
    ]
    rows = []
    for what, line in spoilt:
        raw = line if isinstance(line, bytes) else json.dumps(line, separators=(",", ":")).encode()
        rows.append((what, _refusal(read_line, raw)))
    rows.append(("it came by the topic of another gateway", "the record is of another gateway than the topic"))
    rows.append(("the whole message: no zlib stream", _refusal(unpack, b"hello", "deflate")))
    rows.append(("the whole message: inflates beyond 4 MiB", _refusal(unpack, _bomb(), "deflate")))
    rows.append(("the whole message: another compression", _refusal(unpack, b"hello", "gzip")))
    return table(("what is wrong with the line", "reason"), rows)


def receipt_refusals() -> str:
    """Receipts the gateway does not believe."""
    good = json.loads(papers.receipt())
    no_ledger = {key: value for key, value in good.items() if key != "ledger"}
    spoilt = [
        ("a member is missing or of the wrong type", no_ledger),
        ("it contradicts itself", good | {"seen": 1}),
        ("it is about another epoch: an old one, or another box with this name", good | {"epoch": "0" * 16}),
    ]
    rows = []
    for what, receipt in spoilt:
        rows.append((what, _refusal(_take, json.dumps(receipt).encode())))
    rows.append(("`centre_key_file` is set and there is no `sig`", "message is not signed"))
    rows.append(("`centre_key_file` is set and `sig` does not fit", "signature is not the centre's"))
    return table(("what is wrong", "reason in the log"), rows)


def _take(payload: bytes) -> None:
    Settlement(morning.EPOCH, papers.Spans()).take(read_receipt(payload), Held(1, papers.NEWEST))


def _refusal(function: Any, *arguments: Any) -> str:
    try:
        function(*arguments)
    except Rejected as error:
        return error.message
    raise AssertionError(f"{arguments} is taken")


def _with(event: dict[str, Any], **words: Any) -> dict[str, Any]:
    return event | {"data": event["data"] | words}


def _bomb() -> bytes:
    import zlib

    return zlib.compress(bytes(5 * 1024 * 1024))
