"""Regular expressions an operator may write, refused when a hostile line could make them stall.

Python's matcher backtracks: `(a+)+b` takes longer than the turnstile lives on sixty bytes. Two rules keep it quick.
A group may not be repeated if it holds a repeat or an alternative itself. And of the open repeats (`+`, `*`,
`{2,}`, `?`) only few may be ambiguous, that is, followed by something their own characters can also match: `\\d+,`
has one way to match, `\\d+\\d` has many. The number of ways is bounded before the pattern is accepted; together with
the bound on the line's length this bounds the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import factorial

MAX_WAYS = 100_000
MAX_PATTERN_CHARS = 1024

_CLASS = r"\[\^?\]?(?:\\.|[^\]\\])*\]"
_TOKEN = re.compile(
    rf"(?P<open>\((?:\?P<\w+>|\?:)?)|(?P<close>\))|(?P<bar>\|)|(?P<anchor>[\^$]|\\[AbBZ])"
    rf"|(?P<atom>\\x[0-9A-Fa-f]{{2}}|\\u[0-9A-Fa-f]{{4}}|\\.|{_CLASS}|[^\\()|*+?{{\[]|\{{(?!\d*,?\d*\}}))"
)
_REPEAT = re.compile(r"(?:(?P<sign>[*+?])|\{(?P<low>\d*)(?P<comma>,?)(?P<high>\d*)\})[?+]?")
_ALPHABET = [chr(code) for code in range(256)]


@dataclass(slots=True)
class _Piece:
    """One token with its repeat: `chars` it matches (None: nothing, it is a bracket or anchor)."""

    kind: str
    chars: frozenset[str]
    low: int = 1
    high: int = 1


def compile_pattern(text: str, max_chars: int) -> re.Pattern[str]:
    """The compiled pattern, to be used with `fullmatch` on at most `max_chars`; ValueError says why it is refused."""
    if len(text) > MAX_PATTERN_CHARS:
        raise ValueError(f"pattern: longer than {MAX_PATTERN_CHARS} characters")
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"pattern: {text!r} is no regular expression: {error}") from None
    pieces = _pieces(text, max_chars)
    _refuse_nested(pieces)
    ways = _ways(pieces)
    if ways > MAX_WAYS:
        raise ValueError(
            f"pattern: {text!r} could match a line of {max_chars} bytes in {ways} ways and stall; "
            "bound its repeats ({1,10} for +), separate them by a character they do not match, or lower max_bytes"
        )
    return pattern


def _pieces(text: str, max_chars: int) -> list[_Piece]:
    pieces, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None or (token["open"] == "(" and text.startswith("(?", at)):
            raise ValueError(f"pattern: {text[at : at + 6]!r} is not supported; use groups, classes and repeats")
        if token["atom"] and re.match(r"\\[1-9]", token["atom"]):
            raise ValueError("pattern: references to groups are not supported")
        piece = _Piece(str(token.lastgroup), _chars(token["atom"]) if token["atom"] else frozenset())
        at = token.end()
        if token.lastgroup in ("atom", "close") and (repeat := _REPEAT.match(text, at)):
            piece.low, piece.high = _bounds(repeat, max_chars)
            at = repeat.end()
        pieces.append(piece)
    return pieces


def _chars(atom: str) -> frozenset[str]:
    matches = re.compile(atom).fullmatch
    return frozenset(char for char in _ALPHABET if matches(char))


def _bounds(repeat: re.Match[str], max_chars: int) -> tuple[int, int]:
    """Fewest and most times; open ends stop at the length of the line."""
    if repeat["sign"]:
        low, high = {"*": (0, max_chars), "+": (1, max_chars), "?": (0, 1)}[repeat["sign"]]
        return low, high
    low = int(repeat["low"] or 0)
    high = int(repeat["high"] or max_chars) if repeat["comma"] else low
    return low, min(high, max_chars)


def _refuse_nested(pieces: list[_Piece]) -> None:
    opened: list[int] = []
    for index, piece in enumerate(pieces):
        if piece.kind == "open":
            opened.append(index)
        elif piece.kind == "close":
            inside = pieces[opened.pop() + 1 : index]
            if piece.high > 1 and any(part.low != part.high or part.kind == "bar" for part in inside):
                raise ValueError("pattern: a repeated group holds a repeat or an alternative itself; it could stall")


def _ways(pieces: list[_Piece]) -> int:
    """Upper bound on the ways to match: ambiguous repeats share the line, so k of them count 1/k! of the product."""
    ways, open_ended = 1, 0
    for index, piece in enumerate(pieces):
        if piece.kind == "bar":
            ways *= 2
        elif piece.low != piece.high and (piece.kind == "close" or _ambiguous(pieces, index)):
            ways *= piece.high - piece.low + 1
            open_ended += piece.high > 16
    return ways // factorial(open_ended)


def _ambiguous(pieces: list[_Piece], index: int) -> bool:
    """Whether what follows the repeat can begin with a character the repeat also matches."""
    own = pieces[index].chars
    for piece in pieces[index + 1 :]:
        if piece.kind == "bar":
            return True
        if piece.kind == "atom":
            if own & piece.chars:
                return True
            if piece.low > 0:
                return False
        if piece.kind == "close" and piece.low != piece.high:
            return True
    return False
