"""Names and numbers on a command line, checked before anything is asked: a misspelt one would get an empty answer."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class _Pattern(click.ParamType[str]):
    """A text of one form."""

    def __init__(self, name: str, pattern: str, allowed: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._allowed = allowed

    def fits(self, text: str) -> bool:
        return self._pattern.fullmatch(text) is not None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not self.fits(str(value)):
            self.fail(f"{value!r} is not {self._allowed}", param, ctx)
        return str(value)


class Amount(click.FloatRange):
    """A number within bounds that is one: neither `nan` nor `inf`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


NAME = _Pattern("name", r"[a-z0-9-]{1,32}", "a name: a-z, 0-9 and -, 32 at most")
SUBJECT = _Pattern("subject", r"(person|card)/[^\x00-\x1f\x7f]{1,128}", "person/ID or card/TOKEN")
MINUTES = Amount(0, 60.0 * 24 * 366)


def is_subject(text: str) -> bool:
    """Whether it is person/ID or card/TOKEN."""
    return SUBJECT.fits(text)
