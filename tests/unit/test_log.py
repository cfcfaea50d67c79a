"""Logs: named events, once a minute, never the end of the daemon."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from gateway.log import MAX_KINDS, ONCE_EVERY_S, Once, configure


@pytest.fixture(autouse=True)
def _leave_no_configuration() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_thing_is_said_once_a_minute_with_the_times_since() -> None:
    watch = Watch()
    once = Once(watch)
    assert [once.due("frame.bad", "lane-1-in") for _ in range(5)] == [1, 0, 0, 0, 0]
    assert once.due("frame.bad", "lane-2-in") == 1
    watch.now += ONCE_EVERY_S
    assert once.due("frame.bad", "lane-1-in") == 5


def test_a_flood_of_different_kinds_is_neither_kept_nor_said() -> None:
    watch = Watch()
    once = Once(watch)
    said = sum(bool(once.due("receipt", str(number))) for number in range(10_000))
    assert said == MAX_KINDS + 1
    assert len(once._said) <= MAX_KINDS + 1
    assert len(once._times) <= MAX_KINDS + 1
    watch.now += ONCE_EVERY_S
    assert once.due("receipt", "new") == 1


def test_lines_are_json_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    configure()
    structlog.get_logger().warning("port.down", port="/dev/x")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["port"]) == ("port.down", "warning", "/dev/x")
    assert line["timestamp"].endswith("Z")


def test_a_reload_changes_the_level_of_loggers_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    log = structlog.get_logger()
    configure("warning")
    log.info("uplink.up")
    configure("info")
    log.info("uplink.up")
    assert stream.getvalue().count("uplink.up") == 1


class _Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_behind_standard_error_does_not_end_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", _Full())
    configure(form="json")
    structlog.get_logger().error("journal.trouble")
    monkeypatch.undo()
