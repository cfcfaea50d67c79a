"""A bug says where it is, and nothing of whom it happened to."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
import structlog

from gateway.log import configure
from gateway.tracebacks import discreet

CARD = "0C000621A5"


def broken(value: str) -> None:
    try:
        int(f"{value}!")
    except ValueError as error:
        raise KeyError(value) from error


def error_of(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except BaseException as error:  # noqa: BLE001
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "value", [CARD, "1042", "张伟", "visitor wang", "006,08613", "11010519491231002X", "a\nb: 4711"]
)
def test_a_traceback_shows_place_and_kind_and_not_the_value(value: str) -> None:
    text = discreet(error_of(lambda: broken(value)))
    assert value not in text
    assert "test_tracebacks.py" in text
    assert "in broken" in text
    assert "ValueError: invalid literal for int() with base 10: (text)" in text
    assert "The above exception was the direct cause of the following exception:" in text
    assert text.endswith("KeyError: (text)")


def test_errors_in_a_group_and_notes_are_told_in_the_same_way() -> None:
    one = ValueError(f"card {CARD}")
    one.add_note(f"it was {CARD}, 4711")
    text = discreet(ExceptionGroup(f"both of {CARD}", [one, OSError(28, "No space left on device")]))
    assert CARD not in text
    assert "4711" not in text
    assert "No space left on device" in text


def test_the_log_shows_no_value_either(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("json", "console"):
        monkeypatch.setattr(sys, "stderr", heard := io.StringIO())
        configure("info", form)  # type: ignore[arg-type]
        structlog.get_logger().error("gateway.bug", exc_info=error_of(lambda: broken(CARD)))
        structlog.reset_defaults()
        assert CARD not in heard.getvalue()
        assert "in broken" in (json.loads(heard.getvalue())["exception"] if form == "json" else heard.getvalue())


THREADS = f"""
import threading
from gateway.tracebacks import be_discreet
be_discreet()
class Broken:
    def __del__(self):
        raise ValueError("{CARD}"[:9] + "5")
def fail():
    raise ValueError("{CARD}")
thread = threading.Thread(target=fail, name="journal")
thread.start()
thread.join()
Broken()
fail()
"""


def test_neither_does_what_no_log_has_caught() -> None:
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    shown = [line for line in done.stderr.splitlines() if CARD in line and "raise" not in line]
    assert shown == []
    assert "Exception in thread journal:" in done.stderr
    assert done.stderr.count("ValueError: (number)") == 3
