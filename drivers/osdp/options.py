"""What an operator may set for one OSDP reader, and what its light and buzzer show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from drivers.contract import STATES
from drivers.framing import check_gap

GAP_S = 0.1
"""The standard allows some 20 ms between two bytes of a frame; serial servers add to that."""
MAX_ADDRESS = 126
FACTORY_ADDRESS = 0
COLOURS = {"red": 1, "green": 2, "amber": 3, "blue": 4, "magenta": 5, "cyan": 6, "white": 7}
PATTERNS = {"read": "", "accepted": "green 1.0 1", "refused": "red 1.5 3", "buffering": "amber 1.5 1"}
MAX_LIGHT_S = 25.0
MAX_BEEPS = 9


class Pattern(NamedTuple):
    """A light of `colour` for `tenths` of a second (0: none), and `beeps` short beeps."""

    colour: int
    tenths: int
    beeps: int


def parse_pattern(text: str) -> Pattern | None:
    """`green 1.0 2`: colour, seconds, beeps; `beep 2`: no light; empty: nothing. ValueError says what is wrong."""
    words = text.split()
    try:
        match words:
            case []:
                return None
            case ["beep", beeps]:
                pattern = Pattern(0, 0, int(beeps))
            case [colour, seconds]:
                pattern = Pattern(COLOURS[colour], round(float(seconds) * 10), 0)
            case [colour, seconds, beeps]:
                pattern = Pattern(COLOURS[colour], round(float(seconds) * 10), int(beeps))
            case _:
                raise ValueError
        if not (0 <= pattern.tenths <= MAX_LIGHT_S * 10 and 0 <= pattern.beeps <= MAX_BEEPS):
            raise ValueError
    except (KeyError, ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no pattern; write colour, seconds (at most {MAX_LIGHT_S:g}) and beeps (at most "
            f'{MAX_BEEPS}): "green 1.0 2", or "beep 2", or ""; colours: {", ".join(COLOURS)}'
        ) from None
    return pattern


@dataclass(frozen=True, slots=True)
class Options:
    """One reader on the bus.

    `address`: 0..126; None understands every address no other reader has, and asks 0. `secure`: `required` takes
    nothing that is not in a secure channel with our key, `install` hands that key to a new reader, `off` speaks
    plainly. `key_file`: absolute path of a file with the reader's key, 32 hex digits. `feedback`: state to pattern,
    over PATTERNS. `gap_s`: silence in seconds that ends a partial one.
    """

    address: int | None = None
    secure: Literal["required", "install", "off"] = "required"
    key_file: str = ""
    feedback: Mapping[str, str] = field(default_factory=dict)
    gap_s: float = GAP_S

    def __post_init__(self) -> None:
        if self.address is not None and not 0 <= self.address <= MAX_ADDRESS:
            raise ValueError(f"address: {self.address} is not between 0 and {MAX_ADDRESS}")
        if self.secure not in ("required", "install", "off"):
            raise ValueError(f"secure: {self.secure!r} is not one of required, install, off")
        if self.key_file and not PurePosixPath(self.key_file).is_absolute():
            raise ValueError(f"key_file: {self.key_file!r} is no absolute path")
        if self.secure == "install" and not self.key_file:
            raise ValueError('key_file: secure = "install" hands a key to the reader; name the file that holds it')
        if self.secure == "off" and self.key_file:
            raise ValueError('key_file: secure = "off" uses no key; leave one of the two out')
        patterns(self.feedback)
        check_gap(self.gap_s)

    @property
    def is_spoken_to(self) -> bool:
        """Whether it is set up to be asked; a reader without its key can only be listened to."""
        return self.secure == "off" or bool(self.key_file)

    @property
    def own_address(self) -> int:
        """Where it is asked."""
        return FACTORY_ADDRESS if self.address is None else self.address


def patterns(feedback: Mapping[str, str]) -> dict[str, Pattern | None]:
    """State to pattern, `feedback` over the defaults. ValueError names the entry that is wrong."""
    unknown = sorted(set(feedback) - set(STATES))
    if unknown:
        raise ValueError(f"feedback: {unknown[0]!r} is no state; states: {', '.join(STATES)}")
    table = {}
    for state, text in (PATTERNS | dict(feedback)).items():
        try:
            table[state] = parse_pattern(text)
        except ValueError as error:
            raise ValueError(f"feedback: {state}: {error}") from None
    return table
