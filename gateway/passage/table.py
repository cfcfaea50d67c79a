"""What a read and a pass together mean: the transition tables of a lane, and the theory behind them.

A reader says that a card was there. A sensor says that somebody went through. Neither says that the owner of the
card went through; that is a conclusion, and this is the one place where it is drawn. Both are facts and are written
as they come; the conclusion is a third record, the punch, and refers to them. The facts survive a wrong conclusion.

A read opens a window of `pass_timeout_s`. The first pass in its direction completes it. As long as one read is open
at a time, that is certain enough to call it confirmed. When reads overlap they form a burst, which lasts until no
read is open: the people went, but who first and who perhaps not at all, the sensor cannot say. The oldest read takes
the pass, marked as assumed and tied to the burst's first read; what is left over at the end of a burst is ambiguous
and names its candidates. Nobody is moved by a guess, and in and out never alternate to make the sums come out.

A pass that finds no open read is explained by the recent past. After a completion it is a further person on the same
read (SPENT). After a denied read it is that person going nevertheless (REFUSED). After reads whose window nobody
watched, it may be one of theirs (DOUBT). The latest evidence counts: a completion puts earlier denials out of mind, a
denied read an earlier completion. Without any such past (READY) the pass waits a moment, since it may have overtaken
its read on another wire, and then it stands alone. The past is a matter of direction: a pass the other way after a
completion is nobody's tailgater.

Not to know is a state of its own. A window is watched if every sensor of the lane was there from the read to its
end; otherwise that nobody passed is not known, and the read ends ambiguous instead of not_taken. A read that had
waited in the kernel or in a device's memory was presented at an unknown time, perhaps long ago: to let it wait for a
pass would pair yesterday's card with today's stranger, so it is closed as ambiguous in its own transaction, and for
one window it is a candidate for passes that have no better read. A pass that had waited never completes a read, for
it may have come before it. Reads open at a crash are treated the same. A sensor that is present and says nothing over
`SILENT_AFTER` watched windows is not believed any more (SILENT): reads are assumed until it speaks.

A sensor that is asked, such as a counter, tells of a pass up to its latency after it happened. On its lanes a pass is
a stretch of time, and only what holds for all of it is confirmed. A read whose window is over is held for as long as
a pass within that window may still be told, and is then assumed with it. A pass that may have come before the read
it completes is assumed too, and for its window that read is a candidate for other passes, since its owner may be
about to go. Reads that may share such a pass are a burst, and a read just behind a pass that was only assumed is not
confirmed either, since the pass may be its own. Where all sensors speak by themselves nothing of this applies.

While a fire input is active (EMERGENCY) doors stand open and nobody queues: passes only count, reads are facts with
an ambiguous punch, on lanes without a sensor too, because a wrong "has left" is worse than an open question.

The tables say what a lane does: state x input -> act and the states that may follow, () if it stays as it is. What a
lane is to a read or a pass depends on the direction. Inputs come already told apart: a read for which a pass waits is
READ_LATE, a pass that no open read fits is AGAINST. Reads and passes that are not in their table cannot occur; what
is not in the world's table concerns nobody. docs/pairing.md is made from this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from gateway.clock import Moment
from gateway.passage import acts
from gateway.passage.evidence import Pass, Read
from gateway.passage.memory import Lane, State

SILENT_AFTER = 20

What = TypeVar("What", Read, Pass, Moment)


class ReadInput(StrEnum):
    """A read, told apart by what it says and what waits for it."""

    READ = "READ"
    READ_LATE = "READ_LATE"
    READ_STALE = "READ_STALE"
    DENIED = "DENIED"
    DENIED_LATE = "DENIED_LATE"
    DENIED_STALE = "DENIED_STALE"


class PassInput(StrEnum):
    """A pass, told apart by whether it fits and where it comes from."""

    PASS = "PASS"
    BELATED = "BELATED"
    AGAINST = "AGAINST"
    OVERDUE = "OVERDUE"
    FLAGGED = "FLAGGED"
    PASS_STALE = "PASS_STALE"


class WorldInput(StrEnum):
    """Time and the world."""

    WINDOW = "WINDOW"
    WINDOW_BLIND = "WINDOW_BLIND"
    WINDOW_HELD = "WINDOW_HELD"
    LAPSED = "LAPSED"
    SILENCE = "SILENCE"
    SPEAKS = "SPEAKS"
    LOST = "LOST"
    FIRE = "FIRE"
    CLEAR = "CLEAR"


@dataclass(frozen=True, slots=True)
class Rule(Generic[What]):
    """What is done, and the states that may follow."""

    act: Callable[[Lane, What], None]
    becomes: tuple[State, ...]


READY, OPEN, BURST, SPENT = State.READY, State.OPEN, State.BURST, State.SPENT
REFUSED, DOUBT, SILENT = State.REFUSED, State.DOUBT, State.SILENT
EMERGENCY, UNSENSED = State.EMERGENCY, State.UNSENSED
PAST = (READY, SPENT, REFUSED, DOUBT)
R, P, W = ReadInput, PassInput, WorldInput

_NO_READ_OPEN: Mapping[ReadInput, Rule[Read]] = {
    R.READ: Rule(acts.open_read, (OPEN,)),
    R.READ_LATE: Rule(acts.meet, (SPENT, REFUSED)),
    R.READ_STALE: Rule(acts.doubt, (DOUBT, SPENT, REFUSED)),
    R.DENIED: Rule(acts.deny, (REFUSED,)),
    R.DENIED_LATE: Rule(acts.deny_late, PAST),
    R.DENIED_STALE: Rule(acts.deny_only, ()),
}
_READS_OPEN: Mapping[ReadInput, Rule[Read]] = {
    R.READ: Rule(acts.open_read, (BURST,)),
    R.READ_LATE: Rule(acts.meet, (BURST,)),
    R.READ_STALE: Rule(acts.doubt, ()),
    R.DENIED: Rule(acts.deny, ()),
    R.DENIED_LATE: Rule(acts.deny_late, ()),
    R.DENIED_STALE: Rule(acts.deny_only, ()),
}
_ASSUMING: Mapping[ReadInput, Rule[Read]] = {
    R.READ: Rule(acts.assume, ()),
    R.READ_LATE: Rule(acts.assume, ()),
    R.READ_STALE: Rule(acts.assume, ()),
    R.DENIED: Rule(acts.deny, ()),
    R.DENIED_LATE: Rule(acts.deny_late, ()),
    R.DENIED_STALE: Rule(acts.deny_only, ()),
}
ON_READ: Mapping[State, Mapping[ReadInput, Rule[Read]]] = {
    READY: _NO_READ_OPEN,
    SPENT: _NO_READ_OPEN,
    REFUSED: _NO_READ_OPEN,
    DOUBT: _NO_READ_OPEN,
    OPEN: _READS_OPEN,
    BURST: _READS_OPEN,
    SILENT: _ASSUMING,
    EMERGENCY: {
        R.READ: Rule(acts.doubt, ()),
        R.READ_STALE: Rule(acts.doubt, ()),
        R.DENIED: Rule(acts.deny, ()),
        R.DENIED_STALE: Rule(acts.deny_only, ()),
    },
    UNSENSED: {
        R.READ: Rule(acts.assume, ()),
        R.READ_STALE: Rule(acts.assume, ()),
        R.DENIED: Rule(acts.deny, ()),
        R.DENIED_STALE: Rule(acts.deny_only, ()),
    },
}

_LATE: Mapping[PassInput, Rule[Pass]] = {
    P.BELATED: Rule(acts.complete_late, (SPENT,)),
    P.AGAINST: Rule(acts.wrong_way, ()),
}
ON_PASS: Mapping[State, Mapping[PassInput, Rule[Pass]]] = {
    READY: {
        P.PASS: Rule(acts.wait, ()),
        **_LATE,
        P.OVERDUE: Rule(acts.unread, ()),
        P.FLAGGED: Rule(acts.unread, ()),
        P.PASS_STALE: Rule(acts.unread, ()),
    },
    OPEN: {
        P.PASS: Rule(acts.complete, (SPENT,)),
        P.BELATED: Rule(acts.complete_late, (OPEN, BURST)),
        P.AGAINST: Rule(acts.wrong_way, ()),
    },
    BURST: {
        P.PASS: Rule(acts.complete, (BURST, SPENT)),
        P.BELATED: Rule(acts.complete_late, ()),
        P.AGAINST: Rule(acts.wrong_way, ()),
    },
    SPENT: {
        P.PASS: Rule(acts.tailgate, ()),
        **_LATE,
        P.OVERDUE: Rule(acts.tailgate, ()),
        P.FLAGGED: Rule(acts.tailgate, ()),
    },
    REFUSED: {
        P.PASS: Rule(acts.force, PAST),
        **_LATE,
        P.FLAGGED: Rule(acts.force, PAST),
    },
    DOUBT: {
        P.PASS: Rule(acts.wait, ()),
        **_LATE,
        P.OVERDUE: Rule(acts.question, ()),
        P.FLAGGED: Rule(acts.question, ()),
        P.PASS_STALE: Rule(acts.question, ()),
    },
    EMERGENCY: {P.PASS: Rule(acts.count_only, ())},
    UNSENSED: {P.PASS: Rule(acts.note, ())},
}

_SILENCE: Mapping[WorldInput, Rule[Moment]] = {W.SILENCE: Rule(acts.fall_back, (SILENT,))}
_HELD: Mapping[WorldInput, Rule[Moment]] = {W.LAPSED: Rule(acts.decide, ()), W.LOST: Rule(acts.unwatch, ())}
_FIRE: Mapping[WorldInput, Rule[Moment]] = {W.FIRE: Rule(acts.surrender, (EMERGENCY,))}
ON_WORLD: Mapping[State, Mapping[WorldInput, Rule[Moment]]] = {
    READY: {**_HELD, **_SILENCE, **_FIRE},
    SPENT: {**_HELD, **_SILENCE, **_FIRE},
    REFUSED: {**_HELD, **_SILENCE, **_FIRE},
    DOUBT: {**_HELD, **_SILENCE, **_FIRE},
    OPEN: {
        W.WINDOW: Rule(acts.not_taken, PAST),
        W.WINDOW_BLIND: Rule(acts.leave_ambiguous, PAST),
        W.WINDOW_HELD: Rule(acts.hold, PAST),
        **_HELD,
        **_SILENCE,
        **_FIRE,
    },
    BURST: {
        W.WINDOW: Rule(acts.leave_ambiguous, (BURST, *PAST)),
        W.WINDOW_BLIND: Rule(acts.leave_ambiguous, (BURST, *PAST)),
        W.WINDOW_HELD: Rule(acts.hold, (BURST, *PAST)),
        **_HELD,
        **_SILENCE,
        **_FIRE,
    },
    SILENT: {W.SPEAKS: Rule(acts.wake, PAST), **_FIRE},
    UNSENSED: _FIRE,
    EMERGENCY: {W.CLEAR: Rule(acts.resume, (*PAST, SILENT, UNSENSED))},
}

MEANING: Mapping[StrEnum, str] = {
    READY: "no read open, nothing in the past explains a pass",
    OPEN: "one read is open, and no other was open with it",
    BURST: "reads are open, or one is that was open together with others",
    SPENT: "no read open; a pass completed one at most `pass_timeout_s` ago",
    REFUSED: "no read open; one was denied at most `pass_timeout_s` ago",
    DOUBT: "no read open; the window of a recent one was not watched",
    SILENT: "the sensor is there and says nothing: reads are assumed",
    EMERGENCY: "a fire input or an emergency mode is active on the portal",
    UNSENSED: "the lane has no sensor",
    ReadInput.READ: "a read, granted or undecided",
    ReadInput.READ_LATE: "a read that a waiting pass fits",
    ReadInput.READ_STALE: "a read that had waited in the kernel or in a device's memory",
    ReadInput.DENIED: "a read to which the device said no",
    ReadInput.DENIED_LATE: "such a read that a waiting pass fits",
    ReadInput.DENIED_STALE: "such a read that had waited",
    PassInput.PASS: "a pass; with reads open, one that fits; in an emergency and without a sensor, any",
    PassInput.BELATED: "a pass that a held read fits, within whose window it may have been made",
    PassInput.AGAINST: "a pass that fits none of the reads that are open, or in whose window it may have been made",
    PassInput.OVERDUE: "a pass has waited `reorder_s` for a read",
    PassInput.FLAGGED: "a pass that the board itself calls a tailgate",
    PassInput.PASS_STALE: "a pass that had waited in the kernel or in a device's memory",
    WorldInput.WINDOW: "`pass_timeout_s` of the oldest open read are over",
    WorldInput.WINDOW_BLIND: "the same, and a sensor was not there all the time",
    WorldInput.WINDOW_HELD: "the same where the sensor is asked: of a pass within the window it may still tell",
    WorldInput.LAPSED: "it has told of none",
    WorldInput.SILENCE: "the sensor missed `SILENT_AFTER` watched windows in a row",
    WorldInput.SPEAKS: "the sensor senses a pass after all",
    WorldInput.LOST: "a sensor's port or device is lost",
    WorldInput.FIRE: "fire or emergency begins",
    WorldInput.CLEAR: "fire and emergency are over",
}
