"""The journal's file loses its name while it is open: what it holds is whole, and gets the name back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from journal_bench import Heard, all_lines, assert_chain, notice, number_of, run, until

from gateway.journal import Journal, find_journal, seat


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "LOOK_EVERY_S", 0.05)


def delete_all(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def delete(path: Path) -> None:
    path.unlink()


def delete_log(path: Path) -> None:
    Path(f"{path}-wal").unlink()


def move_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def put_another_there(path: Path) -> None:
    delete_all(path)
    path.write_bytes(b"not a journal" * 1000)


def put_an_old_copy_there(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.rename(path)


@pytest.mark.parametrize(
    "strike", [delete_all, delete, delete_log, move_away, put_another_there, put_an_old_copy_there]
)
def test_nothing_is_lost_and_the_epoch_goes_on(tmp_path: Path, strike: Callable[[Path], None]) -> None:
    path = find_journal(tmp_path)

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(number) for number in range(10)])
        assert await journal.flush()
        assert len(await journal.read(1, 10, 10, 1 << 20)) == 10
        strike(path)
        was = path.stat().st_ino if path.exists() else None
        journal.append([notice(10)])
        assert await journal.flush()
        await until(lambda: bool(journal.pulse()) and path.exists() and path.stat().st_ino != was)
        journal.append([notice(number) for number in range(11, 20)])
        assert await journal.flush()
        assert [number_of(entry) for entry in await journal.read(1, 20, 50, 1 << 20)] == list(range(20))

    heard = run(tmp_path, story)
    assert heard.bugs == []
    assert [number_of(entry) for entry in all_lines(tmp_path)] == list(range(20))
    assert_chain(all_lines(tmp_path))


def test_where_the_folder_is_gone_the_open_file_is_kept_on(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()

    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(number) for number in range(10)])
        assert await journal.flush()
        folder.rename(tmp_path / "away")
        await until(lambda: journal.pulse() > 20)
        (tmp_path / "away").rename(folder)
        journal.append([notice(10)])
        assert await journal.flush()

    assert run(folder, story).bugs == []
    assert [number_of(entry) for entry in all_lines(folder)] == list(range(11))


def test_a_file_system_that_numbers_its_files_anew_each_time_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = count()
    monkeypatch.setattr(seat, "file_id", lambda _: (1, next(numbers)))

    async def story(journal: Journal, heard: Heard) -> None:
        for number in range(10):
            journal.append([notice(number)])
            assert await journal.flush()
            await asyncio.sleep(0.1)

    assert run(tmp_path, story).bugs == []
    assert [number_of(entry) for entry in all_lines(tmp_path)] == list(range(10))
    aside = [each for each in tmp_path.glob("journal-replaced.aside*") if not each.name.endswith(("-wal", "-shm"))]
    assert len(aside) == seat.MOST_IN_A_ROW
