"""Can the broker be reached, does it let us in, and what has the centre left there?

The visit is made under another client id (`{site}.{id}.check`), so that it does not throw the daemon out. TCP and TLS
are tried first with a time limit: the MQTT client itself waits much longer for a broker that says nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from config import ConfigError, read_password
from gateway import assembly
from gateway.check.case import Case
from gateway.check.certificates import NO_UPLINK, dates
from gateway.check.finding import Finding
from gateway.check.patience import PATIENCE_S, ask_all
from gateway.errors import Misconfigured, Rejected, Transient
from gateway.uplink import Link
from gateway.uplink.connection import Connection
from gateway.uplink.remedies import FAILURE_FROM, NO_SUBSCRIBER, said_by_broker, said_by_network
from gateway.uplink.x509 import parse
from gateway.wire import Receipt, read_receipt

LISTEN_S = 1.0


@dataclass(slots=True)
class Visit:
    """What was heard; the ConnectionListener of the visit."""

    done: asyncio.Event = field(default_factory=asyncio.Event)
    code: int | None = None
    retained: bytes | None = None

    def acknowledged(self, mid: int, code: int) -> None:
        """See ConnectionListener: a refused subscription, or the answer to our message."""
        self.code = code
        self.done.set()

    def message(self, topic: str, payload: bytes, *, retained: bool) -> None:
        """See ConnectionListener: the receipt the broker keeps for this gateway."""
        self.retained = payload
        self.done.set()


def broker(case: Case) -> Iterator[Finding]:
    """Name, port, TLS, login; then the receipt kept there, or whether it says that nobody listens."""
    link = assembly.link(case.settings)
    if not _files_are_fit(link, case):
        yield Finding("note", "broker: not asked", "its credentials cannot be used, see above", "mend them first")
        return
    (reached,) = ask_all([lambda: _reach(link)], PATIENCE_S)
    if isinstance(reached, Exception):
        yield _unreachable(case, *said_by_network(reached, clock_is_wrong=case.clock_is_wrong()))
        return
    if reached:
        yield dates("broker's certificate", parse(reached), case)
    try:
        visit = asyncio.run(_visit(replace(link, client_id=f"{link.client_id}.check"), case))
    except Transient as error:
        yield _unreachable(case, error.message, error.remedy)
        return
    yield Finding("ok", f"broker: {case.settings.uplink.url} lets this gateway in")
    yield from _receipt(visit, case) if case.settings.uplink.settle == "receipt" else _puback(visit)


def _files_are_fit(link: Link, case: Case) -> bool:
    """Whether keys.py and certificates.py have nothing against the files a connection needs."""
    password_file = case.settings.uplink.password_file
    try:
        if password_file is not None:
            read_password(password_file)
        if link.tls:
            link.tls_context()
    except (ConfigError, OSError):
        return False
    return True


def _reach(link: Link) -> bytes:
    """TCP, and with TLS a handshake: the broker's certificate in DER, b"" without TLS."""
    with socket.create_connection((link.host, link.port), timeout=PATIENCE_S) as stream:
        if not link.tls:
            return b""
        with link.tls_context().wrap_socket(stream, server_hostname=link.host) as secured:
            return secured.getpeercert(binary_form=True) or b""


async def _visit(link: Link, case: Case) -> Visit:
    visit, topics = Visit(), assembly.topics(case.settings)
    will = (topics.of("check"), b"")
    connection = Connection(link, will, visit)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await connection.open(clock_is_wrong=case.clock_is_wrong())
        if case.settings.uplink.settle == "receipt":
            connection.subscribe(topics.of("receipt"))
        else:
            connection.publish(topics.of("check"), b"{}")
        heard = asyncio.create_task(visit.done.wait())
        either: set[asyncio.Future[Any]] = {heard, connection.lost}
        await asyncio.wait(either, timeout=LISTEN_S, return_when=asyncio.FIRST_COMPLETED)
        heard.cancel()
        if connection.lost.done():
            raise Transient(connection.lost.result(), remedy="look into the broker's log")
    except TimeoutError as error:
        text, remedy = said_by_network(error, clock_is_wrong=False)
        raise Transient(text, remedy=remedy) from error
    finally:
        connection.close()
    return visit


def _unreachable(case: Case, text: str, remedy: str) -> Finding:
    if case.daemon is not None and case.daemon["uplink"]["connected"]:
        why = "the running daemon is connected, but a second visit failed: perhaps only its client id is let in"
        return Finding("warning", f"broker: {text}", why, remedy)
    return Finding("finding", f"broker: {text}", NO_UPLINK, remedy)


def _receipt(visit: Visit, case: Case) -> Iterator[Finding]:
    if visit.code is not None and visit.code >= FAILURE_FROM:
        text, remedy = said_by_broker(visit.code)
        yield Finding("finding", f"receipts: {text}", "without receipts no record is ever settled", remedy)
    elif visit.retained is not None:
        yield _judged(visit.retained, case)
    elif case.past is None or case.past.ledger is None:
        yield Finding(
            "note" if case.past is None else "warning",
            "receipts: none has ever come to this gateway",
            "records stay on this box until the centre has said that it holds them",
            'start the centre on this broker, compare prefix; without a centre set uplink.settle = "puback"',
        )
    else:
        yield Finding("ok", f"receipts: have come from ledger {case.past.ledger}")


def _judged(payload: bytes, case: Case) -> Finding:
    try:
        if key := assembly.centre_key(case.settings):
            key.check(payload)
        receipt: Receipt = read_receipt(payload)
    except Misconfigured:
        return Finding("note", "receipts: one is there", "whether the centre signed it cannot be told, see above")
    except Rejected as refusal:
        why = "the daemon does not believe such receipts, so nothing is settled"
        return Finding(
            "finding", f"receipts: {refusal.message}", why, "compare centre_key_file with the centre's key_file"
        )
    return Finding(
        "ok", f"receipts: the last is of {receipt.time or 'an unknown time'}, from {receipt.service or 'the centre'}"
    )


def _puback(visit: Visit) -> Iterator[Finding]:
    if visit.code is None or visit.code >= FAILURE_FROM or visit.code == NO_SUBSCRIBER:
        return
    yield Finding(
        "warning",
        "broker: took a message that nobody should have subscribed to, and did not say so",
        'with settle = "puback" its word settles a record: if it never says that nobody listens, that proves nothing',
        'use a broker that answers 0x10, such as mosquitto, or settle = "receipt" with a centre',
    )
