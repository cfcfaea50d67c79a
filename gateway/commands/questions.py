"""`punchgate centre roster|trajectory|contacts|…`: the questions of the traceability service from a shell.

Every answer says what could not be seen, and as known at which moment it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.centre_options import centre_option, open_ledger
from gateway.commands.moments import Command, Moment, moment_of, moment_option
from gateway.commands.names import MINUTES, NAME, SUBJECT, is_subject

if TYPE_CHECKING:
    from traceability.whereabouts.inquiry import Inquiry


def question(name: str) -> Callable[[Command], click.Command]:
    """A command that answers: `-c`, `--json`, `--as-known-at`."""

    def decorate(function: Command) -> click.Command:
        function = click.option("--json", "as_json", is_flag=True, help="For programs; times are unix ms.")(function)
        function = moment_option(
            "--as-known-at", "--known-at", "known_at", help="As it was known then; without it: now."
        )(function)
        return click.command(name)(centre_option(function))

    return decorate


def at_option(function: Command) -> Command:
    """`--as-of`: the moment that is asked about."""
    return moment_option("--as-of", "--at", "at", default="now", show_default=True, help="The moment asked about.")(
        function
    )


def window_options(function: Command) -> Command:
    """`--from`, `--to`: the window that is asked about."""
    function = moment_option("--to", "end", default="now", show_default=True, help="Its end.")(function)
    return moment_option("--from", "begin", default="-24h", show_default=True, help="The window.")(function)


def subject_argument(function: Command) -> Command:
    """`person/ID`, or `card/TOKEN` for a card that is nobody's."""
    return click.argument("subject", type=SUBJECT)(function)


