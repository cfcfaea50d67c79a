"""`punchgate roster` and `muster`: who is on this site now, what could not be seen. Needs no network, no daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gateway import assembly
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.directory import Directory, Shelf, keeper
from gateway.directory.onsite import OnSite, on_site
from gateway.wire import timestamp

MOST_GAPS = 10


def outside_option(function: Any) -> Any:
    """`--outside ZONE`, repeated."""
    return click.option(
        "--outside",
        multiple=True,
        default=("outside",),
        show_default=True,
        metavar="ZONE",
        help="A zone that is not on the site; may be repeated.",
    )(function)


@click.command("roster")
@config_option
@outside_option
@click.option("--json", "as_json", is_flag=True, help="One document, for machines.")
def command(config: Path, outside: tuple[str, ...], as_json: bool) -> None:
    """Who is on this site now, by this gateway's own records; last seen first.

    What passed without a name, what is doubtful and what was not watched is said below.
    """
    found = _look(config, outside)
    if as_json:
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False))
        return
    click.echo(f"{len(found.people)} on site by the records of this gateway up to {_at(found.last_ms)}")
    for person in found.people:
        click.echo(f"{person.who:<40} {person.zone or 'nobody knows where':<20} {_seen(person)}")
    click.echo("\n".join(_remainder(found)))


@click.command("muster")
@config_option
@outside_option
@click.option("--json", "as_json", is_flag=True, help="One document, for machines.")
def muster_command(config: Path, outside: tuple[str, ...], as_json: bool) -> None:
    """Evacuation list: by zone, with when and where each was seen last, and what could not be seen."""
    found = _look(config, outside)
    if as_json:
        click.echo(json.dumps(found.as_dict() | {"zones": found.by_zone()}, ensure_ascii=False))
        return
    click.echo(
        f"MUSTER  {found.site}/{found.gateway}  {len(found.people)} people, by records up to {_at(found.last_ms)}"
    )
    zones: dict[str, list[Any]] = {}
    for person in found.people:
        zones.setdefault(person.zone or "nobody knows where", []).append(person)
    for zone in sorted(zones):
        click.echo(f"\n{zone}: {len(zones[zone])}")
        for person in zones[zone]:
            click.echo(f"  [ ] {person.who:<40} {_seen(person)}")
    click.echo("\n" + "\n".join(_remainder(found)))


def _look(config: Path, outside: tuple[str, ...]) -> OnSite:
    settings = assembly.read_settings(config)
    gateway = settings.gateway
    presence = keeper.catch_up(keeper.load(gateway.state_dir), gateway.state_dir)
    clock = Clock()
    directory = Directory(f"{gateway.site}/{gateway.id}", Shelf(gateway.state_dir), clock.mono)
    directory.begin()
    return on_site((gateway.site, gateway.id), presence, directory, set(outside), clock.unix_ms())


def _seen(person: Any) -> str:
    doubt = f", {person.doubts} doubtful punches since" if person.doubts else ""
    clock = "" if person.dated else " (the clock was not sure)"
    return f"{_at(person.at_ms)}{clock} {person.lane}, {person.outcome}{doubt}"


def _remainder(found: OnSite) -> list[str]:
    lines = [f"complete from {_at(found.complete_ms)} on; who came before that is not known here"]
    lines += [f"without a name: {count:+d} in {zone}" for zone, count in found.unnamed.items()]
    if found.undirected:
        lines.append(f"without a name and in an unknown direction: {found.undirected}")
    if found.ambiguous:
        lines.append(f"punches that cannot be decided: {found.ambiguous}")
    if found.fire_ms is not None:
        lines.append(f"fire alarm at {_at(found.fire_ms)}: who passed from then on has no name")
    lines += [
        f"not watched: {gap.what} {_at(gap.since_ms)} to {'now' if gap.until_ms is None else _at(gap.until_ms)}"
        f" ({gap.reason})"
        for gap in found.gaps[-MOST_GAPS:]
    ]
    return lines


def _at(time_ms: int | None) -> str:
    return "unknown" if not time_ms else timestamp(time_ms)
