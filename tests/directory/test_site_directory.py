"""What the centre tells of tokens, lists and visits: signed, for this gateway, never older; and what a read hits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_pairs import pair

from gateway.clock import Moment, Quality
from gateway.directory import Directory, Shelf, with_hits
from gateway.directory.shelf import FILE_NAME
from gateway.downward.documents import MAX_DOCUMENT_BYTES, read_document
from gateway.errors import Rejected
from gateway.records import CredentialRead, Draft, Notice, Place, Subject
from gateway.signature import signer, unsigned
from gateway.uplink import PublicKey
from gateway.wire import GENESIS, Origin, compact, encode

ADDRESS = "hq/edge-01"
SIGN, STRANGER = signer(pair(1)[0], "centre"), signer(pair(2)[0], "stranger")
TOKEN, OTHER = "k1:" + "a" * 32, "k1:" + "b" * 32
NOW_MS = 1_795_393_867_000  # 2026-11-23T00:31:07Z
LISTS, TOKENS, VISITS = "directory/lists", "directory/tokens", "directory/visits"


class Box:
    """A gateway's directory in a folder; `start` is a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "centre.pub").write_bytes(pair(1)[1])
        self.start()

    def start(self) -> None:
        self.directory = Directory(ADDRESS, Shelf(self.folder), lambda: 0.0)
        self.directory.key = PublicKey(self.folder / "centre.pub")
        self.directory.begin()

    def hear(self, payload: bytes, leaf: str = LISTS) -> None:
        asyncio.run(self.directory.take(leaf, payload))

    def lists(self) -> list[str]:
        return [name for name, _ in self.directory.watched(TOKEN)]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def lists(version: int = 1, sign: Any = SIGN, name: str = "lost", **more: Any) -> bytes:
    words = {"punchgate": LISTS, "gateway": ADDRESS, "version": version, "issued": "2026-11-23T00:00:00Z"}
    return compact(sign(words | {"lists": [{"list": name, "tokens": [TOKEN]}]} | more))


def test_a_document_is_in_force_and_survives_a_restart_without_a_network(box: Box) -> None:
    box.hear(lists())
    assert box.lists() == ["lost"]
    box.start()
    assert box.lists() == ["lost"]
    assert box.directory.describe()["lists"] == {"version": 1, "issued": "2026-11-23T00:00:00Z", "entries": 1}


def test_a_newer_document_takes_the_place_of_the_older_one_and_never_the_other_way_round(box: Box) -> None:
    box.hear(lists(5))
    box.hear(lists(6, name="new"))
    for _ in range(2):
        box.hear(lists(5))
        box.hear(lists(6, name="else"))
        assert box.lists() == ["new"]
        box.start()
    assert box.directory.describe()["lists"]["version"] == 6


def test_what_is_known_already_is_no_news_and_no_fault(box: Box) -> None:
    for _ in range(3):
        box.hear(lists())
    assert box.directory.counts == {"taken": 1}


