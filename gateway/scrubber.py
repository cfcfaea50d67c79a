"""What may be a card, a person or a secret is taken out of a text, whoever has put it there.

What passes here is made of things that hold none (logs, figures, findings); this is the second line. It knows the
gateway's own secrets and takes them out literally, then whatever looks like a number that somebody carries: six or
more digits or hex digits in a row, bytes in pairs, tokens, facility and number; then what is not ASCII, and users'
names in paths. Names of the configuration, epochs and times stay. A short number (a terminal's user 1042) it cannot
tell from a count.

A secret that is an ordinary word is left to the first line: cut out of known sentences its absence would tell it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

NUMBER, BYTES, TOKEN, TEXT, SECRET = "(number)", "(bytes)", "(token)", "(text)", "(secret)"
LEAST_SECRET = 8
MAX_NUMBER = 10**6

_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_PATTERNS = (
    (r"[A-Za-z0-9._-]{1,32}:[0-9a-f]{32}(?![0-9a-f])", TOKEN),
    (r"\bb'(?:[^'\\]|\\.)*'|\bb\"(?:[^\"\\]|\\.)*\"", BYTES),
    (r"(?:\\x[0-9A-Fa-f]{2})+", BYTES),
    (r"(?<![0-9A-Fa-f])(?:(?:0x)?[0-9A-Fa-f]{2}[ :,-]{1,2}){3,}(?:0x)?[0-9A-Fa-f]{2}(?![0-9A-Fa-f])", BYTES),
    (r"(?=[A-Fa-f]*\d)[0-9A-Fa-f]{6,}[Xx]?", NUMBER),
    (r"(?<!\d)\d{1,3}[,;/]\d{4,5}(?!\d)", NUMBER),
    (r"(?<=/home/)[^/\s\"']+|(?<=/Users/)[^/\s\"']+", TEXT),
    (r"[^\x00-\x7f…–„“”]+(?:[ ·]+[^\x00-\x7f…–„“”]+)*", TEXT),
)
_SCRUB = re.compile("|".join([f"({_TIME})", *(f"({pattern})" for pattern, _ in _PATTERNS)]))


class Scrubber:
    """`secrets` are never in what it returns, whatever else they are part of; `names` are kept as they are."""

    def __init__(self, secrets: Iterable[str] = (), names: Iterable[str] = ()) -> None:
        kept = sorted({name for name in names if name}, key=len, reverse=True)
        distinct = {secret for secret in secrets if len(secret) >= LEAST_SECRET and not secret.isalpha()}
        hidden = sorted(distinct - set(kept), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, hidden)), re.IGNORECASE) if hidden else None
        self._names = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in kept)) if kept else None

    def text(self, text: str) -> str:
        """One text, of any length."""
        if self._secrets is not None:
            text = self._secrets.sub(SECRET, text)
        if self._names is None:
            return _scrub(text)
        pieces, at = [], 0
        for name in self._names.finditer(text):
            pieces += [_scrub(text[at : name.start()]), name[0]]
            at = name.end()
        return "".join([*pieces, _scrub(text[at:])])

    def finds_secret(self, text: str) -> bool:
        """Whether a secret is still in it."""
        return self._secrets is not None and self._secrets.search(text) is not None

    def tree(self, tree: Any, *, numbers: bool = False) -> Any:
        """The same with every text in a JSON document; with `numbers` also large ones."""
        if isinstance(tree, dict):
            return {self.text(str(key)): self.tree(value, numbers=numbers) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.tree(value, numbers=numbers) for value in tree]
        if isinstance(tree, str):
            return self.text(tree)
        is_large = isinstance(tree, int | float) and not isinstance(tree, bool) and abs(tree) >= MAX_NUMBER
        return NUMBER if numbers and is_large else tree


def _scrub(text: str) -> str:
    return _SCRUB.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kind = (match.lastindex or 1) - 2
    return match[0] if kind < 0 else _PATTERNS[kind][1]
