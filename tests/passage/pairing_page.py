"""Draw docs/pairing.md from the transition tables: `python tests/passage/pairing_page.py > docs/pairing.md`.

The theory is the docstring of gateway/passage/table.py, a cell is an act's name, its meaning the act's docstring,
the picture the tables' arrows, and the examples are stories the real station answers while the page is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

from passage_story import START_MS, Story

from gateway.passage import table
from gateway.passage.memory import State
from gateway.records import Draft

ROWS = Mapping[State, Mapping[Any, table.Rule[Any]]]
TABLES: tuple[tuple[str, ROWS, type[StrEnum]], ...] = (
    ("A read", table.ON_READ, table.ReadInput),
    ("A pass", table.ON_PASS, table.PassInput),
    ("Time and the world", table.ON_WORLD, table.WorldInput),
)
FADING = (State.SPENT, State.REFUSED, State.DOUBT)

SILENT_SPOTS = """\
- **Only open read** means: the only read of its burst. The last read of a burst is `assumed` like the others, since
  what makes the first doubtful makes the last doubtful. Reads of both sides share the burst of their lane.
- A read alone in its burst is still only `assumed` if a sensor was away during its window, or if a read whose window
  nobody watched (a crash, waiting bytes) may be the pass's; `refs.burst` then names that read.
- `ambiguous` names the read itself among its candidates, and at most the latest 32 reads of the burst.
- **A further pass** is one in the direction of the completed movement, at most `pass_timeout_s` after the completing
  pass however many came in between. It does not wait `reorder_s`: the next person's card often comes within it.
- **A read is opposite** only if no open read fits the pass. A pass of unknown direction fits all, a reader for `both`
  sides fits all. On lanes with `sensor = "one"` the sensor's own word for a direction is not believed.
- A `wrong_way`, `tailgate` or `forced` punch that names a read has an anonymous subject: the read is a link, its
  owner is not accused. The direction is the sensor's, else the reader's side.
- `not_taken`, `denied`, `ambiguous` and `assumed` punches carry the direction in which the card's owner wanted to go.
- A denied read explains one pass. An open read comes first; a completion puts earlier denials out of mind. With
  several denied reads the oldest is named and the confidence is `assumed`.
- A `forced` or `anonymous` punch has confidence `ambiguous` while a reader of the lane is away or came back less than
  `pass_timeout_s` ago, and if the pass itself had waited: a read could have been missed.
- A passage with `tailgate` in its fields is judged without regard to open reads, and at once.
- A pass of n people is n passes with one fact; beyond 32 the last punch carries the rest as `subject.count`.
- **Silent** are 20 watched windows of a lane in a row without any pass of it. A sensor whose port or device is known
  to be down is not silent: its windows end `ambiguous`, and `device.down` says why.
- **Fire** covers all lanes of the portal until its last active input clears; a lost input stays active. A device's
  `mode` with reason `emergency` counts as fire. Reads get an `ambiguous` punch at once. Denied ones stay denied.
