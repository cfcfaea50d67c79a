"""The documents that are no records: state, device, receipt, command, reply, as gateway and centre make them."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

import docs_records as morning
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.clock import Quality
from gateway.control import Once, Remote
from gateway.downward import Command
from gateway.port import Health
from gateway.signature import Signer, signer
from gateway.spans import Spans
from gateway.uplink import PublicKey, presence
from gateway.uplink.presence import Head, Mood
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import compact, line_hash
from traceability import directory as site_directory
from traceability import orders
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.states import State
from traceability.streams import Key

LEDGER = "7d0e52c19b4fa386"
NEWEST = 30
SETTLED = 12


class Clock:
    """What `presence` asks of a clock."""

    boot = morning.BOOT

    def quality(self) -> Quality:
        return Quality("synced", "ntp", 12, self.boot)

    def unix_ms(self) -> int:
        return morning.START_MS + 101_500

    def mono(self) -> float:
        return 0.0


def indented(document: bytes) -> str:
    """A document as a block that people can read; on the wire it has no blanks."""
    return f"```json\n{json.dumps(json.loads(document), ensure_ascii=False, indent=2)}\n```"


def state() -> bytes:
    """Online, with something to mend."""
    text = "nobody subscribes to the records; start the centre, or check its share and prefix"
    exposed = "organisation.key: privacy.key_file: is open to every user of this machine (mode 0644); chmod 600 …"
    mood = Mood("receipt", text, (exposed,))
    with patch.object(presence, "VERSION", morning.VERSION):
        return compact(sign()(presence.online(Clock(), _settlement(), _head(), mood)))  # type: ignore[arg-type]


def will() -> bytes:
    """What the broker says of a gateway that has vanished."""
    with patch.object(presence, "VERSION", morning.VERSION):
        return compact(sign()(presence.offline(Clock(), _settlement(), _head())))  # type: ignore[arg-type]


def device() -> bytes:
    """The document of a reader."""
    health = Health(
        "lane-1-in", "em4100", "/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0", "up", morning.START_MS + 100,
        morning.START_MS + 80_000, None, frames=6, reads=6, bad_frames=Counter(integrity=1),
    )  # fmt: skip
    return json.dumps(health.as_dict(), separators=(",", ":")).encode()


def sign() -> Signer:
    """A gateway's signer, with a key that is always the same."""
    return signer(_pair()[0], "sign.key_file")


def _pair() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), public


def receipt() -> bytes:
    """A receipt over the morning, of which a batch is missing and one line could not be taken."""
    lines = [str(record["raw"]).encode() for record in morning.morning()]
    spoilt = lines[25].replace(b'"specversion":"1.0"', b'"specversion":"0.3"')
    times = iter((morning.START_MS, morning.START_MS + 90_000, morning.START_MS + 101_500))
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("traceability.states.secrets.token_hex", return_value=LEDGER),
    ):
        ledger = Ledger(open_database(str(Path(folder) / "ledger.sqlite")), "centre-1", lambda: next(times))
        ledger.open()
        with ledger.group([("hq", "edge-01")]) as group:
            group.take("hq", "edge-01", [*lines[:12], *lines[14:25], spoilt, *lines[26:30]])
            group.hear("hq", "edge-01", State(status="online", epoch=morning.EPOCH, newest=NEWEST))
            key = Key("hq", "edge-01", morning.EPOCH)
        with ledger.group([("hq", "edge-01")]) as group:
            message = group.receipt(key).message
        ledger.close()
    return json.dumps(message, separators=(",", ":")).encode()


def command() -> bytes:
    """The centre wants two records again."""
    args = {"first": 13, "last": 14}
    with patch.object(orders.secrets, "token_hex", return_value="8f0c6a51d2b94e37a6f1c05b7e9d2483"):
        return orders.make("hq/edge-01", "resend", args, 60.0, morning.START_MS + 101_500, sign())[1]


def reply() -> bytes:
    """What the gateway says when they are on their way."""
    said: list[dict[str, Any]] = []

    async def deed(_: Command) -> dict[str, Any]:
        return {"queued": 2, "connected": True, "uplink": None}

    async def story(folder: Path) -> None:
        key = folder / "centre.pub"
        key.write_bytes(_pair()[1])
        remote = Remote("hq/edge-01", Clock(), Once(folder), deed, said.append)
        remote.key = PublicKey(key)
        await remote.take(command(), retained=False)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(story(Path(folder)))
    return compact(sign()(said[0]))


def directory(kind: str) -> bytes:
    """What the centre tells of two cards."""
    lost, visitor = (f"k1:{digits * 4}" for digits in ("213a2e2c", "5fe00b71"))
    day = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-24T00:00:00Z"}
    entries: dict[str, list[dict[str, Any]]] = {
        "tokens": [{"token": lost, "person": "p-1007", "kind": "guard", "from": "2026-01-01T00:00:00Z"}],
        "lists": [{"list": "lost-cards", "tokens": [lost]}],
        "visits": [{"visit": "v-2041", "token": visitor} | day],
    }
    made = {kind: entries[kind]}
    found = site_directory.documents(made, "hq/edge-01", morning.START_MS, morning.START_MS, sign())
    return found[f"directory/{kind}"]


def _settlement() -> Settlement:
    return Settlement(morning.EPOCH, Spans([(1, SETTLED), (15, 25)]), LEDGER, 76)


def _head() -> Head:
    return Head(Held(1, NEWEST), line_hash(str(morning.morning()[NEWEST - 1]["raw"]).encode()))
