"""A web server in a thread of its own, beside the consumer: it can neither stop it nor be waited for by it."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import structlog
import uvicorn

from gateway.errors import Misconfigured, Transient
from traceability.api.papers import InForce, Papers

if TYPE_CHECKING:
    from fastapi import FastAPI

START_S = 20.0
STOP_S = 3
LOOK_S = 5.0
MAX_CONNECTIONS = 256


class Server:
    """Serves an application on one address until `stop`."""

    def __init__(self, app: FastAPI, host: str, port: int, papers: Papers | None) -> None:
        """Bind the port (0: any). Raises Transient if it is taken, Misconfigured for what only a person can mend."""
        self._socket = _bound(host, port)
        name, number = self._socket.getsockname()[:2]
        self.url = f"{'http' if papers is None else 'https'}://{f'[{name}]' if ':' in name else name}:{number}"
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=STOP_S,
            ssl_certfile=str(papers.cert_file) if papers else None,
            ssl_keyfile=str(papers.key_file) if papers else None,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            self._socket.close()
            files = "" if papers is None else f"{papers.cert_file}, {papers.key_file}: "
            remedy = "check centre.listen_cert_file and listen_key_file"
            raise Misconfigured(f"TLS: {files}{error.strerror or error}", remedy=remedy) from error
        self._told = threading.Event()
        in_force = None if papers is None or config.ssl is None else InForce(papers, config.ssl)
        self._server = _Telling(config, self._told, in_force)
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    def start(self) -> None:
        """Serve. Raises Transient if it does not come up. What the program consists of by then is never garbage: a
        question that makes many objects is not held up by looking through all of it."""
        _speak_our_language()
        self._thread.start()
        self._told.wait(START_S)
        if not self._server.started:
            raise Transient(f"{self.url}: the web server did not start", remedy="see the log")
        gc.freeze()

    def stop(self) -> None:
        """Finish what is being answered, within a few seconds."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_S + 1)
        self._socket.close()

    def _serve(self) -> None:
        try:
            with closing(self._socket):
                self._server.run(sockets=[self._socket])
        finally:
            self._told.set()


class _Telling(uvicorn.Server):
    """Tells when it has started, so that nobody has to ask again and again; looks after its papers."""

    def __init__(self, config: uvicorn.Config, told: threading.Event, papers: InForce | None) -> None:
        super().__init__(config)
        self._told = told
        self._papers = papers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn.Server."""
        await super().startup(sockets)
        self._told.set()
        self._look()

    def _look(self) -> None:
        """Now and every few seconds, on the loop that serves."""
        if self._papers is not None:
            self._papers.look()
            asyncio.get_running_loop().call_later(LOOK_S, self._look)


class _Retold(logging.Handler):
    """What the web server says, as an event of our log: no traceback, since its lines may quote a secret."""

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        words = record.getMessage().splitlines()[0][:200]
        structlog.get_logger("traceability").warning("http.trouble", reason=words, error=kind)


def _speak_our_language() -> None:
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [_Retold(level=logging.WARNING)]


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        remedy = "free the port, or set centre.listen to another"
        raise Transient(f"centre.listen: {host}:{port}: {error.strerror or error}", remedy=remedy) from error
