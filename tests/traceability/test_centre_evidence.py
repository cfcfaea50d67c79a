"""Signed heads: kept, compared, proved; whoever changes a line or a testimony afterwards is found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from centre_bench import Wall, make_old, only_a_file
from centre_lines import EPOCH, chain, line
from key_pairs import lay, pair
from sqlalchemy import Update, update
from test_centre_commands import centre_file, punchgate

from gateway.signature import signer
from gateway.wire import compact, line_hash, timestamp
from traceability.database import tables
from traceability.ledger import Ledger
from traceability.proofs import Proof, prove
from traceability.sign import Forged, GatewayKeys
from traceability.states import read_state

SIGN = signer(pair(1)[0], "sign.key_file")
LINES = chain(6)


@pytest.fixture
def keys(tmp_path: Path) -> GatewayKeys:
    lay(tmp_path / "keys" / "hq.edge-01.pub", pair(1)[1])
    return GatewayKeys(tmp_path / "keys")


class Centre:
    """A ledger that hears signed states as the consumer would."""

    def __init__(self, ledger: Ledger, keys: GatewayKeys, wall: Wall, place: str) -> None:
        self.ledger, self.keys, self.wall, self.place = ledger, keys, wall, place

    def take(self, *lines: bytes) -> list[str]:
        with self.ledger.group([("hq", "edge-01")]) as group:
            group.take("hq", "edge-01", lines)
        return [alarm.event for alarm in group.alarms]

    def hear(self, newest: int, head: str | None = None, **words: Any) -> list[str]:
        state = {"status": "online", "epoch": EPOCH, "newest": newest, "head": head or line_hash(LINES[newest - 1])}
        payload = compact(SIGN(state | {"time": timestamp(self.wall.ms)} | words))
        assert self.keys.check("hq", "edge-01", payload)
        with self.ledger.group([("hq", "edge-01")]) as group:
            group.hear("hq", "edge-01", read_state(payload), payload)
        return [alarm.event for alarm in group.alarms]

    def proofs(self) -> list[Proof]:
        return list(prove(self.ledger.database, self.keys))

    def spoil(self, change: Update) -> None:
        """As somebody with the right to write to the database would do it."""
        with self.ledger.database.writing() as connection:
            assert connection.execute(change).rowcount == 1

    def rewrite(self, seq: int, stored: bytes) -> None:
        records = tables.records
        self.spoil(update(records).where(records.c.seq == seq).values(line=stored))


@pytest.fixture
def centre(ledger: Ledger, keys: GatewayKeys, wall: Wall, place: str) -> Centre:
    return Centre(ledger, keys, wall, place)


def test_a_signed_head_proves_the_chain_up_to_it(centre: Centre) -> None:
    centre.take(*LINES)
    assert centre.hear(4) == []
    (proof,) = centre.proofs()
    assert (proof.newest, proof.signature, proof.line, proof.since) == (4, "valid", "same", 1)
    assert json.loads(proof.message)["head"] == line_hash(LINES[3])
    assert not proof.is_finding


def test_of_an_hour_the_last_is_kept_and_of_every_hour_one(centre: Centre) -> None:
    centre.take(*LINES)
    for newest in (1, 2, 3):
        centre.hear(newest)
        centre.wall.forward(30)
    assert [proof.newest for proof in centre.proofs()] == [3]
    for _ in range(2):
        centre.wall.forward(3600)
        centre.hear(3)
    told = centre.proofs()
    assert [proof.newest for proof in told] == [3, 3, 3]
    assert len({proof.said for proof in told}) == 3


def test_what_no_line_has_confirmed_yet_is_not_replaced(centre: Centre) -> None:
    for newest in (2, 4, 4):
        centre.hear(newest)
        centre.wall.forward(30)
    assert [(proof.newest, proof.line) for proof in centre.proofs()] == [(2, "missing"), (4, "missing")]


def test_a_will_that_was_signed_a_while_ago_takes_nothing_away(centre: Centre) -> None:
    centre.take(*LINES)
    then = timestamp(centre.wall.ms)
    centre.wall.forward(60)
    centre.hear(5)
    centre.hear(2, status="offline", time=then)
    centre.hear(5, status="offline", time=then)
    assert [(proof.newest, proof.said != then) for proof in centre.proofs()] == [(5, True)]


def test_another_line_than_the_signed_one_is_an_alarm_once_and_kept(centre: Centre) -> None:
    centre.take(*LINES)
    assert "evidence.conflict" in centre.hear(3, "ab" * 32)
    centre.wall.forward(30)
    assert centre.hear(3, "ab" * 32) == []
    assert centre.hear(5) == []
    wrong, right = centre.proofs()
    assert (wrong.newest, wrong.line, wrong.is_finding) == (3, "other", True)
    assert (right.newest, right.line, right.is_finding) == (5, "same", False)


def test_a_line_that_comes_later_is_compared_with_what_was_signed_before(centre: Centre) -> None:
    assert centre.hear(3, "ab" * 32) == []
    assert "evidence.conflict" in centre.take(*LINES)


def test_two_signed_heads_under_one_number_are_an_alarm_without_any_line(centre: Centre) -> None:
    assert centre.hear(3) == []
    centre.wall.forward(1)
    assert "evidence.conflict" in centre.hear(3, "ab" * 32)
    assert len(centre.proofs()) == 2


def test_a_line_changed_in_the_ledger_is_found_at_the_head_and_before_it(centre: Centre) -> None:
    centre.take(*LINES)
    centre.hear(4)
    centre.rewrite(2, line(2, line_hash(LINES[0]), lane="elsewhere"))
    assert [(proof.line, proof.since) for proof in centre.proofs()] == [("same", 3)]
    centre.rewrite(4, line(4, line_hash(LINES[2]), lane="elsewhere"))
    assert [(proof.line, proof.since, proof.is_finding) for proof in centre.proofs()] == [("other", None, True)]


def test_lines_that_are_missing_limit_what_is_proved(centre: Centre) -> None:
    centre.take(LINES[0], *LINES[2:4])
    centre.hear(4)
    assert [proof.since for proof in centre.proofs()] == [3]


@pytest.mark.parametrize(
    "change",
    [
        update(tables.evidence).values(newest=3),
        update(tables.evidence).values(hash=bytes(32)),
        update(tables.evidence).values(said="2026-01-01T00:00:00.000Z"),
        update(tables.evidence).values(message=b"\xff\0"),
        update(tables.streams).values(epoch="0000000000000000"),
    ],
)
def test_a_testimony_changed_in_the_ledger_is_no_proof(centre: Centre, change: Update) -> None:
    centre.take(*LINES)
    centre.hear(4)
    centre.spoil(change)
    (proof,) = centre.proofs()
    assert (proof.signature, proof.since, proof.is_finding) == ("invalid", None, True)


def test_without_the_key_nothing_is_proved_and_nothing_accused(centre: Centre) -> None:
    centre.take(*LINES)
    centre.hear(4)
    (proof,) = prove(centre.ledger.database, GatewayKeys(None))
    assert (proof.signature, proof.since, proof.is_finding) == ("no key", None, False)


def test_the_command_prints_the_verdict_and_fails_where_somebody_should_look(centre: Centre, tmp_path: Path) -> None:
    centre.take(*LINES)
    centre.hear(4)
    file = str(centre_file(tmp_path, database=centre.place, gateway_keys=str(tmp_path / "keys")))
    done = punchgate("evidence", "-c", file)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"hq/edge-01/{EPOCH}  proves 1..4  said ")
    told = json.loads(punchgate("evidence", "--json", "--gateway", "edge-01", "-c", file).stdout)
    assert (told["holds"], told["newest"], json.loads(told["message"])["epoch"]) == (True, 4, EPOCH)
    assert punchgate("evidence", "--site", "elsewhere", "-c", file).stdout == b""
    lay(tmp_path / "keys" / "hq.edge-01.pub", pair(2)[1])
    done = punchgate("evidence", "-c", file)
    assert (done.returncode, b"signature invalid" in done.stdout) == (1, True)


# --- the folder of keys


def test_a_key_laid_into_the_folder_counts_at_once_and_a_new_one_too(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    keys, message = GatewayKeys(tmp_path / "keys"), compact(SIGN({"newest": 1}))
    assert keys.check("hq", "edge-01", message) is False
    lay(tmp_path / "keys" / "hq.edge-01.pub", pair(1)[1])
    assert keys.check("hq", "edge-01", message) is True
    lay(tmp_path / "keys" / "hq.edge-01.pub", pair(2)[1] + pair(3)[1])
    with pytest.raises(Forged, match="signature is not that of hq/edge-01"):
        keys.check("hq", "edge-01", message)


@pytest.mark.parametrize("content", [b"", b"not a key", pair(1)[0]])
def test_a_key_of_no_use_lets_nobody_speak_and_is_told_at_the_start(tmp_path: Path, content: bytes) -> None:
    lay(tmp_path / "keys" / "hq.edge-01.pub", content)
    keys = GatewayKeys(tmp_path / "keys")
    with pytest.raises(Forged, match="not a PEM public key"):
        keys.check("hq", "edge-01", b"{}")
    assert ["openssl pkey -pubout" in flaw for flaw in keys.flaws()] == [True]


def test_a_folder_that_is_gone_lets_nobody_speak(tmp_path: Path) -> None:
    keys = GatewayKeys(tmp_path / "keys")
    with pytest.raises(Forged, match="there is no such folder"):
        keys.check("hq", "edge-01", b"{}")
    assert len(keys.flaws()) == 1


def test_a_shared_key_and_a_misnamed_file_are_told(tmp_path: Path) -> None:
    for name in ("hq.edge-01.pub", "hq.edge-02.pub", "HQ.pub"):
        lay(tmp_path / "keys" / name, pair(1)[1])
    flaws = GatewayKeys(tmp_path / "keys").flaws()
    assert len(flaws) == 2
    assert "is not called {site}.{gateway}.pub" in flaws[0]
    assert "is the key of hq.edge-01.pub too" in flaws[1]


@only_a_file
def test_a_ledger_from_before_there_was_evidence_gets_room_for_it(centre: Centre) -> None:
    centre.take(*LINES)
    centre.ledger.close()
    make_old(Path(centre.place), 2)
    assert centre.hear(4) == []
    assert [proof.since for proof in centre.proofs()] == [1]
