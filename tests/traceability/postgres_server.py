"""A PostgreSQL server of the tests' own: in a new folder, on a free port, as a user that is not root, fsync on."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

USER, PASSWORD = "punchgate", "correct horse"
START_S = 60.0


def binaries() -> Path | None:
    """The folder of the newest server here, where Debian puts it or on PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    return Path(found).parent if found else None


class PostgresServer:
    """Runs until `close`. Databases are made by `fresh`; `kill` and `start` are a crash and what follows it."""

    def __init__(self) -> None:
        folder = binaries()
        assert folder is not None
        self._bin = folder
        self._home = Path(tempfile.mkdtemp(prefix="punchgate-postgres-"))
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self._home, owner.pw_uid, owner.pw_gid)
            self._who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        self._data = self._home / "data"
        self._made: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None
        secret = self._home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "--no-sync", "--username", USER, "--auth", "scram-sha-256", "--pwfile", str(secret),
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--pgdata", str(self._data),
        )  # fmt: skip
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.start()

    def start(self, *settings: str) -> None:
        """Start it and wait until it answers; `settings` are `name=value`."""
        words = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._home}",
            *settings,
        ]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *(part for word in words for part in ("-c", word))],
                stdout=log,
                stderr=log,
                cwd=self._home,
                **self._who,
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.sql("SELECT 1")
                return
            except DBAPIError:
                assert time.monotonic() < deadline, (self._home / "log").read_text()
                time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut would end it: the postmaster, and with it all that work for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + START_S
        while _children_of(self._data) and time.monotonic() < deadline:
            for child in _children_of(self._data):
                os.kill(child, signal.SIGKILL)
            time.sleep(0.05)
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """At once; what was committed stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def fresh(self, name: str = "ledger") -> str:
        """An empty database, the same one for each name; returns its address with the password in it."""
        if name not in self._made:
            self.sql(f"CREATE DATABASE {name}")
            self._made.add(name)
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        self.sql("DROP SCHEMA public CASCADE", name)
        self.sql("CREATE SCHEMA public", name)
        return self.address(name)

    def address(self, database: str, user: str = USER, password: str | None = PASSWORD) -> str:
        secret = "" if password is None else f":{quote(password)}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement by itself; its rows, if it has any."""
        words = {"user": USER, "password": PASSWORD, "host": "127.0.0.1", "port": self.port, "database": database}
        engine = create_engine(
            "postgresql+pg8000://", connect_args=words, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._bin / program, *words], capture_output=True, text=True, cwd=self._home, check=False, **self._who
        )
        assert done.returncode == 0, done.stderr


def _children_of(data: Path) -> list[int]:
    """Processes that still work in this data directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == data:
                found.append(int(process.name))
        except OSError:
            continue
    return found