def read_isolated(_: click.Context, option: click.Parameter, told: tuple[str, ...]) -> dict[str, Moment]:
    """SUBJECT=TIME as a table; the earliest, if one is named twice."""
    until: dict[str, Moment] = {}
    for each in told:
        subject, _equals, text = each.rpartition("=")
        at_ms = moment_of(text, time.time_ns() // 1_000_000)
        if at_ms is None or not is_subject(subject):
            raise click.BadParameter(f"{each!r} is not SUBJECT=TIME, as person/8f3a=-2h", param=option)
        until[subject] = min(at_ms, until.get(subject, at_ms))
    return until


@question("roster")
@click.argument("site", type=NAME)
@at_option
def roster(config: Path, site: str, at: Moment, **how: Any) -> None:
    """Who is on SITE, and who possibly is."""
    tell(config, how, lambda ask: ask.roster(site, at))


@question("headcount")
@click.argument("site", type=NAME)
@click.option("--zone", type=NAME, help="Only this zone and what lies within it.")
@at_option
def headcount(config: Path, site: str, zone: str | None, at: Moment, **how: Any) -> None:
    """How many are on SITE: by kind, employer and zone, and those without a name."""
    tell(config, how, lambda ask: ask.headcount(site, at, zone))


@question("trajectory")
@subject_argument
@window_options
def trajectory(config: Path, subject: str, begin: Moment, end: Moment, **how: Any) -> None:
    """Where SUBJECT was, for how long, and where nobody knows."""
    tell(config, how, lambda ask: ask.trajectory(subject, span(begin, end)))


@question("contacts")
@subject_argument
@window_options
@click.option("--near", type=click.Choice(["zone", "building", "site"]), default="zone", show_default=True)
@click.option("--minutes", type=MINUTES, default=0.0, show_default=True, help="At least so long.")
@click.option("--second", is_flag=True, help="Also whom the contacts met afterwards.")
@click.option("--isolated", multiple=True, metavar="SUBJECT=TIME", callback=read_isolated, help="Met nobody since.")
def contacts(
    config: Path,
    subject: str,
    begin: Moment,
    end: Moment,
    near: Any,
    minutes: float,
    second: bool,
    isolated: dict[str, Moment],
    **how: Any,
) -> None:
    """Who was with SUBJECT: least, likely and most minutes, and the same lane within a minute."""

    def answer(ask: Inquiry) -> Any:
        from traceability.presence.contacts import Rules

        rules = Rules(near, round(minutes * 60_000))
        window = span(begin, end)
        return (
            ask.second_degree(subject, window, isolated, rules)
            if second or isolated
            else ask.contacts(subject, window, rules)
        )

    tell(config, how, answer)


@question("places")
@subject_argument
@window_options
def places(config: Path, subject: str, begin: Moment, end: Moment, **how: Any) -> None:
    """Where SUBJECT was, and who was there then."""
    tell(config, how, lambda ask: ask.places(subject, span(begin, end)))


@question("visitors")
@click.argument("site", type=NAME)
@click.argument("zone", type=NAME, required=False)
@window_options
def visitors(config: Path, site: str, zone: str | None, begin: Moment, end: Moment, **how: Any) -> None:
    """Who was on SITE, or in its ZONE, in a window."""
    tell(config, how, lambda ask: ask.visitors(site, zone, span(begin, end)))


@question("density")
@click.argument("site", type=NAME)
@click.argument("zone", type=NAME)
@at_option
def density(config: Path, site: str, zone: str, at: Moment, **how: Any) -> None:
    """How full ZONE of SITE is, of what it may hold."""
    tell(config, how, lambda ask: ask.density(site, zone, at))


@question("peaks")
@click.argument("site", type=NAME)
@click.argument("zone", type=NAME)
@window_options
def peaks(config: Path, site: str, zone: str, begin: Moment, end: Moment, **how: Any) -> None:
    """How full ZONE of SITE was at most, and when it held more than it may."""
    tell(config, how, lambda ask: ask.peaks(site, zone, span(begin, end)))


@question("gatherings")
@click.argument("site", type=NAME)
@click.option("--more-than", type=click.IntRange(1), required=True, help="So many people.")
@click.option("--minutes", type=MINUTES, required=True, help="For so long.")
@window_options
def gatherings(
    config: Path, site: str, more_than: int, minutes: float, begin: Moment, end: Moment, **how: Any
) -> None:
    """Where on SITE more than so many were together for so long."""
    tell(config, how, lambda ask: ask.gatherings(site, more_than, round(minutes * 60_000), span(begin, end)))


@question("oddities")
@click.argument("site", type=NAME)
@window_options
def oddities(config: Path, site: str, begin: Moment, end: Moment, **how: Any) -> None:
    """In without out, out without in, never punched out on SITE; each with its likely cause."""
    tell(config, how, lambda ask: ask.oddities(site, span(begin, end)))


@question("impossible")
@click.argument("subject", type=SUBJECT, required=False)
@window_options
def impossible(config: Path, subject: str | None, begin: Moment, end: Moment, **how: Any) -> None:
    """Moves nobody can have made, of SUBJECT or of all: a card lent or copied, a wrong binding, a wrong clock."""
    tell(config, how, lambda ask: ask.impossible(span(begin, end), subject))


@question("completeness")
@click.argument("site", type=NAME)
@window_options
def completeness(config: Path, site: str, begin: Moment, end: Moment, **how: Any) -> None:
    """How much of SITE was watched in a window, and what was not understood."""
    tell(config, how, lambda ask: ask.completeness(site, span(begin, end)))


QUESTIONS = (
    roster,
    headcount,
    trajectory,
    contacts,
    places,
    visitors,
    density,
    peaks,
    gatherings,
    oddities,
    impossible,
    completeness,
)


def span(begin: Moment, end: Moment) -> Any:
    """The window. Raises BadParameter if it ends before it begins."""
    from traceability.presence.moments import Span

    if end <= begin:
        told = [datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat() for at_ms in (begin, end)]
        raise click.BadParameter(f"the window ends ({told[1]}) before it begins ({told[0]})", param_hint="--to")
    return Span(begin, end)


def tell(config: Path, how: dict[str, Any], answer: Callable[[Inquiry], Any]) -> None:
    """Ask, and print the answer; on stderr what it does not take into account yet."""
    _, database = open_ledger(config)
    from traceability.presence.answers import as_json
    from traceability.whereabouts.inquiry import Inquiry
    from traceability.whereabouts.telling import lines

    inquiry = Inquiry(database, how["known_at"])
    if how["known_at"] is None and (behind := inquiry.behind()):
        click.echo(f"{behind} records are here that are not taken into account yet", err=True)
    answered = answer(inquiry)
    click.echo(as_json(answered) if how["as_json"] else "\n".join(lines(answered)))
