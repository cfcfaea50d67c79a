"""What answers claim, counted: each claim right or wrong, and flagged or not by the answer that makes it.

Only what is wrong and not flagged is a failure. What is flagged though right is the price of being careful.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

EXAMPLES = 8
KINDS = {
    "agreed": "right, and without a word of doubt",
    "careful": "right, though in doubt",
    "flagged": "wrong, and the answer says that it may be",
    "beyond": "wrong, and no record can show it",
    "unflagged": "WRONG, WITHOUT A WORD OF DOUBT",
}


@dataclass
class Tally:
    """Claims of one question by kind. `weight`: how many, or ms. `why`: the doubts of those that are flagged, by what
    they are; a claim with several counts for each.
    """

    weight: Counter[str] = field(default_factory=Counter)
    why: dict[str, Counter[str]] = field(default_factory=dict)
    answers: int = 0
    examples: list[str] = field(default_factory=list)

    def add(
        self, is_right: bool, doubts: Iterable[str], words: str, weight: int = 1, beyond: str | None = None
    ) -> None:
        """One claim. `words` tell it, should it be wrong; `beyond`: why no record can show that it is wrong."""
        found = sorted(set(doubts))
        kind = ("careful" if found else "agreed") if is_right else "flagged" if found else "unflagged"
        if kind == "unflagged" and beyond is not None:
            kind, found = "beyond", [beyond]
        self.weight[kind] += weight
        self.why.setdefault(kind, Counter()).update(dict.fromkeys(found, weight))
        if kind == "unflagged" and len(self.examples) < EXAMPLES:
            self.examples.append(words)

    @property
    def total(self) -> int:
        return sum(self.weight.values())

    @property
    def unflagged(self) -> int:
        return self.weight["unflagged"]

    def as_dict(self) -> dict[str, object]:
        """Shares of each kind, and of the doubts in each."""
        whole = max(1, self.total)
        return {
            "answers": self.answers,
            "claims": self.total,
            "shares": {kind: round(self.weight[kind] / whole, 6) for kind in KINDS},
            "doubts": {
                kind: {name: round(n / whole, 6) for name, n in sorted(of.items())}
                for kind, of in sorted(self.why.items())
                if of
            },
            "unflagged": self.unflagged,
            "examples": self.examples,
        }


def table(tallies: dict[str, Tally]) -> Iterator[str]:
    """For people: a line for each question, a column for each kind; then the doubts that were right."""
    yield f"{'':16}{'answers':>9}{'claims':>16}" + "".join(f"{kind:>11}" for kind in KINDS)
    for name, tally in tallies.items():
        shares = "".join(f"{tally.weight[kind] / max(1, tally.total):11.4%}" for kind in KINDS)
        yield f"{name:16}{tally.answers:9}{tally.total:16}{shares}"
    for kind in ("flagged", "beyond", "careful"):
        for name, tally in tallies.items():
            doubts = ", ".join(
                f"{why} {n / max(1, tally.total):.3%}" for why, n in tally.why.get(kind, Counter()).most_common()
            )
            if doubts:
                yield f"{kind:9}{name:16}{doubts}"
    for name, tally in tallies.items():
        yield from (f"UNFLAGGED {name}: {words}" for words in tally.examples)
