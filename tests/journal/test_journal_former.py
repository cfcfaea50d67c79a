"""A journal that another site or gateway has written: its records cannot go out under the name of now."""

from __future__ import annotations

from pathlib import Path

import pytest
from journal_bench import NAMES, Heard, all_lines, assert_chain, make_store, notice, number_of, run

from gateway.journal import Journal, Reader, Store, find_journal
from gateway.records import Heard as Mark
from gateway.wire import GENESIS, read_line

FORMER = ("hq", "edge-99", "Asia/Shanghai")


def written_by(names: tuple[str, str, str], folder: Path, settled: int) -> str:
    """Six records, and a mark; the epoch."""
    store = Store(find_journal(folder), names)
    with store.transaction():
        store.append([*map(notice, range(6)), Mark("clock-1", "far")], 0)
        store.remember("settled", f"[[1,{settled}]]")
    epoch = store.origin.epoch
    store.sign_off()
    store.close()
    return epoch


async def one_more(journal: Journal, _: Heard) -> None:
    journal.append([notice(7)])
    assert await journal.flush()


@pytest.mark.parametrize("names", [FORMER, ("annex", "edge-01", "Asia/Shanghai")])
def test_it_is_set_aside_whole_and_a_journal_begins_that_follows_none(
    tmp_path: Path, names: tuple[str, str, str]
) -> None:
    epoch = written_by(names, tmp_path, settled=2)

    async def story(journal: Journal, heard: Heard) -> None:
        former = journal.former
        assert former is not None
        assert (former.name, former.unsettled) == ("/".join(names[:2]), 4)
        assert str(former.path) in (former.alarm() or "")
        await one_more(journal, heard)

    assert run(tmp_path, story).bugs == []
    (aside,) = tmp_path.glob("journal-*.aside")
    kept = Reader(aside)
    assert [number_of(entry) for entry in kept.lines(1, 9, 9, 1 << 20)] == list(range(6))
    assert kept.meta("epoch") == epoch
    kept.close()
    lines = [read_line(entry.line) for entry in all_lines(tmp_path)]
    assert [(line.site, line.gateway, line.seq, line.prev) for line in lines] == [(*NAMES[:2], 1, GENESIS)]
    assert lines[0].epoch != epoch
    assert_chain(all_lines(tmp_path))


def test_how_far_the_devices_were_heard_is_true_under_any_name(tmp_path: Path) -> None:
    written_by(FORMER, tmp_path, settled=6)

    async def story(journal: Journal, heard: Heard) -> None:
        assert journal.former is not None
        assert journal.former.alarm() is None, "all of it is with the centre"
        await one_more(journal, heard)

    run(tmp_path, story)
    store = make_store(tmp_path)
    assert store.marks() == {"clock-1": "far"}
    store.close()


def test_the_next_start_finds_its_own_and_another_time_zone_is_no_other_name(tmp_path: Path) -> None:
    written_by((*NAMES[:2], "Europe/Lisbon"), tmp_path, settled=0)

    async def story(journal: Journal, heard: Heard) -> None:
        assert journal.former is None
        await one_more(journal, heard)

    run(tmp_path, story)
    assert len(all_lines(tmp_path)) == 7
    assert list(tmp_path.glob("*.aside")) == []
