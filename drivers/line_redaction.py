"""Put another card into a frame of the driver `line`, which only its configuration can take apart.

The card is swapped, and so is everything else that may be otherwise in this format, named or not: words, digits, and
where the pattern allows no other word, single characters. What stays is what the pattern itself spells out, signs
between the words, and direction and count of a passage. The check is computed anew.
"""

from __future__ import annotations

import re
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

from drivers.contract import Swap
from drivers.line_format import Check, Options, parse_bytes, parse_check
from drivers.patterns import compile_pattern
from drivers.scanner import decode

CARD = ("value", "facility", "card")
KEPT = ("direction", "count")
"""What a passage is about."""
HEX = "0123456789ABCDEF"
ALPHABETS = ("0123456789", ascii_lowercase, ascii_uppercase)
WORDS = {
    "text": re.compile(r"[0-9]+|[A-Za-z]+|[^\x00-\x7f]+"),
    "hex": re.compile(r"[0-9A-F]+"),
}


def redact(options: Options, frame: bytes, swap: Swap) -> bytes:
    """The frame with another card, same length. ValueError: the format has no such text."""
    check = parse_check(options)
    start = parse_bytes(options.start, "start")
    after = check.width if check and check.after_end else 0
    inner = check.width if check and not check.after_end else 0
    end_at = len(frame) - after - (1 if options.end == "auto" else len(parse_bytes(options.end, "end")))
    body = _other(options, frame[len(start) : end_at - inner], swap)
    end = frame[end_at : len(frame) - after]
    if check is None:
        return start + body + end
    sent = frame[len(frame) - after :] if after else frame[end_at - inner : end_at]
    old = frame[len(start) : end_at - inner]
    made = _check_value(check, start, (old, body), end, sent)
    return start + body + end + made if after else start + body + made + end


def _other(options: Options, body: bytes, swap: Swap) -> bytes:
    """The body with other words wherever there may be others."""
    pattern = compile_pattern(options.pattern, options.max_bytes)
    read = (body.hex().upper(), "hex") if options.encoding == "hex" else decode(body, options.encoding)
    text, encoding = read or ("", options.encoding)
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError("it is no text of this format")
    rewriting = _Rewriting(found, encoding, swap)
    is_passage = options.kind == "passage"
    groups = [found.span(name) for name in found.groupdict() if found[name]]
    cards = [] if is_passage else [found.span(name) for name in CARD if found.groupdict().get(name)]
    if not all(rewriting.replace(start, stop) for start, stop in _apart(cards)):
        raise ValueError("the format has no other text of this length")
    taken = [*cards, *(found.span(name) for name in KEPT if is_passage and found.groupdict().get(name))]
    for start, stop in _apart([*taken, *(span for span in groups if not _touches(span, taken))]):
        if (start, stop) not in taken:
            rewriting.part(start, stop)
            taken.append((start, stop))
    for start, stop in _between(_apart(taken), len(text)):
        rewriting.part(start, stop)
    return rewriting.encoded()


class _Rewriting:
    """A text in which one part after the other becomes another, as long as it is a text of the format."""

    def __init__(self, found: re.Match[str], encoding: str, swap: Swap) -> None:
        self._pattern, self._spans = found.re, _spans(found)
        self._text, self._encoding, self._swap = found.string, encoding, swap
        self._bytes = len(self.encoded())

    def encoded(self) -> bytes:
        """The body as it is now."""
        return bytes.fromhex(self._text) if self._encoding == "hex" else self._text.encode(self._encoding)

    def replace(self, start: int, stop: int) -> bool:
        """Swap a part as a whole; False: the format has no such text."""
        return self._take(start, stop, self._swap(self._text[start:stop]))

    def part(self, start: int, stop: int) -> None:
        """Swap a part, else its words, else their characters."""
        if start < stop and not self.replace(start, stop):
            for word in WORDS["hex" if self._encoding == "hex" else "text"].finditer(self._text, start, stop):
                if not self.replace(*word.span()):
                    for at in range(*word.span()):
                        self._character(at)

    def _character(self, at: int) -> None:
        char = self._text[at]
        for alphabet in ALPHABETS if self._encoding != "hex" else (HEX,):
            if char in alphabet:
                any(self._take(at, at + 1, other) for other in (self._swap(char), *alphabet) if other != char)

    def _take(self, start: int, stop: int, other: str) -> bool:
        before, self._text = self._text, self._text[:start] + other + self._text[stop:]
        found = self._pattern.fullmatch(self._text)
        try:
            is_good = found is not None and _spans(found) == self._spans and len(self.encoded()) == self._bytes
        except ValueError:
            is_good = False
        if not is_good:
            self._text = before
        return is_good


def _spans(found: re.Match[str]) -> list[tuple[int, int]]:
    return [found.span(name) for name in found.groupdict()]


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in their order; of two that overlap, the first."""
    kept: list[tuple[int, int]] = []
    for span in sorted(spans):
        if not _touches(span, kept):
            kept.append(span)
    return kept


def _touches(span: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    return any(span[0] < stop and start < span[1] for start, stop in others)


def _between(spans: list[tuple[int, int]], end: int) -> list[tuple[int, int]]:
    starts = [0, *(stop for _, stop in spans)]
    return list(zip(starts, [*(start for start, _ in spans), end], strict=True))


def _check_value(check: Check, start: bytes, bodies: tuple[bytes, bytes], end: bytes, sent: bytes) -> bytes:
    """The check of the new body, written as the one of the old body was."""
    old, new = bodies
    for order in check.orders:
        if _written(check, order, start, old, end) == (sent.upper() if check.hexadecimal else sent):
            made = _written(check, order, start, new, end)
            return made.lower() if check.hexadecimal and sent != sent.upper() else made
    raise ValueError("its check is not right")


def _written(check: Check, order: Literal["big", "little"], start: bytes, body: bytes, end: bytes) -> bytes:
    raw = check.value(start, body, end).to_bytes(check.value_bytes, order)
    return raw.hex().upper().encode() if check.hexadecimal else raw
