"""What a gateway says about itself, and how a centre finds out that it is a restored backup.

A gateway settles only what a receipt covered, and receipts are made after the commit. So a gateway that has settled
more than is here proves that this database is older than its last receipt: it was restored. The centre then mints a
new ledger id; gateways un-settle what is above `through` when they see it and send that again.

Once is enough. The stream remembers how far `behind` it was, and no further id is minted for it until it has caught
up or the gateway has come down to our `through`. A stream that has not been told the present id yet is not evidence
either: its next receipt will tell it.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import Rejected
from traceability import chain, spans
from traceability.streams import MAX_SEQ, Key, Tx, stream_of

MAX_STATE_BYTES = 64 * 1024

Seq = Annotated[int, Field(strict=True, ge=0, le=MAX_SEQ)]


class State(BaseModel):
    """The part of a state message the centre uses. A will may carry nothing but `status`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    status: Literal["online", "offline"]
    epoch: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")
    oldest: Seq | None = None
    newest: Seq | None = None
    settled: Seq | None = None
    head: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    settle: str | None = None
    ledger: str | None = Field(default=None, max_length=64)


def read_state(payload: bytes) -> State:
    """Parse a state message. Raises Rejected with the first thing that is wrong."""
    if len(payload) > MAX_STATE_BYTES:
        raise Rejected(f"state of {len(payload)} bytes")
    try:
        return State.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "message"
        raise Rejected(f"state: {where}: {first['msg']}") from error


def hear(tx: Tx, site: str, gateway: str, state: State) -> Key | None:
    """Remember a state; returns the stream it is about when the gateway is there to be answered."""
    if state.epoch is None:
        _say(tx, site, gateway, state.status)
        return None
    key = Key(site, gateway, state.epoch)
    stream = stream_of(tx, key)
    _remember(tx, key, state, spans.top(tx.connection, stream))
    if state.newest and state.head:
        held = chain.hash_at(tx, stream, state.newest)
        chain.compare(tx, key, stream, state.newest + 1, held=held, named=state.head)
    if state.settled is not None and state.settle != "puback":
        _compare_settled(tx, key, stream, state)
    return key if state.status == "online" else None


def tail_of(tx: Tx, key: Key) -> spans.Tail | None:
    """What the gateway last said it has in this epoch; None if it was never heard or is in another one."""
    row = tx.connection.execute(
        "SELECT newest, newest_ms FROM gateways WHERE site = ? AND gateway = ? AND epoch = ?",
        (key.site, key.gateway, key.epoch),
    ).fetchone()
    return spans.Tail(*row) if row and row[0] is not None else None


def may_listen(tx: Tx, key: Key) -> bool:
    """False if the gateway is known to be offline or in another epoch, where nothing will fill a hole."""
    row = tx.connection.execute(
        "SELECT status, epoch FROM gateways WHERE site = ? AND gateway = ?", (key.site, key.gateway)
    ).fetchone()
    return row is None or (row[0] == "online" and row[1] in (None, key.epoch))


# --- ledger ids


def ledger_id(tx: Tx) -> str:
    """The id of this database, minted when there is none yet."""
    row = tx.connection.execute("SELECT id FROM ledger ORDER BY rowid DESC LIMIT 1").fetchone()
    return row[0] if row else mint(tx, "created")


def mint(tx: Tx, cause: str) -> str:
    """A new random ledger id, 16 hex digits, in force from this transaction on."""
    fresh = secrets.token_hex(8)
    tx.connection.execute("INSERT INTO ledger VALUES (?, ?, ?)", (fresh, tx.now_ms, cause))
    return fresh


# --- one state message


def _say(tx: Tx, site: str, gateway: str, status: str) -> None:
    """A status without an epoch: what was known otherwise stays."""
    tx.connection.execute(
        "INSERT INTO gateways (site, gateway, status, at_ms) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET status = excluded.status, at_ms = excluded.at_ms",
        (site, gateway, status, tx.now_ms),
    )


def _remember(tx: Tx, key: Key, state: State, top: int) -> None:
    """Keep the state. A tail that was missing already keeps the time it has been missing since."""
    tail = tail_of(tx, key)
    pending = tail is not None and tail.newest > top
    row = (
        key.site, key.gateway, state.status, key.epoch, state.oldest, state.newest,
        tail.since_ms if tail and pending else tx.now_ms, state.settled, state.head, tx.now_ms,
    )  # fmt: skip
    tx.connection.execute("INSERT OR REPLACE INTO gateways VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _compare_settled(tx: Tx, key: Key, stream: int, state: State) -> None:
    settled, through = state.settled or 0, spans.through(tx.connection, stream)
    query = "SELECT told, behind FROM streams WHERE id = ?"
    told, behind = tx.connection.execute(query, (stream,)).fetchone()
    if settled <= through:
        if behind is not None:
            tx.connection.execute("UPDATE streams SET behind = NULL WHERE id = ?", (stream,))
        return
    own = ledger_id(tx)
    caught_up = behind is None or through >= behind
    if caught_up and told == own and state.ledger in (None, own):
        fresh = mint(tx, f"restored: {key} had settled {settled}, {through} are here")
        tx.alarm("ledger.restored", key, settled=settled, through=through, ledger=fresh, before=own)
    tx.connection.execute("UPDATE streams SET behind = ? WHERE id = ?", (max(settled, behind or 0), stream))
