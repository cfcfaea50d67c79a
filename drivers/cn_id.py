"""The citizen identification number of GB 11643: 18 characters of which the last proves the others.

    110105 | 19491231 | 002 | X
     |        |          |    `- check character, ISO 7064 MOD 11-2: 0..9 or X
     |        |          `- order number; odd: male, even: female
     |        `- birth date
     `- administrative area of the first registration

The check character decides alone. There are cards in use whose birth date is no date of our calendar, and their
holders are let in like anybody else: such a number is valid, its `birth` is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

DIGITS = 17
CHARACTERS = 18
WEIGHTS = tuple(pow(2, DIGITS - place, 11) for place in range(DIGITS))
CHECKS = "10X98765432"


@dataclass(frozen=True, slots=True)
class Examined:
    """What a number says of itself; `birth` is YYYYMMDD. All None but `check_char` where it is not valid."""

    valid: bool
    check_char: str | None = None
    birth: str | None = None
    sex: Literal["M", "F"] | None = None


def check_char(digits: str) -> str:
    """The character behind 17 digits. ValueError: not 17 digits."""
    if not (len(digits) == DIGITS and digits.isascii() and digits.isdecimal()):
        raise ValueError(f"a number has {DIGITS} digits before its check character")
    return CHECKS[sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True)) % 11]


def examine(number: str) -> Examined:
    """Whether `number` is valid (a lower-case x is accepted), and what it says. Never raises."""
    digits = number[:DIGITS]
    if not (len(number) == CHARACTERS and digits.isascii() and digits.isdecimal()):
        return Examined(valid=False)
    right = check_char(digits)
    if number[DIGITS].upper() != right:
        return Examined(valid=False, check_char=right)
    return Examined(True, right, _calendar_date(number[6:14]), "M" if int(number[16]) % 2 else "F")


def another(digits: str) -> str:
    """A whole valid number from 17 digits that may be any: its birth date is made one of the calendar."""
    year, month, day = int(digits[6:10]), int(digits[10:12]), int(digits[12:14])
    digits = f"{digits[:6]}{1940 + year % 60}{1 + month % 12:02}{1 + day % 28:02}{digits[14:]}"
    return digits + check_char(digits)


def _calendar_date(birth: str) -> str | None:
    try:
        date(int(birth[:4]), int(birth[4:6]), int(birth[6:]))
    except ValueError:
        return None
    return birth
