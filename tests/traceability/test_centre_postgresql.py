"""What only a server does: it goes away in the middle, it refuses, several centres write to it at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from centre_bench import Bench, Wall, eventually
from centre_lines import EPOCH, chain
from postgres_server import PASSWORD, PostgresServer
from sqlalchemy import text

from gateway.errors import Misconfigured, NotDurable, Unavailable
from traceability import coverage, export
from traceability.database import driver, open_database
from traceability.database.address import read_address
from traceability.ledger import Ledger
from traceability.streams import Key
from traceability.whereabouts.arrivals import IN_FLIGHT_MS
from traceability.whereabouts.deriver import Deriver
from traceability.whereabouts.progress import behind

pytestmark = pytest.mark.needs("postgres")

SITE = ("hq", "edge-01")
KEY = Key(*SITE, EPOCH)
HELD = 4_000


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """One that may be killed."""
    server = PostgresServer()
    yield server
    server.close()


def stored(ledger: Ledger) -> list[bytes]:
    return [line for lines in export.slices(ledger.database, export.Wanted()) for line in lines]


def put_in(ledger: Ledger, lines: list[bytes], batch: int = 20) -> list[int]:
    """Take lines as a consumer does, again and again until they are committed; the numbers of the receipts."""
    numbers, deadline = [], time.monotonic() + 90
    for start in range(0, len(lines), batch):
        while True:
            try:
                with ledger.group([SITE]) as group:
                    group.take(*SITE, lines[start : start + batch])
                    number = group.receipt(KEY).message["receipt"]
            except NotDurable:
                assert time.monotonic() < deadline, "the server did not come back"
                time.sleep(0.05)
            else:
                assert isinstance(number, int)
                numbers.append(number)
                break
    return numbers


# --- what goes away


def test_a_server_that_is_killed_again_and_again_loses_nothing_that_was_committed(
    own_server: PostgresServer, wall: Wall
) -> None:
    ledger, lines = Ledger(open_database(own_server.fresh()), "centre-1", wall), chain(2000)
    ledger.open()
    writer = threading.Thread(target=put_in, args=(ledger, lines), daemon=True)
    writer.start()
    for _ in range(3):
        time.sleep(random.uniform(0.05, 0.4))
        own_server.kill()
        own_server.start()
    writer.join(90)
    assert not writer.is_alive()
    assert stored(ledger) == lines
    (stream,) = coverage.survey(ledger.database, 0).streams
    assert (stream.through, stream.held, stream.is_finding) == (2000, 2000, False)
    ledger.close()


def test_a_connection_that_is_cut_is_not_durable_and_the_next_group_gets_another(
    postgres: PostgresServer, wall: Wall
) -> None:
    ledger, lines = Ledger(open_database(postgres.fresh()), "centre-1", wall), chain(4)
    put_in(ledger, lines[:2])

    def cut() -> None:
        with ledger.group([SITE]) as group:
            group.take(*SITE, lines)
            postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'ledger'")

    with pytest.raises(NotDurable, match="centre tries again"):
        cut()
    assert stored(ledger) == lines[:2]
    put_in(ledger, lines)
    assert stored(ledger) == lines
    ledger.close()


# --- beside each other


def test_two_centres_that_get_the_same_lines_write_them_once_and_their_receipts_rise(
    postgres: PostgresServer, wall: Wall
) -> None:
    place, lines = postgres.fresh(), chain(600)
    ledgers = [Ledger(open_database(place), name, wall) for name in ("centre-1", "centre-2")]
    numbers: list[list[int]] = [[], []]

    def work(which: int) -> None:
        numbers[which] = put_in(ledgers[which], lines)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert stored(ledgers[0]) == lines
    assert all(told == sorted(set(told)) for told in numbers)
    assert sorted(numbers[0] + numbers[1]) == list(range(1, 61))
    (stream,) = coverage.survey(ledgers[0].database, 0).streams
    assert (stream.through, stream.held, stream.conflicts, stream.breaks) == (600, 600, [], [])
    for ledger in ledgers:
        ledger.close()


@pytest.mark.parametrize(("most", "prepared"), [(200, 1), (0, 0)])
def test_a_statement_is_prepared_once_and_too_many_are_said_as_they_are(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, most: int, prepared: int
) -> None:
    database = open_database(postgres.fresh())
    with database.writing():
        pass
    database.close()
    monkeypatch.setattr(driver, "MAX_PREPARED", most)
    with database.writing() as connection:
        asked = text("SELECT CAST(:n AS bigint) + 1")
        assert [connection.scalar(asked, {"n": n}) for n in (1, 2, None, 2**40)] == [2, 3, None, 2**40 + 1]
        named = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%bigint) + 1'"
        assert connection.exec_driver_sql(named).scalar() == prepared
    with pytest.raises(NotDurable), database.writing() as connection:
        connection.execute(asked, {"n": "no number"})
    with database.writing() as connection:
        assert connection.scalar(asked, {"n": 5}) == 6
    database.close()


def test_who_writes_of_one_gateway_does_not_keep_others_from_writing_of_another(
    postgres: PostgresServer, wall: Wall
) -> None:
    place = postgres.fresh()
    one, other = (Ledger(open_database(place), name, wall) for name in ("centre-1", "centre-2"))
    one.open()
    with one.group([SITE]) as group:
        group.take(*SITE, chain(3))
        with other.group([("hq", "edge-02")]) as beside:
            beside.take("hq", "edge-02", chain(2, gateway="edge-02"))
    assert len(stored(one)) == 5
    one.close()
    other.close()


@pytest.mark.needs("mosquitto")
def test_two_centres_on_one_subscription_killed_at_random_end_as_one_that_was_not(
    bench: Bench, postgres: PostgresServer
) -> None:
    bench.database = postgres.fresh()
    lines, gateway = chain(3000), bench.gateway()
    centres = {name: bench.centre(name) for name in ("a", "b")}
    gateway.say(newest=3000)
    for start in range(0, 3000, 100):
        gateway.send(lines[start : start + 100], "replay")
        if start % 600 == 500:
            name = random.choice("ab")
            centres[name].kill()
            centres[name] = bench.centre(name)
    again = list(range(0, 3000, 100))

    def is_whole() -> bool:
        time.sleep(0.3)
        for start in again:
            gateway.send(lines[start : start + 100], "replay")
        return bench.stored() == lines

    eventually(is_whole, 60)
    told = eventually(lambda: next((it for it in gateway.receipts if it.through == 3000), None))
    assert not told.missing
    (stream,) = bench.coverage().streams
    assert (stream.held, stream.is_finding) == (3000, False)


# --- what is refused


def test_what_the_server_refuses_is_said_with_what_mends_it_and_never_the_password(postgres: PostgresServer) -> None:
    postgres.fresh()
    address = postgres.address("ledger")
    port = f":{postgres.port}/"
    for wrong, error, words in (
        (postgres.address("ledger", password="no"), Misconfigured, "the password is wrong.*database_password_file"),
        (postgres.address("ledger", password=None), Misconfigured, "password.*database_password_file"),
        (postgres.address("nowhere"), Misconfigured, "no such database.*createdb"),
        (address.replace(port, ":1/"), NotDurable, "refused.*is the server running"),
    ):
        with pytest.raises(error, match=words) as told:
            Ledger(open_database(wrong), "centre-1", Wall()).open()
        assert PASSWORD not in str(told.value)
        assert "correct" not in str(told.value)


def test_a_server_that_does_not_sync_and_a_database_of_another_encoding_are_refused(
    own_server: PostgresServer,
) -> None:
    own_server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(Misconfigured, match=r"encoding is LATIN1.*createdb --template=template0 --encoding=UTF8"):
        Ledger(open_database(own_server.address("latin")), "centre-1", Wall()).open()
    place = own_server.fresh()
    own_server.stop()
    own_server.start("fsync=off")
    with pytest.raises(Misconfigured, match="fsync is off"):
        Ledger(open_database(place), "centre-1", Wall()).open()


def test_a_database_without_a_ledger_of_another_program_or_of_a_later_version_says_so(
    postgres: PostgresServer, wall: Wall
) -> None:
    database = open_database(postgres.fresh())
    with pytest.raises(Unavailable, match="the ledger is empty"):
        coverage.survey(database, 0)
    Ledger(database, "centre-1", wall).open()
    database.close()
    postgres.sql("UPDATE alembic_version SET version_num = '99'", "ledger")
    for ask in (lambda: coverage.survey(database, 0), lambda: Ledger(database, "centre-1", wall).open()):
        with pytest.raises(NotDurable, match="written by a newer punchgate"):
            ask()
    postgres.sql("UPDATE alembic_version SET version_num = 'cafe'", "ledger")
    with pytest.raises(NotDurable, match="another program"):
        coverage.survey(database, 0)


@pytest.mark.parametrize("counted", [True, False], ids=["tables known to the server", "tables not yet known to it"])
def test_a_message_takes_no_longer_the_more_the_ledger_holds(
    postgres: PostgresServer, wall: Wall, counted: bool
) -> None:
    """Neither it nor the turn that takes it into account reads any table from one end to the other."""
    place, lines = postgres.fresh(), chain(HELD + 60)
    filling = open_database(place)
    ledger, deriver = Ledger(filling, "centre-1", wall), Deriver(filling, wall)
    ledger.open()
    put_in(ledger, lines[:HELD], 2000)
    while deriver.turn():
        pass
    wall.ms += 2 * IN_FLIGHT_MS
    put_in(ledger, lines[HELD : HELD + 20], 20)
    assert deriver.turn()
    if counted:
        with filling.writing() as connection:
            connection.execute(text("ANALYZE"))
    filling.close()
    before = read_whole(place)
    database = open_database(place)
    ledger, deriver = Ledger(database, "centre-1", wall), Deriver(database, wall)
    put_in(ledger, lines[HELD + 20 :], 20)
    assert deriver.turn()
    database.close()
    rows = {table: count - before[table] for table, count in read_whole(place).items()}
    assert {table: count for table, count in rows.items() if count > HELD} == {}


def test_a_record_committed_late_is_taken_into_account_however_late(postgres: PostgresServer, wall: Wall) -> None:
    """Two centres write; one has the numbers of its rows first, and commits long after the other."""
    place = postgres.fresh()
    slow, quick = (Ledger(open_database(place), f"centre-{number}", wall) for number in (1, 2))
    deriver = Deriver(open_database(place), wall)
    quick.open()
    others = chain(30, gateway="edge-02")
    with slow.group([SITE]) as group:
        group.take(*SITE, chain(5))
        for first in range(0, 30, 10):
            with quick.group([("hq", "edge-02")]) as beside:
                beside.take("hq", "edge-02", others[first : first + 10])
            assert deriver.turn().records == 10
            wall.ms += 2 * IN_FLIGHT_MS
        assert not deriver.turn()
        assert not deriver.is_behind()
    assert deriver.is_behind()
    assert deriver.turn().records == 5
    assert not deriver.is_behind()
    wall.ms += 2 * IN_FLIGHT_MS
    with quick.group([SITE]) as group:
        group.take(*SITE, chain(6)[5:])
    assert deriver.turn().records == 1
    with slow.database.reading() as connection:
        assert (connection.scalar(text("SELECT upto FROM derived")), behind(connection)) == (36, 0)
    for database in (slow, quick):
        database.close()


def test_what_was_never_committed_holds_nothing_up_for_long(postgres: PostgresServer, wall: Wall) -> None:
    place = postgres.fresh()
    ledger, deriver = Ledger(open_database(place), "centre-1", wall), Deriver(open_database(place), wall)
    ledger.open()
    with suppress(LookupError), ledger.group([SITE]) as group:
        group.take(*SITE, chain(5))
        raise LookupError
    for seq in range(1, 4):
        put_in(ledger, chain(seq)[-1:])
        assert deriver.turn().records == 1
        wall.ms += IN_FLIGHT_MS
    with ledger.database.reading() as connection:
        assert connection.scalar(text("SELECT upto FROM derived")) == 8
    ledger.close()


def read_whole(place: str) -> dict[str, int]:
    """How many rows of each table were read from one end on."""
    database = open_database(place)
    with database.reading() as connection:
        rows = connection.execute(text("SELECT relname, seq_tup_read FROM pg_stat_user_tables")).all()
    database.close()
    return dict(map(tuple, rows))


def test_a_question_cannot_change_anything(postgres: PostgresServer, wall: Wall) -> None:
    database = open_database(postgres.fresh())
    Ledger(database, "centre-1", wall).open()
    with pytest.raises(NotDurable, match="read-only"), database.reading() as connection:
        connection.execute(text("DELETE FROM ledger"))
    database.close()


# --- addresses


@pytest.mark.parametrize(
    ("setting", "shown"),
    [
        ("postgresql://me:hunter2@db.example/led", "postgresql://me@db.example/led"),
        ("postgres://me:h%40x@[::1]:5433/led", "postgresql://me@[::1]:5433/led"),
        ("postgresql://me@/led?host=/run/postgresql", "postgresql://me@/led?host=/run/postgresql"),
    ],
)
def test_an_address_is_shown_without_its_password(setting: str, shown: str) -> None:
    assert str(read_address(setting)) == shown
    assert "hunter2" not in repr(read_address(setting))


def test_the_way_to_another_machine_is_encrypted_and_checked_unless_told_otherwise() -> None:
    assert read_address("postgresql://me@db.example/led").mode == "verify-full"
    assert read_address("postgresql://me@127.0.0.1/led").mode == "disable"
    assert read_address("postgresql://me@db.example/led?sslmode=require").mode == "require"


@pytest.mark.parametrize(
    "setting",
    [
        "postgresql://db.example/hunter2",
        "postgresql://me:hunter2@db.example",
        "postgresql://me:hunter2@db:port/led",
        "postgresql://me:hunter2@db/led?sslmode=maybe",
        "postgresql://me:hunter2@db/led?pool=3",
        "mysql://me:hunter2@db/led",
    ],
)
def test_an_address_that_makes_no_sense_is_refused_without_repeating_it(setting: str) -> None:
    with pytest.raises(Misconfigured) as refusal:
        open_database(setting)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.exit_code == 78


def test_the_password_comes_from_a_file(tmp_path: Path, postgres: PostgresServer) -> None:
    postgres.fresh()
    Ledger(open_database(postgres.address("ledger", password=None), PASSWORD), "centre-1", Wall()).open()
