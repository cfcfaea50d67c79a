"""Tracebacks without what was in the hands of the code that failed: a bug must not write a card number into a log.

Files, lines, functions and the kind of error tell a developer where; of the message stays what cannot be a person's:
no quoted text, no number of three digits or more. Whatever prints a traceback in this process prints one of these.
"""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType

from gateway.scrubber import NUMBER, TEXT, Scrubber

_QUOTED = re.compile(r"""b?'(?:[^'\\\n]|\\.)*'|b?"(?:[^"\\\n]|\\.)*\"""")
_DIGITS = re.compile(r"\d{3,}")
_SCRUBBER = Scrubber()


def discreet(error: BaseException) -> str:
    """The traceback of an error with those of its causes, as text without a newline at its end."""
    told = traceback.TracebackException.from_exception(error)
    return "\n".join(line for part in _chain(told) for line in part)


def be_discreet() -> None:
    """From now on no hook of this process prints a message as it is."""
    sys.excepthook = _on_error
    threading.excepthook = _on_thread
    sys.unraisablehook = _on_unraisable


def _chain(told: traceback.TracebackException) -> Iterator[list[str]]:
    """The cause first, as Python has it; groups with all that is in them."""
    if told.__cause__ is not None:
        yield from _chain(told.__cause__)
        yield ["", "The above exception was the direct cause of the following exception:", ""]
    elif told.__context__ is not None and not told.__suppress_context__:
        yield from _chain(told.__context__)
        yield ["", "During handling of the above exception, another exception occurred:", ""]
    frames = "".join(told.stack.format()).rstrip("\n")
    yield ["Traceback (most recent call last):", frames, *map(_message, told.format_exception_only())]
    for below in told.exceptions or ():
        yield from _chain(below)


def _message(line: str) -> str:
    kind, colon, message = line.rstrip("\n").partition(": ")
    clean = _DIGITS.sub(NUMBER, _SCRUBBER.text(_QUOTED.sub(TEXT, message)))
    return f"{kind}{colon}{clean}" if re.fullmatch(r"[\w.]+", kind) else TEXT


def _on_error(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _say(discreet(error))


def _on_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread is not None else "unknown"
        _say(f"Exception in thread {name}:\n{discreet(arguments.exc_value)}")


def _on_unraisable(arguments: sys.UnraisableHookArgs) -> None:
    if arguments.exc_value is not None:
        _say(f"Exception ignored:\n{discreet(arguments.exc_value)}")


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
