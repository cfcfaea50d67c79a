"""What a person asks for: records once more, and a decision about those the centre refused."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from .conftest import BrokerMaker, SiteMaker
from .ear import Ear
from .site import Site, cards, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")


def _asked(site: Site, *words: str) -> str:
    done = punchgate("journal", *words, "-c", site.file)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _quarantined(site: Site) -> list[int]:
    return [entry["seq"] for entry in json.loads(_asked(site, "quarantine", "--json"))]


def _replayed(ear: Ear, since: int) -> list[int]:
    """Seqs on `replay`, in order, of the messages after the first `since`."""
    return [json.loads(line)["data"]["seq"] for it in ear.on("replay")[since:] for line in it.lines()]


def _running(site: Site) -> None:
    site.reader("reader-1")
    site.start()
    site.wait_up()
    site.wait_connected()


def test_a_range_goes_again_on_replay_and_is_at_the_centre_once(site: Site, ear: Ear) -> None:
    site.centre()
    _running(site)
    for card in cards(10):
        site.readers[0].swipe(card)
    newest = site.wait_settled(newest=22)
    complete, since = site.export(), len(ear.on("replay"))
    assert _asked(site, "resend", "3..12") == "10 records (3..12) are queued on replay\n"
    eventually(lambda: _replayed(ear, since) == list(range(3, 13)), "replaying")
    site.wait_settled(newest=newest)
    assert _asked(site, "resend", str(newest)).startswith("1 records ")
    eventually(lambda: _replayed(ear, since) == [*range(3, 13), newest], "replaying the newest")
    site.wait_settled(newest=newest)
    assert site.export()[: len(complete)] == complete
    assert site.coverage()["streams"][0]["conflicts"] == []


def test_what_is_not_held_or_makes_no_sense_is_refused(site: Site) -> None:
    _running(site)
    newest = site.status()["newest"]
    for span, code, words in (
        (f"1..{newest + 5}", 1, f"the journal has 1..{newest}"),
        ("0..1", 2, "records count from 1"),
        ("5..2", 2, "the first comes first"),
        ("all", 2, "such as 17..42"),
    ):
        done = punchgate("journal", "resend", span, "-c", site.file)
        assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr.decode()
    for words in (("retry", "1"), ("drop", "1")):
        done = punchgate("journal", "quarantine", *words, "-c", site.file)
        assert (done.returncode, b"record 1 is not in quarantine" in done.stderr) == (1, True)
    for words in (("retry",), ("list", "1"), ("forget", "1"), ("drop", "0")):
        assert punchgate("journal", "quarantine", *words, "-c", site.file).returncode == 2


def test_without_a_daemon_only_the_list_answers(site: Site) -> None:
    _running(site)
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    assert _asked(site, "quarantine") == "nothing is in quarantine\n"
    for words in (("resend", "1..2"), ("quarantine", "retry", "1"), ("quarantine", "drop", "1")):
        done = punchgate("journal", *words, "-c", site.file)
        assert (done.returncode, b"start it: systemctl start punchgate" in done.stderr) == (69, True)


def test_without_a_connection_it_is_said_and_goes_later(make_site: SiteMaker, own_broker: BrokerMaker) -> None:
    broker = own_broker()
    site = make_site(broker.url)
    site.centre()
    _running(site)
    newest = site.wait_settled()
    broker.stop()
    eventually(lambda: not site.status()["uplink"]["connected"], "noticing")
    said = _asked(site, "resend", "1..2")
    assert said.startswith("2 records (1..2) are queued on replay; it goes when there is a connection (")
    assert site.status()["settled"] == 0
    broker.start()
    site.wait_settled(newest=newest)


class Refusing:
    """A centre of the contract alone: it refuses what it is told to, in receipts that rise."""

    def __init__(self, site: Site, ear: Ear) -> None:
        self._site, self._ear, self._numbers = site, ear, itertools.count(1)

    def refuse(self, *seqs: int) -> None:
        status = self._site.status()
        receipt: dict[str, Any] = {"ledger": "1" * 16, "receipt": next(self._numbers), "epoch": status["epoch"]}
        receipt |= {"through": status["newest"], "seen": status["newest"], "missing": [], "service": "s", "time": ""}
        receipt["rejected"] = [{"seq": seq, "reason": "no such site"} for seq in seqs]
        self._ear.tell("hq/edge-01/receipt", json.dumps(receipt).encode())


def _device_up(ear: Ear) -> int:
    """The seq of the record that the reader came."""
    return int(ear.wait_records("device.up", 1)[0]["data"]["seq"])


def test_a_refused_record_is_listed_retried_and_comes_back_if_it_is_refused_again(site: Site, ear: Ear) -> None:
    _running(site)
    centre, seq = Refusing(site, ear), _device_up(ear)
    centre.refuse(seq)
    eventually(lambda: _quarantined(site) == [seq], "quarantine")
    (entry,) = json.loads(_asked(site, "quarantine", "list", "--json"))
    assert entry == entry | {"seq": seq, "reason": "no such site", "type": "punchgate.device.up.v1"}
    assert f"{seq}  refused " in _asked(site, "quarantine")
    since = len(ear.on("replay"))
    assert f"record {seq} is queued on replay; it was refused: no such site" in _asked(
        site, "quarantine", "retry", str(seq)
    )
    eventually(lambda: _replayed(ear, since) == [seq], "retrying")
    assert _quarantined(site) == []
    centre.refuse(seq)
    eventually(lambda: _quarantined(site) == [seq], "coming back")
    _asked(site, "quarantine", "retry", str(seq))
    eventually(lambda: _replayed(ear, since) == [seq, seq], "retrying again")
    centre.refuse()
    site.wait_settled()
    assert _quarantined(site) == []


def test_a_dropped_record_is_declared_lost_and_its_story_stays(site: Site, ear: Ear) -> None:
    _running(site)
    centre, seq = Refusing(site, ear), _device_up(ear)
    centre.refuse(1, seq)
    eventually(lambda: _quarantined(site) == [1, seq], "quarantine")
    assert f"record {seq} is given up and declared lost; it was refused" in _asked(
        site, "quarantine", "drop", str(seq)
    )
    (lost,) = (event["data"]["lost"] for event in ear.wait_records("records.lost", 1))
    epoch = site.status()["epoch"]
    assert lost == lost | {"epoch": epoch, "first": seq, "last": seq, "count": 1, "cause": "refused"}
    assert lost["device"] == "reader-1"
    assert _quarantined(site) == [1]
    assert site.daemon is not None
    site.daemon.kill()
    site.start()
    site.wait_connected()
    centre.refuse(1, seq)
    site.daemon.wait_for("records.refused")
    assert _quarantined(site) == [1], "given up is given up, however often it is refused"
    life = json.loads(_asked(site, "show", str(seq)))
    assert (life["refused"], life["dropped"]["reason"]) == (None, "no such site")
    assert site.verify()["flaws"] == []
