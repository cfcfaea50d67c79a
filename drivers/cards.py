"""One card, many printed forms: bring what a reader says into the form the organisation has chosen.

The same 40 bits leave one reader as EM4100 hexadecimal, another as Wiegand 26, a third as a decimal number, a
fourth with its bytes reversed. A *view* makes them equal before anything is hashed. Text schemes (document numbers,
scanned codes, user ids) are no numbers and have only their native view.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

TEXT_SCHEMES = frozenset({"scan", "cn-id", "zk-user"})
NARROW = {"wiegand26": 24, "wiegand34": 32, "low32": 32}
"""View word: how many low bits it keeps."""
DATA_BITS = {"wiegand26": 26, "wiegand34": 34, "low32": 32}
"""View word: the `bits` it reports (Wiegand counts its two parity bits)."""
REVERSALS = ("reverse_bytes", "reverse_bits")
GRAMMAR = "native, wiegand26, wiegand34 or low32, then optionally +reverse_bytes +reverse_bits"
NUMBER_BYTES = 4

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def parse_view(text: str) -> tuple[str, ...]:
    """The steps of a view such as `wiegand26+reverse_bytes`, in the order written; () is native.

    Raises ValueError with a readable message.
    """
    words = [word.strip() for word in text.split("+")]
    for word in words:
        if word != "native" and word not in NARROW and word not in REVERSALS:
            raise ValueError(f"view {text!r}: {word!r} is unknown; allowed: {GRAMMAR}")
        if words.count(word) > 1:
            raise ValueError(f"view {text!r}: {word!r} stands twice")
    forms = [word for word in words if word not in REVERSALS]
    if len(forms) > 1:
        raise ValueError(f"view {text!r}: {' and '.join(forms)} exclude each other; allowed: {GRAMMAR}")
    return tuple(word for word in words if word != "native")


def view(scheme: str, value: str, bits: int | None, steps: tuple[str, ...]) -> tuple[str, str, int | None]:
    """Apply the steps of `parse_view` from left to right; return (scheme, value, bits) of the new form.

    `number` is decimal, everything else hexadecimal. What is no number (text schemes, odd values) stays as it is.
    """
    data = _data(scheme, value)
    if not steps or data is None:
        return scheme, value, bits
    decimal = scheme == "number"
    for step in steps:
        if step in NARROW:
            scheme, bits, decimal = step, DATA_BITS[step], False
            size = NARROW[step] // 8
            data = data[-size:].rjust(size, b"\0")
        else:
            data = data[::-1] if step == "reverse_bytes" else data.translate(_MIRROR)
    return scheme, _text(data, decimal, len(value)), bits


def token(key: bytes, key_id: str, scheme: str, value: str) -> str:
    """What stands for a card outside: `KEYID:` and the first 32 hex digits of HMAC-SHA-256(key, SCHEME:VALUE)."""
    digest = hmac.new(key, f"{scheme}:{value}".encode(), sha256).hexdigest()
    return f"{key_id}:{digest[:32]}"


def _data(scheme: str, value: str) -> bytes | None:
    """The value's bytes, highest first; None where the value is no number."""
    if scheme in TEXT_SCHEMES:
        return None
    if scheme == "number":
        return _number_bytes(value)
    if not value or any(digit not in "0123456789abcdefABCDEF" for digit in value):
        return None
    return bytes.fromhex(value.zfill(len(value) + len(value) % 2))


def _number_bytes(value: str) -> bytes | None:
    if not (value.isascii() and value.isdigit()):
        return None
    number = int(value)
    return number.to_bytes(max(NUMBER_BYTES, (number.bit_length() + 7) // 8), "big")


def _text(data: bytes, decimal: bool, width: int) -> str:
    return str(int.from_bytes(data, "big")).zfill(width) if decimal else data.hex().upper()
