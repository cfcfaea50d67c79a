"""Who is here, who was with whom: asked from a shell beside a running centre, of cards that real readers read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .ear import token
from .site import Reader, Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

HERS, HIS = "0C00000001", "0C00000002"
Ask = Callable[..., Any]


@pytest.fixture
def doors(site: Site) -> dict[str, Reader]:
    """One lane with a reader on each side, and a centre."""
    site.lane("gate", from_zone="outside", to_zone="lobby")
    doors = {side: site.reader(f"gate-{side}", "gate", side=side) for side in ("in", "out")}
    site.centre()
    site.start()
    site.wait_up()
    return doors


@pytest.fixture
def ask(site: Site) -> Ask:
    """A question, once all that was read has been taken into account."""

    def ask(*words: str) -> Any:
        site.wait_settled()
        eventually(lambda: not _centre(site, "roster", "hq").stderr, "taking all into account")
        done = _centre(site, *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


def _centre(site: Site, *words: str) -> subprocess.CompletedProcess[bytes]:
    return punchgate("centre", *words, "-c", site.folder / "centre.toml")


def subjects(answer: dict[str, Any], of: str = "present") -> list[str]:
    return [each["subject"] for each in answer[of]]


def test_who_came_in_is_on_the_roster_until_he_goes_out(doors: dict[str, Reader], ask: Ask) -> None:
    doors["in"].swipe(HERS)
    doors["in"].swipe(HIS)
    both = ask("roster", "hq")
    assert subjects(both) == sorted(f"card/{token(card)}" for card in (HERS, HIS))
    assert {each["zone"] for each in both["present"]} == {"lobby"}
    doors["out"].swipe(HIS)
    assert subjects(ask("roster", "hq")) == [f"card/{token(HERS)}"]


def test_a_centre_that_has_derived_ends_without_a_complaint(doors: dict[str, Reader], ask: Ask, site: Site) -> None:
    doors["in"].swipe(HERS)
    assert subjects(ask("roster", "hq")) == [f"card/{token(HERS)}"]
    centre = site.processes[0]
    assert centre.stop() == 0
    assert [line for line in centre.text().splitlines() if not line.startswith("{")] == []
    assert [row for row in centre.said() if row["level"] in ("error", "critical")] == []


def test_an_answer_can_be_asked_for_again_as_it_was_given(doors: dict[str, Reader], ask: Ask, site: Site) -> None:
    doors["in"].swipe(HERS)
    then = ask("roster", "hq")
    known_at = then["scope"]["known_at_ms"]
    at = str(then["scope"]["as_of_ms"])
    for words in (("person", "p-17", "--kind", "guard"), ("bind", token(HERS), "p-17", "--from", "-1h")):
        assert _centre(site, *words).returncode == 0
    doors["out"].swipe(HERS)
    assert ask("roster", "hq", "--as-of", at, "--as-known-at", str(known_at)) == then
    now = ask("roster", "hq", "--at", at)
    assert [(each["subject"], each["kind"]) for each in now["present"]] == [("person/p-17", "guard")]


def test_two_who_were_in_one_zone_are_contacts_of_each_other(doors: dict[str, Reader], ask: Ask) -> None:
    for card in (HERS, HIS):
        doors["in"].swipe(card)
    for card in (HERS, HIS):
        doors["out"].swipe(card)
    met = ask("contacts", f"card/{token(HERS)}")
    assert subjects(met, "contacts") == [f"card/{token(HIS)}"]
    assert met["contacts"][0]["sure_ms"] <= met["contacts"][0]["likely_ms"] <= met["contacts"][0]["possible_ms"]


@pytest.mark.usefixtures("doors")
def test_a_card_is_never_two_people_s_at_one_time(site: Site) -> None:
    assert _centre(site, "bind", token(HERS), "p-1", "--from", "-1h").returncode == 0
    refused = _centre(site, "bind", token(HERS), "p-2", "--from", "-2h")
    assert refused.returncode == 1
    assert b"p-1" in refused.stderr