- **Repeats**: a card denied before and granted now, or the reverse, is news and a read of its own.
- `portal.forced` is written when its contact closes; `held`, `fire` and `tamper` when it closes and when it opens.
- A device counts as absent until the port said that it is up. A window is watched if all sensors of the lane are up.
- **A pass that is told late** happened at most `poll_s` and the answers of its line before (the driver's latency), or
  as long before as the event itself says. What is judged by its time is judged by the earliest: whether a window, a
  completion or a denial still covers it. It is `confirmed` only if that holds for the latest time too.
- A read that ends without a pass is told by so much later where the sensor is asked, dated as ever. What comes later
  still (an answer was lost) is `ambiguous` and names it.
- Where a denial or a completion may not cover all of the time in which a pass was made, `forced` and `tailgate` are
  `assumed`. A pass that may have been made before the end of a fire is `ambiguous` if no read explains it.
- A contact that is found closed at the first look is a state: no pass, and a notice with `found`.
- At an orderly stop open reads are `ambiguous` and waiting passes are judged as if they had waited long enough.
- Bounds of a lane: 64 open reads (the oldest is given up as `ambiguous`), 64 waiting passes, 1024 runs of repeats,
  32 denied and 32 unclear reads."""

COST = """\
Measured with CPython 3.11 on one core of a shared x86 machine, tokens and drafts included: 17 µs for a read on a lane
without a sensor, 30 µs for a read and its pass, both with the ticks and deadlines that belong to them."""

EXAMPLES: tuple[tuple[str, Callable[[], Story]], ...] = (
    ("One by one", lambda: Story().read(0, "A").passes(1.2).read(3, "B").passes(4.1)),
    ("Two cards, one person", lambda: Story().read(0, "A").read(0.8, "B").passes(1.5).tick(6)),
    (
        "A tailgater, and somebody the other way",
        lambda: Story().read(0, "A").passes(1).passes(2).passes(3, "out").tick(4),
    ),
    ("The pass overtakes its read", lambda: Story().passes(0).read(0.2, "A")),
    ("Second thoughts", lambda: Story().read(0, "A").passes(1, "out").tick(5)),
    ("The sensor was unplugged for a moment", lambda: Story().read(0, "A").down(1, "arm").up(2, "arm").tick(5)),
    ("A card held at the reader", lambda: Story().read(0, "A").read(0.4, "A").read(0.8, "A").passes(1.5).tick(9)),
    ("Denied, and through nevertheless", lambda: Story().read(0, "A", decision="denied").passes(1)),
)


def page() -> str:
    """The whole page."""
    parts = [
        "# Pairing: what a read and a pass together mean",
        "From `gateway/passage/table.py`: `python tests/passage/pairing_page.py > docs/pairing.md`. Not to edit.",
        (table.__doc__ or "").partition("\n\n")[2].strip(),
        "## The picture",
        picture(),
        "States:",
        legend(State),
        *(part for title, rows, inputs in TABLES for part in chapter(title, rows, inputs)),
        "## What the acts do",
        acts(),
        "## Where the contract is silent",
        SILENT_SPOTS,
        "## Examples",
        "Seconds; `p1` is the first pass. A punch: outcome, confidence, direction, read, passes, refs.",
        *(example(title, tell) for title, tell in EXAMPLES),
        "## What it costs",
        COST,
    ]
    return "\n\n".join(parts) + "\n"


def chapter(title: str, rows: ROWS, inputs: type[StrEnum]) -> Iterable[str]:
    """One table with its legend."""
    yield f"## {title}"
    yield grid(rows, inputs)
    yield legend(inputs)


def grid(rows: ROWS, inputs: type[StrEnum]) -> str:
    """States down, inputs across, acts in the cells."""
    lines = ["| | " + " | ".join(inputs) + " |", "| --- " * (len(inputs) + 1) + "|"]
    for state in State:
        if state in rows:
            lines.append(f"| **{state}** | " + " | ".join(cell(rows[state].get(kind)) for kind in inputs) + " |")
    return "\n".join(lines)


def cell(rule: table.Rule[Any] | None) -> str:
    """The act and where it may lead."""
    if rule is None:
        return "–"
    becomes = " → " + past(rule.becomes) if rule.becomes else ""
    return f"`{rule.act.__name__}`{becomes}"


def past(states: tuple[State, ...]) -> str:
    """The four states without an open read are one word."""
    if set(table.PAST) <= set(states):
        states = (*(state for state in states if state not in table.PAST), "the past")  # type: ignore[assignment]
    return ", ".join(states)


def legend(words: Iterable[StrEnum]) -> str:
    """What the words mean."""
    return "\n".join(f"- **{word}**: {table.MEANING[word]}" for word in words)


def acts() -> str:
    """Each act that occurs, with the first line of its docstring."""
    found = {
        rule.act.__name__: rule.act.__doc__ or ""
        for _, rows, _ in TABLES
        for row in rows.values()
        for rule in row.values()
    }
    return "\n".join(f"- `{name}`: {text.splitlines()[0]}" for name, text in found.items())


def picture() -> str:
    """The tables' arrows as a Mermaid state diagram; arrows all four past states share start at their frame."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for source, target, word in sorted(set(shared(set(all_arrows())))):
        arrows.setdefault((source, target), []).append(word)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> READY", "    [*] --> UNSENSED", "    state PAST {"]
    lines += [f"        {state} --> READY: pass_timeout_s" for state in FADING] + ["    }"]
    lines += [f"    {source} --> {target}: {', '.join(words)}" for (source, target), words in arrows.items()]
    return "\n".join([*lines, "```"])


def all_arrows() -> Iterable[tuple[str, str, str]]:
    """(from, to, input) for everything that changes the state."""
    for _, rows, _ in TABLES:
        for state, row in rows.items():
            for kind, rule in row.items():
                targets = set(rule.becomes) - {state}
                if set(table.PAST) <= set(rule.becomes):
                    targets -= set(table.PAST)
                    yield from [(state, "PAST", kind)] if state not in table.PAST else []
                yield from ((state, target, kind) for target in targets)


def shared(arrows: set[tuple[str, str, str]]) -> Iterable[tuple[str, str, str]]:
    """Arrows that start at every past state (but their own target) start at the frame instead."""
    for source, target, word in arrows:
        others = [state for state in table.PAST if state != target]
        common = source in table.PAST and all((state, target, word) in arrows for state in others)
        yield ("PAST" if common else source, target, word)


def example(title: str, tell: Callable[[], Story]) -> str:
    """One story as the station tells it."""
    story = tell()
    lines = [f"{seconds(draft):6.1f}  {story.line(draft)}" for draft in story.drafts]
    return "\n".join([f"**{title}**", "", "```", *lines, "```"])


def seconds(draft: Draft) -> float:
    """Since the story's beginning."""
    return (draft.moment.time_ms - START_MS) / 1000


if __name__ == "__main__":
    sys.stdout.write(page())
