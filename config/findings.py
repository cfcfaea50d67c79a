"""What is wrong with a configuration, said so that the person at the keyboard can mend it.

A finding names where the value came from, the key path as it stands *there*, the value, what is allowed and the
nearest valid name. All findings of one reading travel in one `ConfigError`. Values that are or may hold a secret
are never shown.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Loc = tuple[str | int, ...]

MAX_SHOWN = 80
MAX_LISTED = 16
HIDDEN = "(not shown)"
NAMES = frozenset({"id", "site", "portal", "lane", "from_zone", "to_zone", "driver"})

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_KEY = re.compile(r"password|passwd|secret|token|scbk|pin$|(^|_)key(_?hex)?$", re.IGNORECASE)
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{32,}")
_USERINFO = re.compile(r"://[^/@\s]*@")


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. `file` is a path or an environment variable; `value` is as shown, never a secret; "": none."""

    file: str
    key: str
    value: str
    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        subject = f"{self.key} = {self.value}" if self.key and self.value else self.key
        said = ": ".join(part for part in (self.file, subject, self.problem) if part)
        return _one_line(f"{said}; {self.remedy}" if self.remedy else said)


class ConfigError(Exception):
    """A configuration cannot be used; `findings` holds every mistake, `str()` prints one a line."""

    exit_code = 78

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake at a place of the merged tree, before it is known which file that place came from."""

    loc: Loc
    problem: str
    remedy: str = ""


def key_path(loc: Loc) -> str:
    """Write a place as an operator would: `ports[0].devices[1].side`."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
            text += f".{name}" if text else name
    return text


def shown(loc: Loc, value: object) -> str:
    """Write a value as TOML would, cut to MAX_SHOWN characters; "" for tables and lists, HIDDEN for secrets."""
    if is_secret(loc) and value is not None:
        return HIDDEN
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, int) and value.bit_length() > 64:
        return "a very large number"
    if isinstance(value, str):
        value = value if loc and loc[-1] in NAMES else masked(value)
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = str(value)
    text = text.lower() if isinstance(value, bool) else text
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def is_secret(loc: Loc) -> bool:
    """Whether the key at `loc` would hold a secret, if somebody wrote one there."""
    if loc == ("setup", "code"):
        return True
    return any(isinstance(part, str) and not part.endswith("_file") and _SECRET_KEY.search(part) for part in loc)


def masked(text: str) -> str:
    """Take out what looks like a key or like a password within a URL."""
    return _LONG_HEX.sub(HIDDEN, _USERINFO.sub(f"://{HIDDEN}@", text))


def choose(word: str, valid: Iterable[str]) -> str:
    """The remedy for a wrong name: the nearest valid one first, then all of them."""
    names = sorted(set(valid))
    if not names:
        return "none is known here"
    close = nearest(word, names)
    listed = ", ".join(names[:MAX_LISTED]) + (", …" if len(names) > MAX_LISTED else "")
    return f'did you mean "{close}"? allowed: {listed}' if close else f"allowed: {listed}"


def nearest(word: str, valid: Sequence[str]) -> str:
    """The valid name most like `word`; "" where none is."""
    folded = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(word[:64].lower(), list(folded), n=1, cutoff=0.55)
    return folded[close[0]] if close else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")
