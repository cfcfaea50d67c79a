"""The device registry: small documents in TinyDB, replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.directory import Lost, Registry

FILE = "devices.json"


def seen(registry: Registry, device: str = "lane-1-in", port: str = "/dev/a", at: str = "t1") -> None:
    registry.seen(device, "em4100", port, at)


def test_what_was_seen_is_there_after_a_restart(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    seen(registry, "b")
    seen(registry, "a")
    registry.close()
    assert [document["device"] for document in Registry(tmp_path).all()] == ["a", "b"]


def test_since_stays_while_device_and_port_stay(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    seen(registry, at="t1")
    seen(registry, at="t2")
    assert [(one["since"], one["last_seen"]) for one in registry.all()] == [("t1", "t2")]
    seen(registry, port="/dev/b", at="t3")
    assert [(one["since"], one["port"]) for one in registry.all()] == [("t3", "/dev/b")]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"5", b'"x"', b"null", b"\xff\xfe", b'{"devices": []}', b'{"devices": {"1": 5}}', b"[" * 9999],
)
def test_an_unreadable_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    registry = Registry(tmp_path)
    assert registry.all() == []
    seen(registry)
    registry.close()
    assert [one["device"] for one in Registry(tmp_path).all()] == ["lane-1-in"]
    assert (tmp_path / "devices.damaged").read_bytes() == content


def test_a_file_the_disk_does_not_read_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text("{}")

    def fail(*_: object, **__: object) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "read_text", fail)
    monkeypatch.setattr(Path, "replace", fail)
    registry = Registry(tmp_path)
    seen(registry)
    assert [one["device"] for one in registry.all()] == ["lane-1-in"]


def test_a_document_somebody_has_edited_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"devices": {"1": {"device": "lane-1-in"}, "2": {}, "x1": {}}}')
    registry = Registry(tmp_path)
    seen(registry)
    assert "lane-1-in" in [one.get("device") for one in registry.all()]


def test_a_disk_that_takes_nothing_stops_nobody_and_keeps_the_old_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path)
    seen(registry, at="t1")
    registry.close()
    registry = Registry(tmp_path)

    def full(_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    seen(registry, at="t2")
    seen(registry, "other")
    assert [one["last_seen"] for one in registry.all()] == ["t2", "t1"], "in memory nothing is missing"
    registry.close()
    monkeypatch.undo()
    assert [one["last_seen"] for one in Registry(tmp_path).all()] == ["t1"]


@pytest.mark.alone
def test_a_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, sync = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (hangs.wait(5.0), sync(descriptor)))
    registry, begun = Registry(tmp_path), time.monotonic()
    for number in range(20):
        seen(registry, at=f"t{number:02}")
    assert time.monotonic() - begun < 2.0
    hangs.set()
    registry.close()
    assert [one["last_seen"] for one in Registry(tmp_path).all()] == ["t19"]


def test_what_was_said_before_a_wait_is_on_the_disk_after_it(tmp_path: Path) -> None:
    """A daemon that is killed right after its first record must not look as if it had listened."""
    registry = Registry(tmp_path)
    seen(registry)
    for number in range(20):
        registry.lost(["lane-1-in"], Lost("boot", number, number))
        registry.wait()
        assert Registry(tmp_path).lost_at("lane-1-in") == Lost("boot", number, number)
        seen(registry)


def test_kill_9_while_writing_leaves_a_readable_file(tmp_path: Path) -> None:
    chance, known = random.Random(7), 0
    for _ in range(20):
        child = os.fork()
        if not child:
            registry, number = Registry(tmp_path), 0
            while True:
                number += 1
                seen(registry, f"device-{number % 40}", at=str(number))
        while not known and not Registry(tmp_path).all():
            time.sleep(0.001)
        time.sleep(chance.uniform(0.02, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = len(Registry(tmp_path).all())
        assert found >= known
        known = found
    assert known
    assert not (tmp_path / "devices.damaged").exists()
