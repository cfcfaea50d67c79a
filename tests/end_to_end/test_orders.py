"""Commands over a real broker: `punchgate centre command`, and everybody who is not the centre."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from key_pairs import lay, pair

from gateway.signature import signer, unsigned
from gateway.simulation.broker import Broker
from gateway.wire import compact, timestamp

from .ear import Ear
from .lying import Wall
from .site import Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

YEAR_S = 365 * 86_400
VOUCHED = (sys.executable, str(Path(__file__).with_name("vouched.py")))
CENTRE, STRANGER, EDGE = (signer(pair(number)[0], "key") for number in (1, 2, 3))


@pytest.fixture
def keyed(site: Site) -> Site:
    """A site whose gateway knows the centre's key and signs, and a centre's file that knows the gateway's."""
    lay(site.folder / "centre.key", pair(1)[0])
    lay(site.folder / "centre.pub", pair(1)[1])
    lay(site.folder / "edge.key", pair(3)[0])
    lay(site.folder / "gateways" / f"hq.{site.name}.pub", pair(3)[1])
    site.tables["uplink"]["centre_key_file"] = "centre.pub"
    site.tables["sign"] = {"key_file": "edge.key"}
    site.centre_file(key_file=site.folder / "centre.key", gateway_keys=site.folder / "gateways")
    return site


def told(site: Site, *words: object, to: str | None = None) -> subprocess.CompletedProcess[bytes]:
    return punchgate(
        "centre", "command", to or f"hq/{site.name}", *words, "--json", "-c", site.folder / "centre.toml"
    )


