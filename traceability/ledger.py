"""The ledger: every record once, and what can be said about it, in one transaction.

    with ledger.group(gateways) as group:    nothing of it counts until the block has ended
        group.take("hq", "edge-01", lines)   records, conflicts, refusals, losses, the chain
        group.take_all(messages)             the same of many messages, in as many statements as for one
        group.hear("hq", "edge-01", state)   what a gateway says about itself
        group.receipts(keys)                 what may be told, numbered from the same database

The ledger keeps all its state in the database and none in memory, so several centres on one database are right
together, and a centre may be killed at any instruction: what was committed is a repeat when it comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from traceability import evidence, expiry, intake, receipts, states
from traceability.database import Database
from traceability.database.portable import hold
from traceability.message import Message, read_message
from traceability.receipts import Receipt
from traceability.states import State
from traceability.streams import Alarm, Key, Tx


class Group:
    """What is committed together. `counts`: records by fate (new, repeated, conflicts, refused, nameless, …)."""

    def __init__(self, tx: Tx, service: str) -> None:
        self._tx = tx
        self._service = service

    @property
    def counts(self) -> Counter[str]:
        return self._tx.counts

    @property
    def alarms(self) -> Sequence[Alarm]:
        """To be raised after the commit, not before."""
        return self._tx.alarms

    def take(self, site: str, gateway: str, lines: Sequence[bytes]) -> set[Key]:
        """Take the lines of a message from this gateway's topic; returns the streams that want a receipt."""
        return self.take_all([read_message(site, gateway, lines)])

    def take_all(self, messages: Iterable[Message]) -> set[Key]:
        """Take messages as one after the other, only faster; returns the streams that want a receipt."""
        return intake.take(self._tx, messages)

    def hear(self, site: str, gateway: str, state: State, signed: bytes | None = None) -> Key | None:
        """Take note of a state message; returns the stream that wants a receipt.

        `signed`: the message itself, if this gateway's signature was checked; that is evidence and kept.
        """
        if signed is not None and state.epoch is not None:
            evidence.keep(self._tx, Key(site, gateway, state.epoch), state, signed)
        return states.hear(self._tx, site, gateway, state)

    def receipt(self, key: Key) -> Receipt:
        """The next receipt of a stream. To be sent after the commit, not before."""
        return self.receipts([key])[0]

    def receipts(self, keys: Sequence[Key]) -> list[Receipt]:
        """The next receipt of each of these streams."""
        return receipts.make(self._tx, keys, self._service) if keys else []


class Ledger:
    """The writing side of one database; belongs to one thread.

    `service` is the name in receipts; `now_ms` reads the wall clock (unix ms).
    """

    def __init__(self, database: Database, service: str, now_ms: Callable[[], int]) -> None:
        self.database = database
        self._service = service
        self._now_ms = now_ms

    @contextmanager
    def group(
        self, gateways: Iterable[tuple[str, str]], meanwhile: Callable[[], None] | None = None
    ) -> Iterator[Group]:
        """One transaction over what is of these gateways (site, gateway), and of no others.

        `meanwhile`: called now and then while a server takes lines in; it must not touch the ledger.
        Raises NotDurable if it could not be committed: then nothing of it happened.
        """
        with self.database.writing() as connection:
            hold(connection, gateways)
            yield Group(Tx(connection, self._now_ms(), meanwhile), self._service)

    def expire(self, keep_ms: int) -> int:
        """Empty one slice of bodies older than that; how many. Raises NotDurable."""
        with self.database.writing() as connection:
            return expiry.expire(Tx(connection, self._now_ms()), keep_ms)

    def open(self) -> str:
        """Make or open it; returns the ledger's id. Raises NotDurable."""
        with self.database.writing() as connection:
            return states.ledger_id(Tx(connection, self._now_ms()))

    def close(self) -> None:
        """Checkpoint and close."""
        self.database.close()
