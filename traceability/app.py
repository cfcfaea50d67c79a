"""The centre, put together: broker -> subscription -> consumer -> ledger, and receipts back.

All state is in the database; the state directory holds only this process's name at the broker. Start does not wait
for the broker: a centre that is up and says so is easier to find than one that is restarted for ever.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

import structlog

from config import ConfigError, exposure, read_password, read_secret
from gateway.errors import Misconfigured
from gateway.wire import Topics
from traceability.consumer import Consumer
from traceability.front import Settings as FrontSettings
from traceability.front import open_front
from traceability.identity import Identity, claim
from traceability.ledger import Ledger
from traceability.own import own_database
from traceability.sign import GatewayKeys, Signer, signer, unsigned
from traceability.subscription import Broker, Inbox, Subscription
from traceability.whereabouts.keeper import Keeper

DAY_MS = 86_400_000


class Settings(FrontSettings, Protocol):
    """What the centre needs to be told; `config.CentreSettings.centre` is one."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def tls(self) -> bool: ...
    @property
    def share(self) -> str: ...
    @property
    def id(self) -> str | None: ...
    @property
    def database(self) -> str: ...
    @property
    def database_password_file(self) -> Path | None: ...
    @property
    def state_dir(self) -> Path: ...
    @property
    def username(self) -> str | None: ...
    @property
    def password_file(self) -> Path | None: ...
    @property
    def ca_file(self) -> Path | None: ...
    @property
    def cert_file(self) -> Path | None: ...
    @property
    def tls_key_file(self) -> Path | None: ...
    @property
    def keep_days(self) -> int: ...
    @property
    def gateway_keys(self) -> Path | None: ...


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the secret files hold; None where none is named."""

    password: str | None = field(repr=False)
    signing_key: bytes | None = field(repr=False)


def run(settings: Settings) -> None:
    """Run the centre until SIGTERM or SIGINT. Raises Misconfigured or NotDurable when it cannot start."""
    log = structlog.get_logger("traceability")
    database, secrets = own_database(settings), _secrets(settings)
    sign = own_signer(settings)
    identity = claim(settings.state_dir)
    broker = _broker(settings, identity, secrets.password)
    service = settings.id or identity.service
    inbox: Inbox = SimpleQueue()
    ledger = Ledger(database, service, unix_ms)
    link = Subscription(broker, Topics(settings.prefix), settings.share, inbox)
    keys = GatewayKeys(settings.gateway_keys)
    consumer = Consumer(ledger, link, inbox, settings.prefix, sign, keys, settings.keep_days * DAY_MS)
    ledger_id = ledger.open()
    if database.copied is not None:
        log.warning("ledger.migrated", copy=str(database.copied))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    keeper = Keeper(own_database(settings), unix_ms)
    keeper.start()
    front = open_front(settings, own_database(settings), {"service": service, "ledger": ledger_id})
    link.start()
    for warning in [*_exposed(settings), *keys.flaws()]:
        log.warning("config.warning", reason=warning)
    log.info("centre.started", service=service, ledger=ledger_id, database=database.name, client_id=broker.client_id)
    notify("READY=1")
    try:
        consumer.run()
    finally:
        notify("STOPPING=1")
        if front is not None:
            front.stop()
        link.stop()
        keeper.stop()
        ledger.close()
    log.info("centre.stopped", service=service)


def own_signer(settings: Settings) -> Signer:
    """What signs for this centre. Raises Misconfigured if its key cannot be used."""
    key = _secrets(settings).signing_key
    return unsigned if key is None else signer(key)


def unix_ms() -> int:
    """Wall clock, ms since 1970."""
    return time.time_ns() // 1_000_000


def notify(words: str) -> None:
    """Tell systemd, if it wants to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        sender.send(words.encode())


def _secrets(settings: Settings) -> Secrets:
    password, key = settings.password_file, settings.key_file
    try:
        return Secrets(
            password=read_password(password, key="centre.password_file") if password else None,
            signing_key=read_secret(key, key="centre.key_file") if key else None,
        )
    except ConfigError as error:
        raise Misconfigured(str(error)) from error


def _exposed(settings: Settings) -> list[str]:
    """The secret files that others can get at, each with what mends it; they are used all the same."""
    files = (
        ("centre.password_file", settings.password_file),
        ("centre.database_password_file", settings.database_password_file),
        ("centre.key_file", settings.key_file),
        ("centre.tls_key_file", settings.tls_key_file),
        ("centre.questions_key_file", settings.questions_key_file),
    )
    found = [exposure(path, key=key) for key, path in files if path is not None]
    return [str(finding) for finding in found if finding is not None]


def _broker(settings: Settings, identity: Identity, password: str | None) -> Broker:
    return Broker(
        host=settings.host,
        port=settings.port,
        client_id=identity.client_id,
        username=settings.username,
        password=password,
        tls=_tls(settings) if settings.tls else None,
    )


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.tls_key_file)
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(str(file) for file in (settings.ca_file, settings.cert_file, settings.tls_key_file) if file)
        raise Misconfigured(
            f"TLS: {files}: {error.strerror or error}",
            remedy="check centre.ca_file, cert_file and tls_key_file: PEM files the centre's user can read",
        ) from error
    return context


def visitor(settings: Settings) -> Broker:
    """The broker for somebody who comes for a moment, beside the service, under a client id of his own."""
    someone = Identity(f"visit-{os.urandom(8).hex()}", 0, -1)
    return _broker(settings, someone, _secrets(settings).password)