def answer(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return dict(json.loads(done.stdout)["answer"])


def order(site: Site, sign: Any = CENTRE, **words: Any) -> bytes:
    now = time.time_ns() // 1_000_000
    plain = {
        "punchgate": "command",
        "gateway": f"hq/{site.name}",
        "id": "00112233445566778899aabbccddeeff",
        "issued": timestamp(now),
        "expires": timestamp(now + 60_000),
        "command": "ping",
    }
    return compact(sign(plain | words))


def counts(site: Site) -> dict[str, int]:
    return dict(site.status()["downlink"]["commands"])


def test_the_centre_tells_a_gateway_to_do_something_and_hears_what_became_of_it(keyed: Site) -> None:
    """Send again, say how you are, what should be mended; what cannot be done is said."""
    reader = keyed.reader("reader-1")
    keyed.start(wrapper=VOUCHED)
    keyed.wait_up()
    keyed.wait_connected()
    newest = keyed.wait_captured(reader, "0C00000001")["newest"]
    assert answer(told(keyed, "ping"))["epoch"] == keyed.status()["epoch"]
    assert answer(told(keyed, "status"))["gateway"] == keyed.name
    assert answer(told(keyed, "resend", f"1..{newest}"))["queued"] == newest
    assert isinstance(answer(told(keyed, "check"))["findings"], list)
    beyond = told(keyed, "resend", "900..901")
    assert beyond.returncode == 1
    assert "not all held" in json.loads(beyond.stdout)["reason"]
    assert counts(keyed) == {"taken": 5}


def test_reload_takes_over_the_configuration_and_is_answered_on_the_new_connection(keyed: Site) -> None:
    keyed.reader("reader-1")
    daemon = keyed.start(wrapper=VOUCHED)
    keyed.wait_connected()
    keyed.tables["uplink"]["window"] = 5
    keyed.write()
    assert answer(told(keyed, "reload"))["restart_needed_for"] == []
    assert daemon.said("config.applied")
    keyed.file.write_text("site = hq")
    broken = told(keyed, "reload")
    assert (broken.returncode, json.loads(broken.stdout)["result"]) == (1, "failed")


def test_where_nobody_listens_the_centre_is_told_at_once(keyed: Site) -> None:
    keyed.reader("reader-1")
    done = told(keyed, "ping")
    assert (done.returncode, done.stdout) == (75, b"")
    assert b"nobody listens" in done.stderr


def test_without_a_key_the_centre_sends_no_command_and_the_gateway_does_not_even_listen(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start(wrapper=VOUCHED)
    site.wait_up()
    site.wait_connected()
    site.centre_file()
    done = told(site, "ping")
    assert done.returncode == 78
    assert b"centre.key_file" in done.stderr
    ear.tell(f"hq/{site.name}/command", order(site))
    ear.tell(f"hq/{site.name}/receipt", b"the last thing it hears")
    assert site.daemon is not None
    site.daemon.wait_for("receipt.refused")
    site.wait_captured(reader, "0C00000001")
    assert counts(site) == {}
    assert ear.on("reply") == []


def test_forged_receipts_directory_messages_and_commands_change_nothing(
    keyed: Site, ear: Ear, broker: Broker
) -> None:
    """Unsigned, of a stranger, for another gateway, expired, kept, again, too large, too many: all counted."""
    reader = keyed.reader("reader-1")
    daemon = keyed.start(wrapper=VOUCHED)
    keyed.wait_up()
    keyed.wait_connected()
    before = keyed.wait_captured(reader, "0C00000001")
    topic = f"hq/{keyed.name}/command"
    past = {"issued": "2026-01-01T00:00:00Z", "expires": "2026-01-01T00:01:00Z"}
    receipt = {"ledger": "L", "receipt": 1, "epoch": before["epoch"], "through": before["newest"], "missing": []}
    receipt |= {"seen": before["newest"], "rejected": []}
    for sign in (unsigned, STRANGER, EDGE):
        ear.tell(topic, order(keyed, sign))
        ear.tell(f"hq/{keyed.name}/receipt", compact(sign(receipt)))
    ear.tell(topic, order(keyed, gateway="hq/edge-99"))
    ear.tell(topic, order(keyed, id="1" * 32, **past))
    ear.tell(topic, order(keyed, command="open"))
    ear.tell(topic, b"{" * 4000)
    ear.tell(topic, b" " * 5000)
    ear.tell("hq/edge-99/command", order(keyed))
    good = order(keyed, id="2" * 32)
    for _ in range(3):
        ear.tell(topic, good)
    eventually(lambda: counts(keyed).get("replayed") == 2)
    wanted = {"forged": 3, "foreign": 1, "expired": 1, "malformed": 1, "oversized": 1, "taken": 1, "replayed": 2}
    assert counts(keyed) == wanted
    assert keyed.status()["downlink"]["refused"]["command"] == {"oversized": 1}
    for _ in range(200):
        ear.client.publish(f"{keyed.prefix}/{topic}", b"{}", 1)
    eventually(lambda: keyed.status()["downlink"]["refused"]["command"].get("too_many", 0) > 100)
    after = keyed.status()
    assert (after["settled"], after["epoch"]) == (0, before["epoch"])
    assert [(it.json()["id"], it.json()["result"]) for it in ear.on("reply")] == [
        ("1" * 32, "refused"),
        ("2" * 32, "done"),
    ]
    said = [row["kind"] for row in daemon.said("command.refused")]
    assert len(said) == len(set(said))
    assert daemon.said("gateway.bug") == []
    keyed.centre("judge", key_file=keyed.folder / "centre.key")
    keyed.wait_settled(newest=before["newest"])


def test_a_command_that_was_taken_is_not_taken_again_after_kill_9(keyed: Site, ear: Ear) -> None:
    keyed.reader("reader-1")
    daemon = keyed.start(wrapper=VOUCHED)
    keyed.wait_connected()
    good = order(keyed)
    ear.tell(f"hq/{keyed.name}/command", good, retain=True)
    eventually(lambda: counts(keyed).get("taken") == 1)
    daemon.kill()
    keyed.start(wrapper=VOUCHED)
    keyed.wait_connected()
    eventually(lambda: counts(keyed) == {"retained": 1})
    ear.tell(f"hq/{keyed.name}/command", good)
    eventually(lambda: counts(keyed) == {"retained": 1, "replayed": 1})
    assert len(ear.on("reply")) == 1
    ear.tell(f"hq/{keyed.name}/command", b"", retain=True)


@pytest.mark.needs("faketime")
def test_on_a_box_whose_clock_nobody_vouches_for_a_command_is_refused_with_the_reason(keyed: Site) -> None:
    keyed.reader("reader-1")
    wall = Wall(keyed.folder)
    wall.set(-YEAR_S)
    keyed.start(wrapper=wall.wrapper())
    keyed.wait_connected()
    done = told(keyed, "ping")
    assert done.returncode == 1
    assert "clock is not synchronised" in json.loads(done.stdout)["reason"]
