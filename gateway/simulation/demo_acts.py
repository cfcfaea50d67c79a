"""The two plays of the demo: one morning peak with a verdict, or people without end with something to watch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random

from gateway.simulation.demo_site import PASS_TIMEOUT_S, REPEAT_WINDOW_S
from gateway.simulation.demo_stage import Stage
from gateway.simulation.devices import Heading
from gateway.simulation.oracle import Verdict, judge
from gateway.simulation.people import Gate, Step, plan, population

VISIT_S = 0.6
PEAK_IDLE_S = 0.08
CALM_RATE = 2.5
AROUND_OUTAGE_S = 6.0
AFTERMATH_S = PASS_TIMEOUT_S + REPEAT_WINDOW_S + 0.5
SETTLE_WITHIN_S = 60.0
UNPLUGGED_S = 6.0


@dataclass(frozen=True, slots=True)
class Cast:
    """How many people come, from which seed, and for how long the broker goes, in seconds (0: it stays)."""

    people: int
    seed: int
    outage_s: float


def morning(stage: Stage, cast: Cast) -> Verdict:
    """A peak, the broker cut in its middle, the catching up, and the verdict on every card and pass."""
    steps = peak(stage.site.gates, cast)
    length_s = steps[-1].at_s
    stage.start()
    stage.show.say(f"■ morning peak: {cast.people} people at {len(stage.site.gates)} lanes, {length_s:.0f} s")
    stage.player.start(steps)
    if cast.outage_s:
        stage.run((length_s - cast.outage_s) / 2)
        stage.show.say(f"■ the broker is cut for {cast.outage_s:g} s; the gates go on", "red")
        stage.cut()
        stage.run(cast.outage_s)
        stage.mend()
        stage.show.say("■ the broker is back, empty; the gateway catches up", "green")
    stage.run(3600 + length_s, until=lambda: not stage.player.playing)
    stage.show.say("■ the peak is over; the last windows close and the last records settle")
    stage.run(AFTERMATH_S)
    settle(stage)
    stage.show.finish()
    return judge(stage.log, stage.ledger(), stage.site.key)


def peak(gates: list[Gate], cast: Cast) -> list[Step]:
    """Everybody once, dense enough to be a peak and long enough to hold the outage."""
    rng = Random(cast.seed)
    people = population(cast.people, rng, visitors=any(gate.scanner for gate in gates))
    needed_s = cast.outage_s + AROUND_OUTAGE_S if cast.outage_s else 0.0
    idle_s = (needed_s * len(gates) / cast.people - VISIT_S) / 2
    return plan(gates, people, rng, idle_s=max(PEAK_IDLE_S, idle_s), pass_timeout_s=PASS_TIMEOUT_S)


def settle(stage: Stage) -> bool:
    """Watch until the gateway knows that the centre has everything; False if it does not within a minute."""
    stage.run(SETTLE_WITHIN_S, until=stage.settled)
    return stage.settled()


def day(gates: list[Gate], cast: Cast) -> Iterator[Step]:
    """In, out, in, out, for ever, at a pace one can follow."""
    rng = Random(cast.seed)
    people = population(cast.people, rng, visitors=any(gate.scanner for gate in gates))
    idle_s = max(PEAK_IDLE_S, (len(gates) / CALM_RATE - VISIT_S) / 2)
    begin_s = 0.0
    ways: tuple[Heading, Heading] = ("in", "out")
    for heading in cycle(ways):
        rng.shuffle(people)
        crowd = people if heading == "in" else [person for person in people if not person.visitor]
        steps = plan(gates, crowd, rng, heading=heading, idle_s=idle_s, pass_timeout_s=PASS_TIMEOUT_S)
        for step in steps:
            yield replace(step, at_s=begin_s + step.at_s)
        begin_s += steps[-1].at_s + 2 * REPEAT_WINDOW_S


def endless(stage: Stage, cast: Cast) -> None:
    """People until Ctrl-C; now and then a cable is pulled or the broker goes."""
    stage.start()
    stage.show.say(f"■ {cast.people} people at {len(stage.site.gates)} lanes; Ctrl-C ends the demo")
    stage.player.start(day(stage.site.gates, cast))
    for name in cycle(stage.site.ports):
        stage.run(20)
        stage.show.say(f"■ somebody pulls the cable of {name}", "yellow")
        stage.site.ports[name].unplug()
        stage.run(UNPLUGGED_S)
        stage.site.ports[name].plug()
        stage.show.say(f"■ {name} is plugged in again", "yellow")
        stage.run(20)
        if cast.outage_s:
            stage.show.say(f"■ the broker is cut for {cast.outage_s:g} s; the gates go on", "red")
            stage.cut()
            stage.run(cast.outage_s)
            stage.mend()
            stage.show.say("■ the broker is back, empty; the gateway catches up", "green")
        stage.run(30)
