"""The directory over a real broker: published at the centre, cached on the box, and a read that is watched for."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from key_pairs import lay, pair

from gateway.signature import signer, unsigned
from gateway.wire import compact

from .ear import Ear, token
from .site import Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

VOUCHED = (sys.executable, str(Path(__file__).with_name("vouched.py")))
CARD, OTHER = "0C000621A5", "0C00000007"


def publish(site: Site, text: str) -> str:
    (site.folder / "lists.toml").write_text(text)
    files = (site.folder / "lists.toml", "--to", f"hq/{site.name}", "-c", site.folder / "centre.toml")
    done = punchgate("centre", "directory", "publish", *files)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def version(site: Site) -> int:
    return int((site.status()["downlink"]["directory"]["lists"] or {"version": 0})["version"])


def test_a_list_reaches_the_box_outlives_network_and_restart_and_a_read_on_it_is_recorded(
    site: Site, ear: Ear
) -> None:
    """Laid at the broker before the box is up; then forged and older ones, a kill -9, and no broker at all."""
    for number, name in ((1, "centre"), (2, "stranger")):
        lay(site.folder / f"{name}.key", pair(number)[0])
    lay(site.folder / "centre.pub", pair(1)[1])
    site.tables["uplink"]["centre_key_file"] = "centre.pub"
    site.centre_file(key_file=site.folder / "centre.key")
    said = publish(site, f'[[lists]]\nlist = "lost"\ntokens = ["{token(CARD)}"]\n')
    assert said.startswith(f"hq/{site.name}: 1 lists, version ")
    reader = site.reader("reader-1")
    daemon = site.start(wrapper=VOUCHED)
    site.wait_up()
    taken = eventually(lambda: version(site))
    topic = f"hq/{site.name}/directory/lists"
    words = {"punchgate": "directory/lists", "gateway": f"hq/{site.name}", "issued": "2026-11-23T00:00:00Z"}
    words |= {"lists": []}
    for sign, number in (
        (unsigned, taken + 1),
        (signer(pair(2)[0], "key"), taken + 1),
        (signer(pair(1)[0], "key"), 1),
    ):
        ear.tell(topic, compact(sign(words | {"version": number})))
    eventually(lambda: site.status()["downlink"]["documents"] == {"taken": 1, "forged": 2, "older": 1})
    assert version(site) == taken
    daemon.kill()
    site.tables["uplink"]["url"] = "mqtt://127.0.0.1:1"
    site.start(wrapper=VOUCHED)
    site.wait_up()
    site.wait_captured(reader, OTHER)
    newest = site.wait_captured(reader, CARD)["newest"]
    shown = [
        json.loads(punchgate("journal", "show", str(seq), "-c", site.file).stdout) for seq in range(1, newest + 1)
    ]
    events = [row.get("record", row) for row in shown]
    hits = [event for event in events if event.get("type") == "punchgate.list.hit.v1"]
    assert len(hits) == 1
    told = hits[0]["data"]
    assert (told["list"], told["token"], told["lane"]) == ("lost", token(CARD), "reader-1-lane")
    read = next(event for event in events if event.get("data", {}).get("seq") == told["refs"]["read"])
    assert read["data"]["subject"]["token"] == token(CARD)


def test_files_with_a_mistake_are_refused_before_anybody_hears_of_them(site: Site, tmp_path: Path) -> None:
    site.centre_file()
    (tmp_path / "tokens.csv").write_text("token,person\n0C000621A5,p-1\n")
    done = punchgate("centre", "directory", "publish", tmp_path / "tokens.csv", "-c", site.folder / "centre.toml")
    assert done.returncode == 1
    assert b"tokens.csv" in done.stderr
    assert b"0C000621A5" not in done.stderr
