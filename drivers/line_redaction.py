"""Put another card into a frame of the driver `line`, which only its configuration can take apart.

What the named groups of the pattern hold is swapped, the rest of the body is the format's own and stays; the check is
computed anew. If the other text is no text of the format, only the card itself is swapped.
"""

from __future__ import annotations

import re
from typing import Literal

from drivers.contract import Swap
from drivers.line_format import Check, Options, parse_bytes, parse_check
from drivers.patterns import compile_pattern
from drivers.scanner import decode

CARD = ("value", "facility", "card")


def redact(options: Options, frame: bytes, swap: Swap) -> bytes:
    """The frame with another card, same length. ValueError: the format has no such text."""
    if options.kind == "passage":
        return frame
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
    """The body with other words in its named groups."""
    pattern = compile_pattern(options.pattern, options.max_bytes)
    read = (body.hex().upper(), "hex") if options.encoding == "hex" else decode(body, options.encoding)
    text, encoding = read or ("", options.encoding)
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError("it is no text of this format")
    named = list(found.groupdict())
    for groups in (named, [name for name in named if name in CARD]):
        other = _swapped(found, groups, swap)
        made = bytes.fromhex(other) if encoding == "hex" else other.encode(encoding)
        if len(made) == len(body) and pattern.fullmatch(other):
            return made
    raise ValueError("the format has no other text of this length")


def _swapped(found: re.Match[str], groups: list[str], swap: Swap) -> str:
    """The text with these groups swapped; of two that overlap, the first."""
    made, at = "", 0
    for start, stop in sorted(found.span(name) for name in groups if found[name]):
        if start >= at:
            made += found.string[at:start] + swap(found.string[start:stop])
            at = stop
    return made + found.string[at:]


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
