"""Questions to a person at a terminal: an answer that is wrong is asked for again, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from pydantic import BaseModel

from config.answers import complaint

T = TypeVar("T")


def ask(question: str, check: Callable[[str], T], default: str | None = None) -> T:
    """The answer as `check` makes it; `check` raises ValueError with the reason why not."""

    def taken(text: str) -> T:
        try:
            return check(text.strip())
        except ValueError as why:
            raise click.UsageError(str(why)) from None

    made: T = click.prompt(question, default=default, value_proc=taken, show_default=bool(default))
    return made


def ask_key(question: str, table: type[BaseModel], key: str, default: str | None = None) -> str:
    """A text that the configuration takes for this key."""

    def check(text: str) -> str:
        if why := complaint(table, key, text):
            raise ValueError(f"{text!r} {why}")
        return text

    return ask(question, check, default)


def choose(question: str, words: Sequence[str], default: str) -> str:
    """One of these words; the beginning of one is enough where it is the only one."""

    def check(text: str) -> str:
        fits = [word for word in words if word == text] or [word for word in words if text and word.startswith(text)]
        if len(fits) != 1:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return fits[0]

    return ask(f"{question} ({', '.join(words)})", check, default)


def agree(question: str, default: bool) -> bool:
    """Yes or no."""
    return click.confirm(question, default=default)


def say(text: Any = "") -> None:
    """Something to read."""
    click.echo(text)
