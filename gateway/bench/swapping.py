"""Other numbers for card numbers: the same for the same within one capture, and nobody can go back.

The key is made of fresh random bytes and kept nowhere. Length and alphabet stay: decimal digits become decimal
digits, hex digits hex digits of the same case, letters letters, Chinese characters Chinese characters, and leading
zeros stay zeros, because they tell how a number is written. A decimal number does not grow, so that it still fits
where the device puts it: its first digit that can become smaller does, the ones behind it are free.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from random import Random
from string import ascii_lowercase, ascii_uppercase

KEY_BYTES = 32
TRIES = 50
SHRINKING_DIGITS = 3
HEX_LOWER, HEX_UPPER = "0123456789abcdef", "0123456789ABCDEF"
GB2312 = range(0xB0A1, 0xB0FF)
"""The first row of its characters, which every Chinese code page has."""
CHINESE = tuple(code.to_bytes(2, "big").decode("gb2312") for code in GB2312)


class Swapper:
    """A `Swap` for one capture."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(KEY_BYTES)
        self._made: dict[str, str] = {}
        self._used: set[str] = set()

    def __call__(self, number: str) -> str:
        """Another number; the same number if it has nothing that could be replaced."""
        if number not in self._made:
            self._made[number] = self._other(number)
            self._used.add(self._made[number])
        return self._made[number]

    def _other(self, number: str) -> str:
        made = number
        for attempt in range(TRIES):
            seed = blake2b(f"{attempt}:{number}".encode(), key=self._key).digest()
            made = _other_form(number, Random(seed), is_free=attempt >= TRIES // 2)
            if made != number and made not in self._used:
                break
        return made


def _other_form(number: str, rng: Random, *, is_free: bool) -> str:
    """A number of the same form; `is_free`: it may grow, since there may be no smaller one."""
    zeros = len(number) - len(number.lstrip("0"))
    head, tail = number[:zeros], number[zeros:]
    if not tail:
        return number
    if tail.isascii() and tail.isdecimal():
        free = str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in tail[1:])
        return head + (free if is_free else _smaller(tail, rng))
    for digits in (HEX_UPPER, HEX_LOWER):
        if set(number) <= set(digits):
            return head + rng.choice(digits[1:]) + "".join(rng.choice(digits) for _ in tail[1:])
    return "".join(_alike(char, rng) for char in number)


def _smaller(digits: str, rng: Random) -> str:
    """A number of as many digits that is not larger, nor close if it can be helped."""
    made = ""
    for place, digit in enumerate(digits):
        least = 1 if place == 0 else 0
        if place >= SHRINKING_DIGITS or int(digit) > least:
            high = 9 if place >= SHRINKING_DIGITS else int(digit) - 1
            made += str(rng.randint(least, high))
            return made + "".join(str(rng.randint(0, 9)) for _ in digits[place + 1 :])
        made += digit
    return made


def _alike(char: str, rng: Random) -> str:
    """Another character of the same class and size."""
    if char in "0123456789":
        return rng.choice("0123456789")
    for letters in (ascii_lowercase, ascii_uppercase):
        if char in letters:
            return rng.choice(letters)
    return rng.choice(CHINESE) if "\u4e00" <= char <= "\u9fff" else char