WRONG: dict[str, tuple[bytes, str]] = {
    "unsigned": (lists(9, unsigned), "forged"),
    "a stranger's": (lists(9, STRANGER), "forged"),
    "changed": (lists(9).replace(b"lost", b"gone"), "forged"),
    "another gateway's": (lists(9, gateway="hq/edge-02"), "foreign"),
    "another topic's": (compact(SIGN({"punchgate": TOKENS, "gateway": ADDRESS, "version": 9,
                                      "issued": "2026-11-23T00:00:00Z", "tokens": []})), "malformed"),
    "more to it": (lists(9, door="open"), "malformed"),
    "no token": (lists(9, lists=[{"list": "lost", "tokens": ["0C000621A5"]}]), "malformed"),
    "backwards": (lists(9, lists=[{"list": "a", "tokens": [], "from": "2026-02-01T00:00:00Z",
                                   "to": "2026-01-01T00:00:00Z"}]), "malformed"),
    "too large": (b" " * (MAX_DOCUMENT_BYTES + 1), "oversized"),
    "too deep": (b"[" * 50, "oversized"),
    "nothing": (b"", "forged"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_believed_changes_nothing(box: Box, name: str) -> None:
    payload, kind = WRONG[name]
    box.hear(lists())
    kept = (box.folder / FILE_NAME).read_bytes()
    box.hear(payload)
    assert box.lists() == ["lost"]
    assert box.directory.counts == {"taken": 1, kind: 1}
    assert (box.folder / FILE_NAME).read_bytes() == kept


def test_without_the_centres_key_no_document_is_believed(box: Box) -> None:
    box.directory.key = None
    box.hear(lists())
    assert (box.lists(), box.directory.counts["no_key"]) == ([], 1)


def test_a_damaged_cache_is_set_aside_and_the_box_starts(box: Box) -> None:
    box.hear(lists())
    (box.folder / FILE_NAME).write_text("{half")
    box.start()
    assert box.lists() == []
    box.hear(lists())
    assert box.lists() == ["lost"]


def test_whose_a_token_is_and_which_visit_depends_on_the_time(box: Box) -> None:
    head = {"gateway": ADDRESS, "version": 1, "issued": "2026-11-23T00:00:00Z"}
    tokens = [{"token": TOKEN, "person": "p-17", "kind": "guard", "to": "2026-11-23T00:31:07Z"}]
    tokens += [{"token": TOKEN, "person": "p-18", "from": "2026-11-23T00:31:07Z"}]
    window = {"from": "2026-11-23T00:00:00Z", "to": "2026-11-23T01:00:00Z"}
    visits = [{"visit": "v-1", "token": OTHER} | window]
    box.hear(compact(SIGN({"punchgate": TOKENS, "tokens": tokens} | head)), TOKENS)
    box.hear(compact(SIGN({"punchgate": VISITS, "visits": visits} | head)), VISITS)
    persons = [box.directory.person(TOKEN, NOW_MS + shift) for shift in (-1, 0)]
    assert [person.person for person in persons if person] == ["p-17", "p-18"]
    assert box.directory.person(OTHER, NOW_MS) is None
    found = [box.directory.visit(OTHER, NOW_MS + shift) for shift in (0, 3_600_000)]
    assert [visit and visit.visit for visit in found] == ["v-1", None]


@given(st.binary(max_size=100) | st.dictionaries(st.text(max_size=5), st.integers(), max_size=4).map(compact))
def test_no_bytes_are_a_document_or_a_crash(payload: bytes) -> None:
    with pytest.raises(Rejected):
        read_document(payload)


# --- what a read hits


def read(token: str | None = TOKEN, state: Any = "synced", at_ms: int = NOW_MS) -> Draft:
    subject = Subject("credential", token, "em4100", 40)
    body = CredentialRead(
        device="lane-1-in", place=Place("lobby", "lobby-1", "outside", "lobby"), driver="em4100", side="in",
        subject=subject,
    )  # fmt: skip
    return Draft(body, Moment(at_ms, 0.0, 0, Quality(state, "ntp", 1, "boot")), opens=True)


def data(draft: Draft) -> dict[str, Any]:
    return dict(json.loads(encode(draft, Origin("hq", "edge-01", "UTC", "e" * 16), GENESIS))["data"])


def test_a_read_of_a_watched_token_is_followed_by_its_hit_in_the_same_breath(box: Box) -> None:
    two = [{"list": name, "tokens": [TOKEN]} for name in ("lost", "vip")]
    box.hear(lists(lists=two))
    first, other = read(), read(OTHER)
    items = with_hits([first, other], box.directory)
    assert [item for item in items if isinstance(item, Draft) and isinstance(item.body, CredentialRead)] == [
        first,
        other,
    ]
    assert [item.body.kind for item in items[1:3] if isinstance(item, Draft) and isinstance(item.body, Notice)] == [
        "list.hit",
        "list.hit",
    ]
    for number, item in enumerate(items, 7):
        assert isinstance(item, Draft)
        item.seq = number
    told = data(items[1])  # type: ignore[arg-type]
    assert told | {"list": "lost", "token": TOKEN, "refs": {"read": 7}, "in_time": True, "lane": "lobby-1"} == told


def test_what_nobody_watches_for_and_what_is_no_read_is_left_as_it_is(box: Box) -> None:
    box.hear(lists())
    items = [read(OTHER), read(None), Draft(Notice(kind="device.up"), read().moment)]
    assert with_hits(items, box.directory) is items


def test_a_list_counts_within_its_bounds_and_where_the_clock_is_wrong_always_and_says_so(box: Box) -> None:
    past = {"list": "past", "tokens": [TOKEN], "to": "2026-11-23T00:31:07Z"}
    box.hear(lists(lists=[past]))
    assert len(with_hits([read()], box.directory)) == 1
    assert len(with_hits([read(at_ms=NOW_MS - 1)], box.directory)) == 2
    marked = with_hits([first := read(state="restored")], box.directory)
    first.seq, marked[1].seq = 1, 2  # type: ignore[union-attr]
    assert data(marked[1])["in_time"] is None  # type: ignore[arg-type]
