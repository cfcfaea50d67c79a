"""`punchgate centre person|bind|map|move|count|correct`: what an operator says of people, cards, places and errors.

Nothing is changed or deleted: each is one more entry, kept for ever, with when it was said.
"""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.centre_options import centre_option, open_ledger
from gateway.commands.moments import Moment, moment_option
from gateway.errors import Rejected

if TYPE_CHECKING:
    from traceability.whereabouts.desk import Kind


@click.command("person")
@click.argument("person_id", metavar="ID")
@click.option("--kind", default="employee", show_default=True, help="employee, outsourced, intern, guard, courier …")
@click.option("--employer", help="Who employs them.")
@click.option("--unit", help="Who answers for them here.")
@centre_option
def person(config: Path, person_id: str, **words: Any) -> None:
    """What is known of a person: an ID, never a name. A change is a new version."""
    _say(config, "person", {"id": person_id, **words})


@click.command("bind")
@click.argument("token")
@click.argument("person_id", metavar="PERSON")
@moment_option("--from", "begin", default="now", show_default=True, help="Since when; may be in the past.")
@moment_option("--to", "end", help="Until when; without it until further notice.")
@click.option("--id", "name", help="An earlier binding that this one takes the place of.")
@click.option("--withdraw", is_flag=True, help="It never was.")
@centre_option
def bind(
    config: Path, token: str, person_id: str, begin: Moment, end: Moment | None, name: str | None, withdraw: bool
) -> None:
    """Card TOKEN is PERSON's. What the card did before is explained only if it is dated back."""
    if end is not None and end <= begin:
        raise click.BadParameter("it ends before it begins", param_hint="--to")
    words = {"token": token, "person": person_id, "from_ms": begin, "to_ms": end, "withdrawn": withdraw}
    _say(config, "binding", {"id": name or _name("binding"), **words})


@click.command("map")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@centre_option
def chart(config: Path, file: Path) -> None:
    """A version of the map: sites, zones, lanes, from a day on."""
    _say(config, "map", file.read_text(encoding="utf-8"))


@click.command("move")
@click.argument("subject")
@click.argument("site")
@click.argument("zone")
@moment_option("--at", default="now", show_default=True, help="When.")
@click.option("--from-zone", help="Where SUBJECT was; without it wherever that was.")
@centre_option
def move(config: Path, subject: str, site: str, zone: str, at: Moment, from_zone: str | None) -> None:
    """SUBJECT went to ZONE of SITE (`outside`: left it)."""
    words = {"when": _exactly(at), "subject": subject, "site": site, "to_zone": zone, "from_zone": from_zone}
    _say(config, "move", {"id": _name("move"), **words})


@click.command("count")
@click.argument("site")
@click.argument("zone")
@click.argument("people", type=click.IntRange(0))
@moment_option("--at", default="now", show_default=True, help="When.")
@centre_option
def count(config: Path, site: str, zone: str, people: int, at: Moment) -> None:
    """PEOPLE without a name were counted in ZONE of SITE (`*`: all of it)."""
    _say(config, "counted", {"id": _name("count"), "when": _exactly(at), "site": site, "zone": zone, "count": people})


@click.command("correct")
@click.argument("record")
@click.option("--reason", type=click.Choice(["did_not_occur", "incorrect_data"]), required=True)
@click.option("--instead", multiple=True, help="Ids of what tells it right.")
@centre_option
def correct(config: Path, record: str, reason: str, instead: tuple[str, ...]) -> None:
    """RECORD, a move or another correction, by its id, is wrong. The record stays as it is."""
    words = {"target": record, "reason": reason, "instead": list(instead)}
    _say(config, "declaration", {"id": _name("declaration"), **words})


ENTRIES = (person, bind, chart, move, count, correct)


def _say(config: Path, kind: Kind, words: dict[str, Any] | str) -> None:
    """Check it against all that was said, write it down, and print its id."""
    _, database = open_ledger(config)
    from traceability.database.portable import hold_desk
    from traceability.whereabouts.desk import Entry, said_so_far, say
    from traceability.whereabouts.vetting import Vetting

    name, body = ("map", words) if isinstance(words, str) else (words["id"], json.dumps(words, ensure_ascii=False))
    with database.writing() as connection:
        hold_desk(connection)
        now_ms = time.time_ns() // 1_000_000
        desk = said_so_far(connection, now_ms)
        entry = Entry(0, name, kind, body, None)
        Vetting(connection, desk).vet(entry.said(now_ms))
        what = desk.take(entry, now_ms)
        if clashes := desk.clashes(what):
            raise Rejected(f"binding {name}: {clashes[0]}", remedy="end the other one first: --id ID --to TIME")
        say(connection, kind, name, body, now_ms)
    database.close()
    click.echo(name)


def _name(kind: str) -> str:
    return f"operator/{kind}/{secrets.token_hex(8)}"


def _exactly(at_ms: int) -> dict[str, Any]:
    return {"best_ms": at_ms, "earliest_ms": at_ms, "latest_ms": at_ms, "basis": "operator"}
