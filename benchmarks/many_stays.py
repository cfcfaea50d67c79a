"""Ten million stays in the tables of presence: how long the questions take among them.

    python benchmarks/many_stays.py fill /tmp/many.sqlite --stays 10000000
    python benchmarks/many_stays.py ask /tmp/many.sqlite

The database is an SQLite file or `postgresql://…`, new for `fill`; `server` starts a PostgreSQL server and prints
such an address; it is there until it is interrupted. `ask` prints medians and maxima in ms, and fails if a limit of
the issue is not kept: contacts of one person over 14 days within 1 s on PostgreSQL and 3 s on SQLite, the roster of a
site of 5 000 within 200 ms.
"""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Table, select, text

sys.path.insert(0, str(Path(__file__).parent))

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "traceability"))

from crossings import EPOCH, MONDAY_MS, STAYS_A_WEEK, Site, sites_of, subject_of, weeks_of
from measure import say
from postgres_server import PostgresServer

from traceability.database import Connection, Database, open_database
from traceability.database import tables as ledger
from traceability.database.portable import append, is_server
from traceability.presence.answers import as_json
from traceability.presence.contacts import Rules
from traceability.presence.moments import DAY_MS, HOUR_MS, Span
from traceability.whereabouts import tables
from traceability.whereabouts.digest import Names, sum_up
from traceability.whereabouts.inquiry import Inquiry
from traceability.whereabouts.progress import progress

SITES, PEOPLE, BIGGEST = 50, 20_000, 5_000
LIMITS_MS = {"sqlite": {"contacts": 3000, "roster": 200}, "postgresql": {"contacts": 1000, "roster": 200}}
CHUNK = 10_000
LARGE = {False: "PRAGMA cache_size = -2000000", True: "SET LOCAL idle_in_transaction_session_timeout = 0"}


def main() -> int:
    arguments = _arguments()
    return {"server": serve, "fill": fill, "ask": ask}[arguments.what](arguments)


def serve(_: argparse.Namespace) -> int:
    """A server as an operator would set it up, until it is interrupted; then it is gone with all it holds."""
    server = PostgresServer()
    try:
        server.stop()
        server.start("shared_buffers=1GB", "max_wal_size=4GB")
        print(server.fresh("many"), flush=True)
        signal.pause()
    except KeyboardInterrupt:
        return 0
    finally:
        server.close()
    return 0


# --- filling


