"""`journal show` and `journal verify` among tombstones: what went is told apart, and the chain still checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from journal_bench import make_store, notice

import config
from gateway.commands.journal import command
from gateway.wire import line_hash

EXAMPLE = Path(config.__file__).parent / "examples" / "line-reader.toml"


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Ten records: 1 and 2 pruned, 4 to 6 expired, 9 expired between two that are held."""
    shutil.copy(EXAMPLE, tmp_path / "punchgate.toml")
    (tmp_path / "organisation.key").write_text("ab" * 32)
    (tmp_path / "organisation.key").chmod(0o600)
    store = make_store(tmp_path)
    with store.transaction():
        entries = store.append([notice(number) for number in range(10)], 0)
        store.remember("settled", "[[1,2]]")
        for entry in entries[3:6] + entries[8:9]:
            store.bury(entry.seq, line_hash(entry.line))
        store.forget([1, 2, 4, 5, 6, 9])
    store.close()
    return tmp_path


def ask(box: Path, *words: str) -> Result:
    environ = {"PUNCHGATE_GATEWAY__STATE_DIR": str(box)}
    return CliRunner().invoke(command, [*words, "-c", str(box / "punchgate.toml")], env=environ)


def change(box: Path, statement: str) -> None:
    store = make_store(box)
    store._connection.execute(statement)
    store.close()


def test_verify_goes_on_over_tombstones(box: Path) -> None:
    done = ask(box, "verify", "--json")
    assert (json.loads(done.stdout)["flaws"], done.exit_code) == ([], 0)


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE tombstones SET hash=zeroblob(32) WHERE seq=6", "record 7 does not follow the bytes of 6"),
        ("UPDATE tombstones SET hash=zeroblob(32) WHERE seq=9", "record 10 does not follow the bytes of 9"),
        ("DELETE FROM tombstones WHERE seq=5", "records 5..5 are missing"),
        ("DELETE FROM records WHERE seq=8", "records 8..8 are missing"),
    ],
)
def test_verify_finds_what_does_not_fit_a_tombstone(box: Path, statement: str, flaw: str) -> None:
    change(box, statement)
    done = ask(box, "verify", "--json")
    assert flaw in json.loads(done.stdout)["flaws"]


def test_show_tells_expired_from_pruned(box: Path) -> None:
    reasons = [str(ask(box, "show", str(seq)).exception) for seq in (1, 2, 5, 11)]
    store = make_store(box)
    assert reasons[0].startswith("record 1 is not held: pruned;")
    third = json.loads(store.lines(3, 3, 1, 1)[0].line)
    assert f"pruned, hash {third['data']['prev']}" in reasons[1]
    assert f"expired, hash {store.tombstone(5)}" in reasons[2]
    assert reasons[3].startswith("record 11 is not held; the journal has 3..10")
