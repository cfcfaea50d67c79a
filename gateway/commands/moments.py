"""Moments as people write them on a command line: RFC 3339, a local date or time, `now`, `-2h`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

Command = Callable[..., Any]
Moment = int
"""Unix ms."""

END_MS = 7_258_118_400_000
"""The year 2200."""
UNIX_MS_DIGITS = (12, 13)
"""Fewer would be seconds."""
_AGO = re.compile(r"-(\d+)([smhd])")
_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def moment_option(*names: str, **words: Any) -> Callable[[Command], Command]:
    """An option that takes a moment. Without a zone it is this machine's local time."""
    return click.option(*names, callback=_read, metavar="TIME", **words)


def moment_of(text: str, now_ms: int) -> Moment | None:
    """Unix ms from 1970 up to 2200; None if it cannot be read."""
    moment = _read_any(text, now_ms)
    return moment if moment is not None and 0 <= moment < END_MS else None


def _read_any(text: str, now_ms: int) -> Moment | None:
    if text == "now":
        return now_ms
    if ago := _AGO.fullmatch(text):
        return now_ms - int(ago[1]) * _UNITS_MS[ago[2]]
    if text.isdecimal() and len(text) > 8:
        return int(text) if len(text) in UNIX_MS_DIGITS else None
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _read(_: click.Context, option: click.Parameter, text: str | None) -> Moment | None:
    if text is None:
        return None
    moment = moment_of(text, time.time_ns() // 1_000_000)
    if moment is None:
        raise click.BadParameter(
            f"{text!r} is no time: 2026-11-29T08:00+08:00, 2026-11-29 08:00, now, -2h, or unix ms", param=option
        )
    return moment
