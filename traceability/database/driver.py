"""pg8000's connection, made for who says the same few statements again and again.

pg8000 looks at each character of a statement each time, and waits for the server three times in each. Here a
statement is looked at and prepared once for each connection, and then costs one round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pg8000.converters import make_params
from pg8000.dbapi import Connection, Cursor, convert_paramstyle

MAX_PREPARED = 200
"""Statements beyond it are said as pg8000 says them."""

Prepared = tuple[str, bytes, Any, Any]
"""Its text, its name at the server, and what the server says of its columns and how they are read."""


class PreparingConnection(Connection):  # type: ignore[misc]
    """A connection whose cursors prepare statements."""

    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._prepared: dict[object, Prepared] = {}

    def cursor(self) -> PreparingCursor:
        """A cursor of its own."""
        return PreparingCursor(self)

    def prepared(self, operation: str, args: Sequence[object], oids: Sequence[int]) -> Prepared | None:
        """A statement with these types of parameters, prepared if need be; None: there are too many already."""
        name = (operation, len(args), tuple(oids))
        found = self._prepared.get(name)
        if found is None and len(self._prepared) < MAX_PREPARED:
            statement, _ = convert_paramstyle("format", operation, args)
            found = self._prepared[name] = (statement, *self.prepare_statement(statement, oids))
        return found


class PreparingCursor(Cursor):  # type: ignore[misc]
    """Runs statements with parameters as prepared ones; others, and COPY, as they are."""

    _input_oids: Sequence[int]
    input_types: Sequence[object]

    def execute(self, operation: str, args: Sequence[object] = (), stream: Any = None) -> None:
        """Run a statement."""
        connection = self._c
        if not args or stream is not None or not isinstance(connection, PreparingConnection):
            super().execute(operation, args, stream)
            return
        if not connection.autocommit and not connection._in_transaction:
            connection.execute_simple("begin transaction")
        prepared = connection.prepared(operation, args, self._input_oids)
        if prepared is None:
            super().execute(operation, args)
            return
        statement, name, columns, input_funcs = prepared
        self._context = connection.execute_named(
            name, make_params(connection.py_types, args), columns, input_funcs, statement
        )
        self._row_iter = None if self._context.rows is None else iter(self._context.rows)
        self._input_oids, self.input_types = (), []
