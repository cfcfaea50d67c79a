"""Patterns an operator writes: useful ones pass, those that could stall a turnstile do not."""

from __future__ import annotations

import time

import pytest

from drivers.patterns import compile_pattern


@pytest.mark.parametrize(
    "text",
    [
        r"(?P<value>[0-9A-Fa-f]{8,10})",
        r"(?P<value>.+)",
        r"ID=(?P<value>\w+);DOOR=(?P<door>\d+);T=(?P<when>[^;]*);.*",
        r"(?P<facility>\d+),(?P<card>\d+),(?P<a>\d+),(?P<b>\d+),(?P<c>\d+)",
        r"(?:CARD|TAG):\s*(?P<value>[0-9A-F]{2}(?: [0-9A-F]{2}){3})",
        r"^\[(?P<value>[^\]]+)\]$",
        r"(?P<value>\d{5})(?:-\d{4})?",
        r"\x1b(?P<value>[\w.\-]+)\{end\}",
    ],
)
def test_a_useful_pattern_is_taken(text: str) -> None:
    compile_pattern(text, 256)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"(?P<value>(a+)+b)", "repeated group"),
        (r"(?P<value>(?:a|aa)+)b", "repeated group"),
        (r"(?P<value>.*.*.*.*x)", "stall"),
        (r"(?P<value>\d+\d+\d+\d+)x", "stall"),
        (r"(?P<value>a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaa)", "stall"),
        (r"(?P<value>.)(?P=value)", "not supported"),
        (r"(?P<value>(.)\2)", "references"),
        (r"(?P<value>\w+(?=x))", "not supported"),
        (r"(?P<value>[0-9]", "no regular expression"),
        ("a" * 2000, "longer than"),
    ],
)
def test_a_pattern_that_could_stall_or_says_nothing_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compile_pattern(text, 256)


@pytest.mark.alone
@pytest.mark.parametrize(
    "text", [r"(?P<value>.*.*)x", r"(?P<a>\d*)(?P<value>\d{4,20})(?P<b>\d{1,9})x", r"(?P<v>\w+\s?\w+)!"]
)
def test_the_worst_line_for_an_accepted_pattern_takes_milliseconds(text: str) -> None:
    pattern = compile_pattern(text, 256)
    started = time.perf_counter()
    for char in "1a ,":
        pattern.fullmatch(char * 256)
    assert time.perf_counter() - started < 0.2


def test_a_short_line_allows_more_repeats() -> None:
    with pytest.raises(ValueError, match="lower max_bytes"):
        compile_pattern(r"(?P<value>\w+\w+\w+\w+)!", 256)
    compile_pattern(r"(?P<value>\w+\w+\w+\w+)!", 64)
