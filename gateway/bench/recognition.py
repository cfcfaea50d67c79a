"""Bytes to ranked candidates: which driver understands them, how sure that is, and why.

The order: what a driver's valid frames prove, times the share of the bytes they explain. Facts (a card, a passage)
count more than mere frames, and a driver whose frames prove little never passes one whose check explains the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import log2
from typing import Literal

from drivers import registry
from drivers.contract import DriverSpec
from gateway.bench.evidence import Chunk, Evidence, weigh

Certainty = Literal["sure", "likely", "possible"]

MODES = ("framing", "transport")
"""Names of options that choose how frames lie on the wire; all their values are tried."""

MANY_FRAMES = 8
FACT_BITS = 4
CHECK_BITS = 16
SURE_BITS, LIKELY_BITS, POSSIBLE_BITS = 24.0, 10.0, 1.0
SURE_SHARE, POSSIBLE_SHARE = 0.5, 0.5
NO_CHANCE_BITS = 8
"""By how much frames must prove more than so many random bytes would, where they explain less than half of them."""
OPTION_BITS = 2
"""What a candidate must prove more for each option that was chosen to make it fit."""
TIE = 0.02


@dataclass(frozen=True)
class Candidate:
    """A driver with options that might be the right one; `baud` None: it was not found on a port.

    `answers`: it was asked, and a device answered.
    """

    spec: DriverSpec
    evidence: Evidence
    options: Mapping[str, object] = field(default_factory=dict)
    baud: int | None = None
    answers: bool = False

    @cached_property
    def score(self) -> float:
        """What the bytes prove, in bits; the higher the likelier."""
        return max(0.0, self._proved_bits() - OPTION_BITS * len(self.options))

    def _proved_bits(self) -> float:
        found = self.evidence
        if not found.frames:
            return found.begun_bits / 2
        frames = min(MANY_FRAMES, found.named) + (found.frames - found.named > 0) * 0.5
        bits = frames * found.proof_bits + FACT_BITS * bool(found.facts)
        return (1 + bits) * found.share + CHECK_BITS * self.answers

    @property
    def fits(self) -> bool:
        """Whether it is worth naming."""
        found = self.evidence
        if found.frames:
            surprise = min(MANY_FRAMES, found.named) * found.proof_bits - log2(found.total_bytes + 1)
            return found.share >= POSSIBLE_SHARE or self.answers or surprise >= NO_CHANCE_BITS
        return self.score >= POSSIBLE_BITS

    @property
    def has_check(self) -> bool:
        """Whether its frames have one; without, however many of them prove nothing for sure."""
        return self.evidence.proof_bits >= CHECK_BITS

    @property
    def certainty(self) -> Certainty:
        """In one word."""
        whole = self.evidence.frames > 0 and self.evidence.share >= SURE_SHARE
        if self.score >= SURE_BITS and whole and self.has_check:
            return "sure"
        return "likely" if self.score >= LIKELY_BITS else "possible"

    @property
    def reasons(self) -> list[str]:
        """Sentences about what was found, the weightiest first; no content of the bytes."""
        found = self.evidence
        said = ["it answers when it is asked"] if self.answers else []
        said.append(_frames_said(found))
        if found.facts:
            said.append(", ".join(f"{number} {_word(word, number)}" for word, number in sorted(found.facts.items())))
        if found.frames and not self.has_check:
            said.append("its frames have no check, so this proves little")
        if not found.frames and found.waiting:
            said.append(f"{_count(found.waiting, 'byte')} are the beginning of a frame")
        return said

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        found = self.evidence
        return {
            "driver": self.spec.name,
            "options": dict(self.options),
            "baud": self.baud,
            "certainty": self.certainty,
            "score": round(self.score, 1),
            "frames": found.frames,
            "facts": dict(found.facts),
            "bytes": found.total_bytes,
            "explained": found.explained_bytes,
            "answers": self.answers,
            "reasons": self.reasons,
        }


def recognise(
    chunks: Sequence[Chunk], specs: Iterable[DriverSpec], *, baud: int | None = None, settings: Mapping[str, object]
) -> list[Candidate]:
    """The drivers that understand these bytes, the best first; `settings` are options instead of the defaults."""
    found = []
    for spec in specs:
        tried = [
            Candidate(spec, weigh(spec, registry.make_options(spec, options), chunks), options, baud)
            for options in variants(spec, settings)
        ]
        found.append(max(tried, key=lambda candidate: (candidate.score, -len(candidate.options))))
    return ranked(found)


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Those that fit, the best first."""
    return sorted((each for each in candidates if each.fits), key=_order)


def best_are_tied(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The first candidates if the bytes cannot decide between them; else none."""
    tied = [each for each in candidates if _is_as_good(each, candidates[0])]
    return tied if len({each.spec.name for each in tied}) > 1 else []


def _is_as_good(each: Candidate, best: Candidate) -> bool:
    """Where the best has no check, others whose frames have a form of their own and explain as much are as good."""
    if each.score >= best.score * (1 - TIE):
        return True
    found, most = each.evidence, best.evidence
    is_weak = most.frames > 0 and not best.has_check and found.proof_bits > 0
    return is_weak and found.explained_bytes >= most.explained_bytes


def variants(spec: DriverSpec, settings: Mapping[str, object]) -> list[dict[str, object]]:
    """The options to try: what was set, else the defaults and what else is sensible."""
    if settings:
        return [dict(settings)]
    modes: list[dict[str, object]] = [{name: value} for name in MODES for value in registry.choices(spec, name)]
    return [{}, *modes, *map(dict, spec.variants)]


def _order(candidate: Candidate) -> tuple[float, int, int, str]:
    return (-candidate.score, -candidate.spec.proof_bits, len(candidate.options), candidate.spec.name)


def _frames_said(found: Evidence) -> str:
    broken = sum(found.broken.values())
    if not found.frames:
        return f"no valid frame in {_count(found.total_bytes, 'byte')}" + _flaws_said(found)
    check = ", check right" if found.proof_bits >= CHECK_BITS else ""
    frames = f"{found.frames} of {_count(found.frames + broken, 'frame')}{check}"
    return f"{frames}, {found.explained_bytes} of {_count(found.total_bytes, 'byte')} explained" + _flaws_said(found)


def _flaws_said(found: Evidence) -> str:
    words = {"integrity": "a wrong check", "length": "a wrong length", "format": "a wrong form", "overflow": "no end"}
    told = [f"{number} with {words[flaw]}" for flaw, number in sorted(found.broken.items())]
    return f" ({', '.join(told)})" if told else ""


def _word(word: str, number: int) -> str:
    return word if number != 1 else word.removesuffix("s")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