def fill(arguments: argparse.Namespace) -> int:
    database = open_database(arguments.database)
    sites = sites_of(SITES, arguments.people, arguments.people // 4)
    weeks = max(1, round(arguments.stays / STAYS_A_WEEK / arguments.people))
    now_ms = MONDAY_MS + 7 * DAY_MS * (weeks - 1) + 4 * DAY_MS + 11 * HOUR_MS
    watched_ms = now_ms - arguments.watched_days * DAY_MS
    begun, held, names = time.monotonic(), 0, Names()
    there = _there(database)
    if not there:
        _introduce(database, sites, arguments.people)
    with _without_indices(database):
        for site in sites:
            if site.id in there or time.monotonic() - begun > 60 * arguments.minutes:
                continue
            with database.writing() as connection:
                connection.exec_driver_sql(LARGE[is_server(connection)])
                for rows in weeks_of(site, weeks, now_ms, watched_ms):
                    for name in ("signs", "steps", "stays", "beats"):
                        _append(connection, getattr(tables, name), getattr(rows, name))
                    _digest(connection, names, rows.signs)
                    held += rows.held
            print(f"{site.id}: {held} stays, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    with database.writing() as connection:
        connection.execute(tables.derived.update().values(known_ms=now_ms + 1000))
        if is_server(connection):
            connection.execute(text("ANALYZE"))
    taken_s = time.monotonic() - begun
    say({"stays": held, "seconds": round(taken_s)}, f"{held} stays in {taken_s:.0f} s")
    database.close()
    return 0


def _there(database: Database) -> set[str]:
    """The sites an earlier run has filled in."""
    with database.writing() as connection:
        sites = connection.scalars(select(ledger.streams.c.site).distinct()).all()
        found = {site for site in sites if connection.scalar(select(tables.beats.c.site).where(_of(site)).limit(1))}
        return found or ({""} if sites else set())


def _of(site: str) -> ColumnElement[bool]:
    return tables.beats.c.site == site


def _introduce(database: Database, sites: list[Site], people: int) -> None:
    """Sites and people are told first."""
    entries = [{"name": "map", "kind": "map", "body": _map(sites)}]
    for number in range(people):
        kind = "contractor" if number % 9 == 0 else "employee"
        body = json.dumps({"id": f"p{number:05}", "kind": kind, "employer": f"firm-{number % 40}"})
        entries.append({"name": f"p{number:05}", "kind": "person", "body": body})
    told = {"said_ms": MONDAY_MS, "known_ms": MONDAY_MS}
    streams = [
        {"id": stream, "site": site.id, "gateway": gateway, "epoch": EPOCH, "receipt": 0, "held": 0}
        for site in sites
        for gateway, stream in site.gateways.items()
    ]
    with database.writing() as connection:
        append(connection, tables.entries, [{**each, **told} for each in entries])
        append(connection, ledger.streams, [{**each, "first_ms": MONDAY_MS, "expired": 0} for each in streams])
        connection.execute(tables.derived.insert(), {"number": 1, "upto": 0, "known_ms": MONDAY_MS})


def _map(sites: list[Site]) -> str:
    lines = ["from = 2026-01-01T00:00:00+00:00", 'organisation = "acme"']
    for site in sites:
        zones = sorted({zone for zones in site.zones.values() for zone in zones} - {"outside"})
        lines += ["[[sites]]", f'id = "{site.id}"']
        lines.append("zones = [" + ", ".join(f'{{ id = "{zone}" }}' for zone in zones) + "]")
        for name, (here, there) in site.zones.items():
            lines += ["[[sites.lanes]]", f'id = "{name}"', f'portal = "{name}"']
            lines += [f'from_zone = "{here}"', f'to_zone = "{there}"']
    return "\n".join(lines)


def _append(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    for begin in range(0, len(rows), CHUNK):
        append(connection, table, rows[begin : begin + CHUNK])


def _digest(connection: Connection, names: Names, signs: list[dict[str, Any]]) -> None:
    """What the deriver keeps beside the signs."""
    names.note(connection, signs)
    places = {(row["stream"], row["seq"]) for row in signs}
    sum_up(connection, places, (), max((row["known_from"] for row in signs), default=0))


@contextmanager
def _without_indices(database: Database) -> Iterator[None]:
    """Indices are made faster behind the rows than with them; they are those of a new ledger."""
    found = _indices()
    with database.writing() as connection:
        for name in found:
            connection.exec_driver_sql(f"DROP INDEX IF EXISTS {name}")
    yield
    for name, made in found.items():
        begun = time.monotonic()
        with database.writing() as connection:
            if is_server(connection):
                connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
            connection.exec_driver_sql(made)
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr)


def _indices() -> dict[str, str]:
    """Of the derived tables, but for primary keys, each in words that both databases understand."""
    query = "SELECT name, sql FROM sqlite_schema WHERE tbl_name IN ('signs', 'steps', 'stays') AND type = 'index'"
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(str(Path(folder) / "new.sqlite"))
        with database.writing() as connection:
            rows = connection.execute(text(query)).all()
        database.close()
    return {name: made for name, made in rows if made is not None}


# --- asking


def ask(arguments: argparse.Namespace) -> int:
    database = open_database(arguments.database)
    inquiry = Inquiry(database)
    with database.reading() as connection:
        engine = "postgresql" if is_server(connection) else "sqlite"
        now_ms = progress(connection)[1]
        stays = connection.scalar(text("SELECT count(*) FROM stays"))
        count, biggest = (connection.scalar(text(f"SELECT {what} FROM entries WHERE kind = 'person'")) or 0
                          for what in ("count(*)", "count(*) / 4"))  # fmt: skip
    site = "s00"
    big = [subject_of(number) for number in range(7, biggest, max(1, biggest // 10))]
    small = [subject_of(number) for number in range(biggest + 3, count, max(1, (count - biggest) // 10))]
    noon = now_ms - 1000
    window = Span(now_ms - 14 * DAY_MS, now_ms)
    old = Span(now_ms - 60 * DAY_MS, now_ms - 46 * DAY_MS)
    """Of which there are stays and nothing else."""
    rules = Rules()
    close = Rules(threshold_ms=4 * HOUR_MS)
    gc.collect()
    gc.freeze()  # as the centre does when it has started
    told = {
        "contacts": took(lambda who: inquiry.contacts(who, window, rules), big + small),
        "contacts of the big site": took(lambda who: inquiry.contacts(who, window, rules), big),
        "contacts two months ago": took(lambda who: inquiry.contacts(who, old, rules), big),
        "roster": took(lambda _: inquiry.roster(site, noon), big[:5]),
        "headcount": took(lambda _: inquiry.headcount(site, noon), big[:5]),
        "trajectory": took(lambda who: inquiry.trajectory(who, window), big),
        "visitors of a canteen for a day": took(
            lambda _: inquiry.visitors(site, "canteen-0", Span(noon - DAY_MS, noon)), big[:3]
        ),
        "contacts as known a week ago": took(
            lambda who: Inquiry(database, now_ms - 7 * DAY_MS).contacts(who, window, rules), big
        ),
    }
    if arguments.second:
        told["second degree of four hours"] = took(
            lambda who: inquiry.second_degree(who, window, {}, close), small[:1]
        )
    first = inquiry.contacts(big[0], window, rules)
    roster = inquiry.roster(site, noon)
    sizes = {"contacts": len(first.contacts), "possible": len(first.possible), "present": len(roster.present),
             "bytes": len(as_json(first)), "complete": first.scope.complete}  # fmt: skip
    limits = LIMITS_MS[engine]
    kept = all(told[name]["median"] <= most for name, most in limits.items())
    say(
        {"engine": engine, "stays": stays, "answer": sizes, "ms": told, "limits_ms": limits, "kept": kept},
        f"{engine}: contacts {told['contacts']['median']:.0f} ms, roster {told['roster']['median']:.0f} ms",
    )
    return 0 if kept else 1


def took(question: Callable[[str], object], people: list[str]) -> dict[str, float]:
    """Median and maximum, ms; `first`: of the first one, before anything is in a cache. It is in the maximum."""
    times = []
    for person in people:
        begun = time.monotonic()
        question(person)
        times.append(1000 * (time.monotonic() - begun))
    return {name: round(ms, 1) for name, ms in (("median", median(times)), ("most", max(times)), ("first", times[0]))}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("server", help="A PostgreSQL server of its own; prints the address of a database.")
    filling = what.add_parser("fill")
    filling.add_argument("database")
    filling.add_argument("--stays", type=int, default=10_000_000)
    filling.add_argument("--people", type=int, default=PEOPLE, help="A quarter of them at one site.")
    filling.add_argument("--watched-days", type=int, default=16, help="All but stays is there of so many days.")
    filling.add_argument("--minutes", type=float, default=1e9, help="End early, behind a site; go on by another run.")
    asking = what.add_parser("ask")
    asking.add_argument("database")
    asking.add_argument("--second", action="store_true", help="Second degree too.")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
