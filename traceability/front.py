"""The centre's HTTP service as the configuration asks for it: what is served there, and under which certificate.

On the loopback it speaks plain HTTP unless a certificate is named. Elsewhere it speaks TLS with the certificate that
is named, or with server.pem of the authority's folder. Where `listen` is not set, the default address is tried, and
what hinders is a warning; where it is set, the centre does not start without it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from config import ConfigError, read_password, read_secret
from gateway.errors import Misconfigured, PunchgateError

if TYPE_CHECKING:
    from fastapi import APIRouter

    from traceability.api.server import Server
    from traceability.database import Database

CENTRE_EXTRA = "pip install 'punchgate[centre]'"


class Settings(Protocol):
    """What has to be told; `config.CentreSettings.centre` is one."""

    @property
    def listen_host(self) -> str: ...
    @property
    def listen_port(self) -> int: ...
    @property
    def must_listen(self) -> bool: ...
    @property
    def listens_in_private(self) -> bool: ...
    @property
    def listen_cert_file(self) -> Path | None: ...
    @property
    def listen_key_file(self) -> Path | None: ...
    @property
    def insecure(self) -> bool: ...
    @property
    def authority(self) -> Path: ...
    @property
    def gateways_url(self) -> str | None: ...
    @property
    def url(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def key_file(self) -> Path | None: ...
    @property
    def questions_key_file(self) -> Path | None: ...


def open_front(settings: Settings, database: Database, health: Mapping[str, str]) -> Server | None:
    """The running server; None where none was asked for and none can be had. Raises PunchgateError."""
    try:
        return _open(settings, database, health)
    except PunchgateError as error:
        if settings.must_listen:
            raise
        structlog.get_logger("traceability").warning("http.off", reason=str(error))
        return None


def _open(settings: Settings, database: Database, health: Mapping[str, str]) -> Server:
    try:
        from traceability.api.application import create_app
        from traceability.api.papers import Papers
        from traceability.api.server import Server
    except ImportError as error:
        raise Misconfigured("centre.listen needs the extra `centre`", remedy=CENTRE_EXTRA) from error
    files = _papers(settings)
    app = create_app([*_questions(settings, database), *_enrolment(settings)], health)
    server = Server(app, settings.listen_host, settings.listen_port, Papers(*files) if files else None)
    server.start()
    structlog.get_logger("traceability").info("http.started", url=server.url)
    return server


def _questions(settings: Settings, database: Database) -> list[APIRouter]:
    """The questions of the service: to whom shows the key, or to this machine alone."""
    file = settings.questions_key_file
    if file is None and not settings.listens_in_private:
        log = structlog.get_logger("traceability")
        log.warning("http.no_questions", remedy="set centre.questions_key_file: an answer tells who was where")
        return []
    from traceability.api.questions import questions

    try:
        key = None if file is None else read_password(file, key="centre.questions_key_file")
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
    return [questions(database, key)]


def _enrolment(settings: Settings) -> list[APIRouter]:
    """Enrolment, where there is an authority."""
    if not (settings.authority / "ca.key").exists():
        return []
    from gateway.identity.certificates import public_pem
    from traceability.api.enrolment import enrolment
    from traceability.api.patience import Patience
    from traceability.authority.desk import Desk, Terms

    file = settings.key_file
    try:
        key = "" if file is None else public_pem(read_secret(file, key="centre.key_file")).decode()
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
    terms = Terms(settings.authority, settings.gateways_url or settings.url, settings.prefix, key)
    return [enrolment(Desk(terms), Patience(time.monotonic))]


def _papers(settings: Settings) -> tuple[Path, Path] | None:
    if settings.listen_cert_file is not None and settings.listen_key_file is not None:
        return settings.listen_cert_file, settings.listen_key_file
    if settings.listens_in_private:
        return None
    cert, key = settings.authority / "server.pem", settings.authority / "server.key"
    if cert.exists() and key.exists():
        return cert, key
    if settings.insecure:
        return None
    raise Misconfigured(
        f"centre.listen: {settings.listen_host} is not the loopback, and there is no certificate in {cert}",
        remedy="punchgate centre authority server NAME, or set listen_cert_file and listen_key_file; "
        "insecure = true allows plain HTTP, which all can read on the way",
    )
