"""The manifest of an export: what was printed, no more and no less, and that this centre says so."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from centre_lines import EPOCH, LATER_EPOCH, chain, line
from key_pairs import lay, pair
from test_centre_commands import centre_file, punchgate

from gateway.errors import Rejected
from gateway.signature import PublicKey
from gateway.wire import line_hash
from traceability.database import open_database
from traceability.ledger import Ledger

LINES, LATER = chain(3), chain(2, epoch=LATER_EPOCH)


@pytest.fixture
def file(tmp_path: Path) -> str:
    ledger = Ledger(open_database(str(tmp_path / "ledger.sqlite")), "centre-1", lambda: 1_800_000_000_000)
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [*LINES, *LATER, line(2, "0" * 64, lane="another")])
    ledger.close()
    key = lay(tmp_path / "centre.pem", pair(1)[0])
    return str(centre_file(tmp_path, database=str(tmp_path / "ledger.sqlite"), key_file=str(key)))


def manifest(file: str, path: Path, *options: str) -> tuple[bytes, dict[str, Any]]:
    done = punchgate("export", "-c", file, "--manifest", str(path), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_bytes())


def test_it_names_every_epoch_with_its_range_its_head_and_what_contradicts(file: str, tmp_path: Path) -> None:
    printed, words = manifest(file, tmp_path / "m.json")
    assert printed == punchgate("export", "-c", file).stdout
    assert (words["lines"], words["sha256"]) == (6, hashlib.sha256(printed).hexdigest())
    name = {"site": "hq", "gateway": "edge-01"}
    assert words["epochs"] == [
        name | {"epoch": EPOCH, "lines": 4, "conflicts": 1, "first": 1, "last": 3, "head": line_hash(LINES[2])},
        name | {"epoch": LATER_EPOCH, "lines": 2, "conflicts": 0, "first": 1, "last": 2, "head": line_hash(LATER[1])},
    ]


def test_it_is_signed_and_cannot_be_changed(file: str, tmp_path: Path) -> None:
    _, words = manifest(file, tmp_path / "m.json", "--epoch", EPOCH, "--since-seq", "2")
    assert words["wanted"] == {"site": None, "gateway": None, "epoch": EPOCH, "since_seq": 2}
    key = PublicKey(pair(1)[1], "")
    key.check((tmp_path / "m.json").read_bytes(), "its")
    with pytest.raises(Rejected):
        key.check(json.dumps(words | {"lines": 9}).encode(), "its")


def test_a_centre_without_a_key_makes_one_without_a_signature(file: str, tmp_path: Path) -> None:
    bare = str(centre_file(tmp_path, database=str(tmp_path / "ledger.sqlite")))
    assert "sig" not in manifest(bare, tmp_path / "m.json")[1]


def test_a_manifest_that_cannot_be_written_is_a_failure(file: str, tmp_path: Path) -> None:
    done = punchgate("export", "-c", file, "--manifest", str(tmp_path / "nowhere" / "m.json"))
    assert (done.returncode, b"nothing was written" in done.stderr) == (74, True)
