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
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import bindparam, select, update

from gateway.errors import Rejected
from traceability import beats, chain, spans
from traceability.database import Connection, tables
from traceability.database.portable import hold_ledger, put
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
    beats.note(tx, site, gateway, online=state.status == "online", epoch=state.epoch, newest=state.newest)
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
    return last_tail(tx.connection, key)


def last_tail(connection: Connection, key: Key) -> spans.Tail | None:
    """The same, asked of any connection."""
    row = connection.execute(_TAIL, asdict(key)).one_or_none()
    return None if row is None else spans.Tail(*row)


# --- ledger ids


def ledger_id(tx: Tx) -> str:
    """The id of this database, minted when there is none yet."""
    return last_id(tx.connection) or mint(tx, "created", None)


def last_id(connection: Connection) -> str | None:
    """The id in force; None before the first."""
    return connection.scalar(_LAST_ID)


def mint(tx: Tx, cause: str, instead_of: str | None) -> str:
    """A new random ledger id, 16 hex digits, in force from this transaction on; or the one another centre has minted
    `instead_of` the same meanwhile.
    """
    hold_ledger(tx.connection)
    present = last_id(tx.connection)
    if present is not None and present != instead_of:
        return present
    fresh = secrets.token_hex(8)
    tx.connection.execute(tables.ledger.insert(), {"id": fresh, "minted_ms": tx.now_ms, "cause": cause})
    return fresh


# --- one state message


def _say(tx: Tx, site: str, gateway: str, status: str) -> None:
    """A status without an epoch: what was known otherwise stays."""
    row = {"site": site, "gateway": gateway, "status": status, "at_ms": tx.now_ms}
    put(tx.connection, tables.gateways, [row])


def _remember(tx: Tx, key: Key, state: State, top: int) -> None:
    """Keep the state. A tail that was missing already keeps the time it has been missing since."""
    tail = tail_of(tx, key)
    pending = tail is not None and tail.newest > top
    row = {
        "site": key.site,
        "gateway": key.gateway,
        "status": state.status,
        "epoch": key.epoch,
        "oldest": state.oldest,
        "newest": state.newest,
        "newest_ms": tail.since_ms if tail and pending else tx.now_ms,
        "settled": state.settled,
        "head": state.head,
        "at_ms": tx.now_ms,
    }
    put(tx.connection, tables.gateways, [row])


def _compare_settled(tx: Tx, key: Key, stream: int, state: State) -> None:
    settled, through = state.settled or 0, spans.through(tx.connection, stream)
    told, behind = tx.connection.execute(_TOLD, {"of": stream}).one()
    if settled <= through:
        if behind is not None:
            tx.connection.execute(_SET_BEHIND, {"of": stream, "now_behind": None})
        return
    own = ledger_id(tx)
    caught_up = behind is None or through >= behind
    if caught_up and told == own and state.ledger in (None, own):
        fresh = mint(tx, f"restored: {key} had settled {settled}, {through} are here", own)
        tx.alarm("ledger.restored", key, settled=settled, through=through, ledger=fresh, before=own)
    tx.connection.execute(_SET_BEHIND, {"of": stream, "now_behind": max(settled, behind or 0)})


_GATEWAYS, _STREAMS, _LEDGER = tables.gateways.c, tables.streams.c, tables.ledger.c
_SAID = (_GATEWAYS.site == bindparam("site")) & (_GATEWAYS.gateway == bindparam("gateway"))
_TAIL = select(_GATEWAYS.newest, _GATEWAYS.newest_ms).where(
    _SAID, _GATEWAYS.epoch == bindparam("epoch"), _GATEWAYS.newest.is_not(None)
)
_LAST_ID = select(_LEDGER.id).order_by(_LEDGER.rowid.desc()).limit(1)
_TOLD = select(_STREAMS.told, _STREAMS.behind).where(_STREAMS.id == bindparam("of"))
_SET_BEHIND = update(tables.streams).where(_STREAMS.id == bindparam("of")).values(behind=bindparam("now_behind"))
