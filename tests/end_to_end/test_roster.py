"""`punchgate roster` and `muster` on the box: with the network cut, over kill -9, with and without the daemon."""

from __future__ import annotations

import json
from typing import Any

from .ear import token
from .site import Site, eventually, punchgate

CARDS = ("0C000621A5", "0C00000007")


def roster(site: Site) -> dict[str, Any]:
    done = punchgate("roster", "--json", "-c", site.file)
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


def here(site: Site) -> list[str]:
    return sorted(person["token"] for person in roster(site)["people"])


def test_who_is_here_is_known_without_a_network_a_daemon_and_the_records_of_before(site: Site) -> None:
    """The snapshot is written while the daemon runs; what is not in it comes from the journal."""
    site.tables["uplink"]["url"] = "mqtt://127.0.0.1:1"
    site.lane("gate")
    enter, leave = site.reader("enter", "gate"), site.reader("leave", "gate", side="out")
    daemon = site.start()
    site.wait_up()
    for card in CARDS:
        site.wait_captured(enter, card)
    assert here(site) == sorted(token(card) for card in CARDS)
    site.wait_captured(leave, CARDS[0])
    eventually(lambda: here(site) == [token(CARDS[1])])
    eventually((site.state_dir / "presence.json").exists, "a snapshot", 30)
    daemon.kill()
    assert here(site) == [token(CARDS[1])]
    site.start()
    site.wait_up()
    found = roster(site)
    assert [gap["what"] for gap in found["gaps"]].count("gateway") == 1
    done = punchgate("muster", "-c", site.file)
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "lobby: 1" in text
    assert token(CARDS[1]) in text
    assert "not watched: gateway" in text
    assert "complete from" in text


def test_without_a_journal_there_is_no_list_and_it_is_said(site: Site) -> None:
    site.reader("reader-1")
    site.write()
    done = punchgate("muster", "-c", site.file)
    assert done.returncode == 74
    assert b"there is no journal" in done.stderr
