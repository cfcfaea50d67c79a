"""Directory documents from an operator's files: each form says the same, and what is wrong is said with its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from key_pairs import pair

from gateway.downward.documents import read_document
from gateway.errors import Misconfigured, Rejected
from gateway.signature import signer, unsigned
from traceability.directory import documents, read_files

A, B = "k1:" + "a" * 32, "k1:" + "b" * 32
TOML = f"""
[[lists]]
list = "lost"
tokens = ["{A}", "{B}"]
from = 2026-01-01T00:00:00Z
"""
CSV = f"list,token,from\nlost,{A},2026-01-01T00:00:00+00:00\nlost,{B},2026-01-01T00:00:00+00:00\n"
WANTED = {"lists": [{"list": "lost", "tokens": [A, B], "from": "2026-01-01T00:00:00+00:00"}]}


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [("a.toml", TOML), ("a.csv", CSV), ("a.json", json.dumps(WANTED))])
def test_all_forms_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assert read_files([file(tmp_path, name, text)]) == WANTED


def test_files_are_put_together(tmp_path: Path) -> None:
    tokens = file(tmp_path, "tokens.csv", f"\ufefftoken,person,kind\n{A},p-1,guard\n{B},p-2,\n")
    found = read_files(
        [tokens, file(tmp_path, "a.toml", TOML), file(tmp_path, "b.json", '{"lists": [], "visits": []}')]
    )
    assert found == WANTED | {
        "tokens": [{"token": A, "person": "p-1", "kind": "guard"}, {"token": B, "person": "p-2"}],
        "visits": [],
    }


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.csv", "name,phone\nx,y\n", "columns are those of no document"),
        ("a.csv", "", "columns are those of no document"),
        ("a.csv", "list,token\nlost,\n", "line 2 has no token"),
        ("a.csv", "list,token\nlost,0C000621A5\n", "lists.0.tokens.0"),
        ("a.csv", f"token,person\n{A},a person with a name\n", "tokens.0.person"),
        ("a.toml", "lists = 3", "are arrays"),
        ("a.toml", "[doors]\nopen = true", "tokens, lists or visits"),
        ("a.toml", "lists = [", "is not TOML"),
        ("a.json", "[]", "tokens, lists or visits"),
        ("a.json", '{"visits": [3]}', "visits.0"),
        ("a.txt", "hello", "is not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_place_and_not_with_what_stands_there(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    with pytest.raises(Rejected, match=reason) as refused:
        read_files([file(tmp_path, name, text)])
    assert name in str(refused.value)
    assert "0C000621A5" not in str(refused.value)
    assert "with a name" not in str(refused.value)


def test_a_gateway_reads_what_the_centre_makes() -> None:
    made = documents(WANTED, "hq/edge-01", 7, 0, signer(pair(1)[0], "key"))
    document = read_document(made["directory/lists"])
    assert (document.gateway, document.version, document.count()) == ("hq/edge-01", 7, 2)


def test_without_a_key_and_beyond_what_a_gateway_takes_nothing_is_made() -> None:
    with pytest.raises(Misconfigured, match="centre has no key"):
        documents(WANTED, "hq/edge-01", 7, 0, unsigned)
    many = {"tokens": [{"token": A, "person": "p" * 60, "kind": "k" * 30}] * 19_000}
    with pytest.raises(Rejected, match="bytes"):
        documents(many, "hq/edge-01", 7, 0, signer(pair(1)[0], "key"))
