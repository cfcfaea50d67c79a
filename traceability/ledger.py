"""The ledger: every record once, and what can be said about it, in one transaction.

    with ledger.group() as group:            nothing of it counts until the block has ended
        group.take("hq", "edge-01", lines)   records, conflicts, refusals, losses, the chain
        group.hear("hq", "edge-01", state)   what a gateway says about itself
        group.receipt(key)                   what may be told, numbered from the same database

The ledger keeps all its state in the database and none in memory, so several centres on one database are right
together, and a centre may be killed at any instruction: what was committed is a repeat when it comes again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from traceability import evidence, expiry, intake, migration, receipts, states
from traceability.database import Database
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
        return intake.take(self._tx, site, gateway, lines)

    def hear(self, site: str, gateway: str, state: State, signed: bytes | None = None) -> Key | None:
        """Take note of a state message; returns the stream that wants a receipt.

        `signed`: the message itself, if this gateway's signature was checked; that is evidence and kept.
        """
        if signed is not None and state.epoch is not None:
            evidence.keep(self._tx, Key(site, gateway, state.epoch), state, signed)
        return states.hear(self._tx, site, gateway, state)

    def receipt(self, key: Key) -> Receipt:
        """The next receipt of a stream. To be sent after the commit, not before."""
        return receipts.make(self._tx, key, self._service)


class Ledger:
    """The writing side of one database file; belongs to one thread.

    `service` is the name in receipts; `now_ms` reads the wall clock (unix ms).
    """

    def __init__(self, path: Path, service: str, now_ms: Callable[[], int]) -> None:
        self._database = Database(path, migration.bring_forward)
        self._service = service
        self._now_ms = now_ms

    @contextmanager
    def group(self) -> Iterator[Group]:
        """One transaction. Raises NotDurable if it could not be committed: then nothing of it happened."""
        with self._database.writing() as connection:
            yield Group(Tx(connection, self._now_ms()), self._service)

    def expire(self, keep_ms: int) -> int:
        """Empty one slice of bodies older than that; how many. Raises NotDurable."""
        with self._database.writing() as connection:
            return expiry.expire(Tx(connection, self._now_ms()), keep_ms)

    def open(self) -> str:
        """Make or open the file; returns the ledger's id. Raises NotDurable."""
        with self._database.writing() as connection:
            return states.ledger_id(Tx(connection, self._now_ms()))

    @property
    def copied(self) -> Path | None:
        """The copy of a ledger of an earlier version that was brought forward; None: there was no need."""
        return self._database.copied

    def close(self) -> None:
        """Checkpoint and close."""
        self._database.close()
