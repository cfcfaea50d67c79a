"""`punchgate centre breaches|gateways|corrections|pairing`: questions of who answers for the site and its devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.moments import Moment
from gateway.commands.names import MINUTES, NAME, SUBJECT, Amount
from gateway.commands.questions import question, span, tell, window_options

if TYPE_CHECKING:
    from traceability.whereabouts.inquiry import Inquiry


@question("breaches")
@click.argument("subjects", type=SUBJECT, nargs=-1, required=True, metavar="SUBJECT…")
@click.option(
    "--site", "sites", type=NAME, multiple=True, required=True, help="Where they may be; may be there several times."
)
@click.option("--way", type=MINUTES, default=120.0, show_default=True, help="Minutes on the way at most.")
@window_options
def breaches(
    config: Path,
    subjects: tuple[str, ...],
    sites: tuple[str, ...],
    way: float,
    begin: Moment,
    end: Moment,
    **how: Any,
) -> None:
    """Where SUBJECT was elsewhere than on these sites, or too long on the way: two points and one line."""
    tell(config, how, lambda ask: ask.breaches(subjects, sites, span(begin, end), round(way * 60_000)))


@question("gateways")
@click.argument("site", type=NAME)
@window_options
def gateways(config: Path, site: str, begin: Moment, end: Moment, **how: Any) -> None:
    """What came of each gateway of SITE: received, missing, again, how late, how sure of time and people."""
    tell(config, how, lambda ask: ask.gateways(site, span(begin, end)))


@question("corrections")
@click.argument("site", type=NAME)
@window_options
def corrections(config: Path, site: str, begin: Moment, end: Moment, **how: Any) -> None:
    """What operators corrected on SITE, and what stood there."""
    tell(config, how, lambda ask: ask.corrections(site, span(begin, end)))


@question("pairing")
@click.argument("site", type=NAME)
@click.argument("lane", type=NAME)
@click.option("--pass-timeout", type=Amount(0, 300, min_open=True), help="Seconds a read waits.")
@click.option("--reorder", type=Amount(0, 30), help="Seconds a passage may overtake its read by.")
@click.option("--mode", type=click.Choice(["controlled", "free"]), help="Whether one needs a card to pass.")
@click.option("--sensor/--no-sensor", default=None, help="Whether passages are believed.")
@window_options
def pairing(
    config: Path,
    site: str,
    lane: str,
    pass_timeout: float | None,
    reorder: float | None,
    mode: str | None,
    sensor: bool | None,
    begin: Moment,
    end: Moment,
    **how: Any,
) -> None:
    """What the punches of LANE would be with other parameters of pairing; nothing is changed by it."""

    def answer(ask: Inquiry) -> Any:
        from traceability.whereabouts.trying import Wish

        timeout_ms, reorder_ms = (None if each is None else each * 1000 for each in (pass_timeout, reorder))
        wish = Wish(timeout_ms, reorder_ms, None if mode is None else mode == "controlled", sensor)
        return ask.pairing(site, lane, wish, span(begin, end))

    tell(config, how, answer)


AUDITS = (breaches, gateways, corrections, pairing)
