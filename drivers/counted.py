"""What a reading of a counter comes to (`drivers.counter`): people, a base line, a glitch, trouble."""

from __future__ import annotations

from dataclasses import dataclass

CALM_S = 60.0
"""How long an erratic counter must be steady, in seconds."""
RESET, SET_BACK, LEAPT, BACK, ERRATIC, STEADY = "reset", "set back", "leapt", "back", "erratic", "steady"


@dataclass(frozen=True, slots=True)
class Counted:
    """`count` have passed up to `total`, in the last `since_s` seconds (inf: since a time before this talk).
    `is_missed`: while nobody could ask.
    """

    total: int
    count: int
    since_s: float
    is_missed: bool = False


@dataclass(frozen=True, slots=True)
class Glitch:
    """A reading that was not believed."""

    total: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something has happened to the counter: `kind`, such as RESET. It showed `before`, then `shown`, and is counted
    on from `total`; None: not counted for now.
    """

    kind: str
    total: int | None
    before: int | None
    shown: int

    def fields(self) -> dict[str, object]:
        """For programs: what the counter shows, and showed before where that is known."""
        before: dict[str, object] = {} if self.before is None else {"before": self.before}
        return {"total": self.shown, **before}

    def text(self, name: str) -> str:
        """For people; `name` says which counter."""
        match self.kind:
            case "reset":
                return f"{name} counter reset: it fell from {self.before} to {self.shown}"
            case "set back":
                return f"{name} counter set back from {self.before} to {self.shown}: nobody is counted for it"
            case "leapt":
                leap = self.shown - (self.before or 0)
                return f"{name} counter leapt by {leap}, from {self.before} to {self.shown}: nobody is counted for it"
            case "back":
                return f"{name} counter back at {self.shown}, after it had shown {self.before}"
            case "erratic":
                return f"{name} counter erratic: not counted until it has been steady for {CALM_S:.0f} s"
        return f"{name} counter steady again: counted from {self.shown} on"


@dataclass(frozen=True, slots=True)
class Base:
    """The base line: what is counted from here on."""

    total: int


Outcome = Base | Counted | Glitch | Trouble
