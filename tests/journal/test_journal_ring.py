"""The emergency ring as a file: what was kept is read again, whatever was torn, broken or left from before."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_bench import PLACE, SOMEBODY, moment, notice, punch, read

from gateway import records
from gateway.journal import letters
from gateway.journal.letters import seal, unseal
from gateway.journal.ring import FRAMES_AT, Ring, peek
from gateway.records import Body, CredentialRead, CredentialRepeated, Draft, Lost, Notice, PassageSensed, Punch
from gateway.wire import Origin, encode

SIZE = FRAMES_AT + 64 * 1024
ORIGIN = Origin("hq", "edge-01", "UTC", "0" * 16)


def opened(folder: Path) -> Ring:
    ring = Ring(folder / "journal.ring", SIZE)
    ring.allocate()
    return ring


def letters_of(ring: Ring) -> list[tuple[int, bytes]]:
    return [(frame.place, frame.letter) for frame in ring.frames()]


def test_its_room_is_there_before_it_is_needed(tmp_path: Path) -> None:
    opened(tmp_path).close()
    assert (tmp_path / "journal.ring").stat().st_blocks * 512 >= SIZE


def test_a_disk_without_room_for_it_is_told_and_nothing_is_left_open(tmp_path: Path) -> None:
    ring = Ring(tmp_path / "journal.ring", 1 << 60)
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG) + "|" + os.strerror(errno.ENOSPC)):
        ring.allocate()
    assert not ring.is_ready
    ring.size_bytes = SIZE
    ring.allocate()
    assert ring.is_ready
    assert not ring.was_damaged


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(st.binary(max_size=900), min_size=1, max_size=4), max_size=12), again=st.booleans())
def test_what_was_kept_is_there_again(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[bytes]], again: bool
) -> None:
    folder = tmp_path_factory.mktemp("ring")
    ring = opened(folder)
    if again:
        ring.keep([(at, b"of an earlier filling" * 9) for at in range(30)])
        ring.empty()
    kept: list[tuple[int, bytes]] = []
    for group in groups:
        frames = [(len(kept) + at, letter) for at, letter in enumerate(group)]
        ring.keep(frames)
        kept += frames
        ring.close()
        ring = opened(folder)
        assert letters_of(ring) == kept
    assert [(frame.place, frame.letter) for frame in peek(folder / "journal.ring")[1]] == kept


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_torn_end_takes_nothing_with_it_and_a_broken_middle_only_itself(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("ring")
    ring = opened(folder)
    sizes = data.draw(st.lists(st.integers(1, 300), min_size=3, max_size=20))
    kept = [(at, bytes([at]) * size) for at, size in enumerate(sizes)]
    ring.keep(kept)
    frames = list(ring.frames())
    broken = data.draw(st.integers(0, len(kept) - 1))
    at = data.draw(st.integers(FRAMES_AT if not broken else frames[broken - 1].end, frames[broken].end - 17))
    ring.close()
    with (folder / "journal.ring").open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 0x5A]))
    assert letters_of(opened(folder)) == kept[:broken] + kept[broken + 1 :]


def test_one_broken_header_does_no_harm_and_two_are_noticed(tmp_path: Path) -> None:
    ring = opened(tmp_path)
    ring.keep([(0, b"letter")])
    ring.refuse({"lane-1-in": {"count": 2, "since": "a", "until": "b"}})
    ring.close()
    for slot, damaged in ((0, False), (64 * 1024, True)):
        with (tmp_path / "journal.ring").open("r+b") as file:
            file.seek(slot + 20)
            file.write(b"\xff\xff")
        ring = opened(tmp_path)
        assert ring.was_damaged is damaged
        assert bool(ring.filling.refused) is not damaged
        assert bool(letters_of(ring)) is not damaged
        ring.close()


def bodies() -> list[Draft]:
    """One draft of every body there is, with every kind of reference."""
    first, earlier = read(1), read(2)
    earlier.seq = 17
    whole = Punch(
        device="lane-1-in",
        place=PLACE,
        driver="em4100",
        direction="out",
        basis="pass_sensor",
        subject=SOMEBODY,
        outcome="ambiguous",
        confidence="ambiguous",
        read=first,
        passes=(earlier, 9),
        burst=first,
        candidates=(first, 3),
        repeats=2,
    )
    repeated = CredentialRepeated(device="lane-1-in", read=first, count=3, until="2026-01-01T00:00:00.000Z")
    sensed = PassageSensed(device="arm", place=PLACE, driver="eb_turnstile", direction="in", count=2)
    lost = Lost(cause="pruned", epoch="e", first=1, last=2, count=2, previous={"seq": 4, "hash": None})
    said = notice(4, "\ud800 and \u4e2d")
    hit = Notice(kind="list.hit", device="lane-1-in", read=first, details={"list": "lost", "in_time": None})
    return [first, *(Draft(body, moment(5, live=False)) for body in (whole, repeated, sensed, lost, hit)), said]


def lines(drafts: list[Draft]) -> list[bytes]:
    """As the journal would make them, from 100 on."""
    for seq, draft in enumerate(drafts, 100):
        draft.seq = seq
    return [encode(draft, ORIGIN, "0" * 64) for draft in drafts]


def test_every_body_there_is_survives_a_restart() -> None:
    drafts = bodies()
    letter = seal(drafts, {id(draft): at for at, draft in enumerate(drafts)}, "e")
    assert lines(unseal(letter, {}, "e")) == lines(drafts)
    kinds = {kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Body)} - {Body}
    assert kinds == {type(draft.body) for draft in drafts} <= set(letters.WORDS)


def test_a_reference_into_another_epoch_refers_to_nothing() -> None:
    first, second = read(1), read(2)
    first.seq = 7
    drafts = [punch(first), second, punch(second)]
    alive = unseal(seal(drafts, {id(draft): at for at, draft in enumerate(drafts)}, "old"), {}, "new")
    with pytest.raises(LookupError):
        lines(alive[:1])
    assert lines(alive[1:]) == lines(drafts[1:])
    assert isinstance(alive[1].body, CredentialRead)
    assert alive[1].opens
    assert alive[2].closes == (alive[1],)
