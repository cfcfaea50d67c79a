"""A disk that is really full: the ring takes what comes, and gives it back when there is room."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from journal_bench import Heard, all_lines, assert_chain, notice, number_of, run, until

from gateway.journal import Journal, Limits
from gateway.journal.ring import FRAMES_AT

LIMITS = Limits(1 << 30, 7 * 86_400_000, ring_bytes=FRAMES_AT + (1 << 20))
BULK = "x" * 2000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Somebody else takes all that is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.needs("root")
def test_a_full_disk_loses_nothing_while_the_ring_has_room(small_disk: Path) -> None:
    async def story(journal: Journal, heard: Heard) -> None:
        journal.append([notice(0)])
        await journal.flush()
        filler = fill(small_disk)
        for number in range(1, 400):
            journal.append([notice(number, BULK)])
            assert await journal.flush()
        assert journal.fullness().waiting.kept > 100
        assert journal.fullness().waiting.refused == 0
        filler.unlink()
        journal.append([notice(400)])
        await until(lambda: number_of(heard.entries[-1]) == 400)

    heard = run(small_disk, story, LIMITS)
    assert [trouble and trouble.kind for trouble in heard.troubles] == ["quota", None], "the ports were read on"
    assert heard.levels[0] == "critical"
    kept = all_lines(small_disk)
    assert [number_of(entry) for entry in kept] == list(range(401))
    assert heard.entries == kept
    assert_chain(kept)


@pytest.mark.needs("root")
def test_a_start_on_a_full_disk_goes_on_with_the_ring(small_disk: Path) -> None:
    async def first(journal: Journal, heard: Heard) -> None:
        journal.append([notice(0)])
        await journal.flush()
        fill(small_disk)
        for number in range(1, 200):
            journal.append([notice(number, BULK)])
        await journal.flush()

    async def second(journal: Journal, heard: Heard) -> None:
        for number in range(200, 300):
            journal.append([notice(number, BULK)])
        assert await journal.flush()
        (small_disk / "filler").unlink()
        await until(lambda: not journal.fullness().waiting.kept)

    run(small_disk, first, LIMITS)
    run(small_disk, second, LIMITS)
    kept = all_lines(small_disk)
    assert [number_of(entry) for entry in kept] == list(range(300))
    assert_chain(kept)
