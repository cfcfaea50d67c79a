"""The centre's web service: beside the consumer, bounded, in the clear on the loopback only."""

from __future__ import annotations

import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.errors import Misconfigured, Transient
from gateway.identity import certificates as x509
from traceability.api import server as api_server
from traceability.api.application import create_app
from traceability.api.papers import Papers
from traceability.api.server import Server
from traceability.authority import Authority
from traceability.database import Database, open_database
from traceability.front import open_front


@contextmanager
def served(papers: Papers | None = None) -> Iterator[str]:
    server = Server(create_app(health={"service": "hq"}), "127.0.0.1", 0, papers)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def fetched(url: str, data: bytes | None = None, context: ssl.SSLContext | None = None) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, data, timeout=10, context=context) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@dataclass
class Wish:
    """What the configuration may say."""

    authority: Path
    listen_host: str = "127.0.0.1"
    listen_port: int = 0
    must_listen: bool = True
    listens_in_private: bool = True
    listen_cert_file: Path | None = None
    listen_key_file: Path | None = None
    insecure: bool = False
    questions_key_file: Path | None = None

    @property
    def ledger(self) -> Database:
        return open_database(str(self.authority.parent / "ledger.sqlite"))


def test_it_says_that_it_is_up_and_describes_itself() -> None:
    with served() as url:
        assert fetched(f"{url}/healthz") == (200, {"status": "ok", "service": "hq"})
        assert "/healthz" in fetched(f"{url}/openapi.json")[1]["paths"]


def test_after_a_stop_the_port_is_free_again() -> None:
    with served() as url:
        port = int(url.rsplit(":", 1)[1])
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_request_that_is_too_large_is_refused_before_anybody_reads_it() -> None:
    with served() as url, suppress(urllib.error.URLError):
        assert fetched(f"{url}/healthz", bytes(200_000))[0] == 413


def test_with_a_certificate_it_speaks_tls_and_shows_it(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority", "punchgate/v1")
    with authority.changing("punchgate/v1"):
        authority.server("server", ("127.0.0.1",))
    papers = Papers(authority.folder / "server.pem", authority.folder / "server.key")
    with served(papers) as url:
        trusting = ssl.create_default_context(cadata=authority.ca.decode())
        assert fetched(f"{url}/healthz", context=trusting)[0] == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            fetched(f"{url}/healthz")


def shown(url: str) -> str:
    """The certificate of whoever answers there."""
    host, port = url.removeprefix("https://").split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_a_new_certificate_is_shown_while_it_serves_and_files_that_do_not_go_together_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_server, "LOOK_S", 0.05)
    authority = Authority.create(tmp_path / "authority", "punchgate/v1")

    def issue() -> tuple[str, str]:
        with authority.changing("punchgate/v1"):
            authority.server("server", ("127.0.0.1",))
        return papers.cert_file.read_text(), papers.key_file.read_text()

    papers = Papers(authority.folder / "server.pem", authority.folder / "server.key")
    first, _ = issue()
    trusting = ssl.create_default_context(cadata=authority.ca.decode())
    with served(papers) as url, structlog.testing.capture_logs() as said:
        assert shown(url) == first
        second, key = issue()
        eventually(lambda: shown(url) == second)
        for wrong in ("no key at all", key[: len(key) // 2], x509.key_pem(x509.new_key()).decode()):
            told = len(said)
            papers.key_file.write_text(wrong)
            eventually(lambda told=told: [row["event"] for row in said[told:]] == ["http.papers_refused"])
            assert shown(url) == second
        assert fetched(f"{url}/healthz", context=trusting)[0] == 200
        papers.key_file.unlink()
        third, _ = issue()
        eventually(lambda: shown(url) == third)
        assert fetched(f"{url}/healthz", context=trusting)[0] == 200


def eventually(holds: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_off_the_loopback_it_does_not_start_without_a_certificate_unless_told(tmp_path: Path) -> None:
    wish = Wish(tmp_path, listen_host="0.0.0.0", listens_in_private=False)
    with pytest.raises(Misconfigured, match="not the loopback"):
        open_front(wish, wish.ledger, {})
    wish.insecure = True
    front = open_front(wish, wish.ledger, {})
    assert front is not None
    front.stop()


def test_a_port_that_is_taken_matters_only_where_it_was_asked_for(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wish = Wish(tmp_path, listen_port=taken.getsockname()[1])
        with pytest.raises(Transient, match=str(wish.listen_port)):
            open_front(wish, wish.ledger, {})
        wish.must_listen = False
        assert open_front(wish, wish.ledger, {}) is None


def test_without_the_extra_the_centre_runs_but_not_if_the_api_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "traceability.api.application", None)
    wish = Wish(tmp_path, must_listen=False)
    assert open_front(wish, wish.ledger, {}) is None
    wish.must_listen = True
    with pytest.raises(Misconfigured, match=r"punchgate\[centre\]"):
        open_front(wish, wish.ledger, {})
