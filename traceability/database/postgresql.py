"""A ledger on a PostgreSQL server: several centres, on as many machines, write beside each other.

Who writes of a gateway holds its lock until the commit (`portable.hold`), so receipts rise and nobody else inserts
under the same names meanwhile; of different gateways all write at once. Nothing is believed that the server could
take back: `synchronous_commit` is set for every connection, and a server without `fsync` is refused.

After any error the connection is thrown away. Where it is lost in the middle of a commit nobody knows whether it
happened; the caller was told NotDurable, comes again with the same, and that is a repeat then.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from gateway.errors import Misconfigured, NotDurable, PunchgateError, Unavailable
from traceability.database import trouble
from traceability.database.address import Address
from traceability.database.base import VERSION, Connection, Database
from traceability.database.driver import PreparingConnection

CONNECT_S = 10.0
SILENCE_S = 60.0
"""After so long without an answer a writing connection is given up: the server may have lost its power."""
LOCK_MS = 20_000
IDLE_MS = 30_000
"""A centre that stands still in the middle of a transaction holds its gateways no longer than this."""
BY_INDEX = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "work_mem": "32MB",
}
"""What is `given` (see `portable`) is looked up row by row in an index, as SQLite does. The server cannot know how
few rows that are, nor how short the stretches are, and would read whole tables instead: each message would take
longer the more the ledger holds; the more so in the first minute of a table, of which it knows nothing yet. And it
would collect all of a stretch to sort it, where the first row of it in the order of the index is wanted. Not so where
whole tables are compared, in temporary ones without statistics.
"""
MIGRATING = 0x70676C68
"""The lock of who makes or changes the tables."""


class PostgresServer(Database):
    """A ledger on a server."""

    def __init__(self, address: Address, password: str | None) -> None:
        self._address = address
        self._password = password or address.password
        self._writer = self._engine(
            SILENCE_S, lock_timeout=f"{LOCK_MS}", idle_in_transaction_session_timeout=f"{IDLE_MS}", **BY_INDEX
        )
        self._reader = self._engine(None, default_transaction_read_only="on", **BY_INDEX)
        self._connection: Connection | None = None
        self._was_open = False

    @property
    def name(self) -> str:
        """Its address, without the password."""
        return str(self._address)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, beside those of others."""
        with self._told(is_start=not self._was_open):
            connection = self._open()
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                self.close()
                raise

    @contextmanager
    def reading(self, *, at_once: bool = False) -> Iterator[Connection]:
        """A connection that is read-only."""
        isolation = "REPEATABLE READ" if at_once else "AUTOCOMMIT"
        engine = self._reader.execution_options(isolation_level=isolation)
        with self._told(is_start=True), engine.connect() as connection:
            _check(_version(connection), self.name)
            yield connection

    @contextmanager
    def sketching(self) -> Iterator[Connection]:
        """A connection for temporary tables."""
        with self._told(is_start=True), self._engine(None).connect() as connection:
            _check(_version(connection), self.name)
            connection.commit()
            yield connection

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(DBAPIError, OSError):
                connection.invalidate()
                connection.close()

    @contextmanager
    def _told(self, *, is_start: bool) -> Iterator[None]:
        """What goes wrong inside, in words; once it has run, what a person must mend is waited for."""
        try:
            yield
        except (DBAPIError, OSError) as error:
            told = trouble.of_driver(error, self._address)
            raise (told if is_start else _waited_for(told)) from error
        except Misconfigured as error:
            raise (error if is_start else _waited_for(error)) from error

    def _open(self) -> Connection:
        if self._connection is None:
            connection = self._writer.connect()
            try:
                _examine(connection, self.name)
                self._prepare()
            except BaseException:
                connection.close()
                raise
            self._connection, self._was_open = connection, True
        return self._connection

    def _prepare(self) -> None:
        """Bring the tables forward, if they are not ours yet; however long that takes."""
        with self._engine(None).begin() as connection:
            version = _version(connection)
            if version == VERSION:
                return
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATING})
            version = _version(connection)
            if version > VERSION:
                raise NotDurable(
                    f"{self.name}: written by a newer punchgate (schema {version}, this one knows {VERSION})",
                    remedy="install that version again; it is left untouched",
                )
            if version < VERSION:
                from traceability.migration import bring_forward

                bring_forward(connection, version)

    def _engine(self, silence_s: float | None, **settings: str) -> Engine:
        """Without a pool: what is closed is closed. Values are kept out of what errors say."""
        address = self._address
        wanted: dict[str, Any] = {
            "user": address.user,
            "password": self._password or "",
            "database": address.database,
            "application_name": "punchgate",
            "timeout": silence_s,
            "startup_params": {
                "synchronous_commit": "on",
                "plan_cache_mode": "force_custom_plan",
                **settings,
            },
            "ssl_context": address.tls(),
        }
        wanted |= {"unix_sock": address.socket} if address.socket else {"host": address.host}
        engine = create_engine(
            "postgresql+pg8000://",
            connect_args=wanted,
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="READ COMMITTED",
        )

        def connect(_dialect: object, _record: object, _words: object, named: dict[str, Any]) -> PreparingConnection:
            sock = None if address.socket else _connect(address, silence_s)
            return PreparingConnection(**named, sock=sock)

        event.listen(engine, "do_connect", connect)
        return engine


def _connect(address: Address, silence_s: float | None) -> socket.socket:
    """A connection that sends at once: the driver writes in small pieces, and each would wait for the one before."""
    made = socket.create_connection((address.host, address.port), CONNECT_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.settimeout(silence_s)
    return made


def _examine(connection: Connection, name: str) -> None:
    """Whether the server keeps what it says it keeps. Raises Misconfigured, NotDurable."""
    wanted = ("fsync", "synchronous_commit", "server_encoding")
    row = connection.execute(text(f"SELECT {', '.join(f'current_setting($${word}$$)' for word in wanted)}")).one()
    connection.rollback()
    found = dict(zip(wanted, row, strict=True))
    if found["fsync"] != "on":
        raise Misconfigured(
            f"{name}: fsync is off on this server: what it says it has kept may be gone after a power cut",
            remedy="set fsync = on in postgresql.conf, and restart it",
        )
    if found["synchronous_commit"] == "off":
        raise Misconfigured(f"{name}: synchronous_commit is off", remedy="do not set it for the centre's user")
    if found["server_encoding"] != "UTF8":
        raise Misconfigured(
            f"{name}: the database's encoding is {found['server_encoding']}",
            remedy="make one with createdb --template=template0 --encoding=UTF8, and name that",
        )


def _version(connection: Connection) -> int:
    """Of our tables; 0 where there are none. Raises NotDurable for tables of another program."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return 0
    try:
        return int(connection.scalar(text("SELECT version_num FROM alembic_version")) or 0)
    except ValueError:
        raise NotDurable("the database holds tables of another program", remedy="name another database") from None


def _check(version: int, name: str) -> None:
    if version == 0:
        raise Unavailable(f"{name}: the ledger is empty", remedy="has `punchgate centre run` been started once?")
    if version < VERSION:
        raise Unavailable(
            f"{name}: written by an earlier punchgate (schema {version}, this one reads {VERSION})",
            remedy="start `punchgate centre run` of this version: it brings the ledger forward",
        )
    if version > VERSION:
        raise NotDurable(
            f"{name}: written by a newer punchgate (schema {version}, this one knows {VERSION})",
            remedy="install that version again; it is left untouched",
        )


def _waited_for(told: PunchgateError) -> NotDurable:
    return NotDurable(told.message, remedy=told.remedy)
