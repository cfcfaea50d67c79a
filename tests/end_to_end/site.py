"""A whole site on this machine, as a customer would set it up: files, ports, processes; nothing of it is imported.

What is measured is what the contract lets everybody see: the commands' output, the topics, the log. Waiting is always
for something to become so, never for a time to pass, and long enough for a machine that is busy with other things.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warm import Forked, can_fork, warm

from gateway.simulation import frames
from gateway.simulation.pty import Pty
from gateway.status import ask

PUNCHGATE = str(Path(sys.executable).with_name("punchgate"))
KEY = bytes.fromhex("00112233445566778899aabbccddeeff" * 2)
WITHIN_S = 60.0
POLL_S = 0.02


def eventually(holds: Callable[[], Any], what: str = "it", within_s: float = WITHIN_S) -> Any:
    """Wait until it holds; returns what it returned."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if answer := holds():
                return answer
        except (OSError, LookupError):
            pass
        assert time.monotonic() < deadline, f"{what} did not come to pass within {within_s} s"
        time.sleep(POLL_S)


def punchgate(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run one command to its end."""
    words = list(map(str, arguments))
    if env is None and can_fork():
        return warm().run(words)
    return subprocess.run(
        [PUNCHGATE, *words], capture_output=True, timeout=120, check=False, env={**os.environ, **(env or {})}
    )


class Process:
    """A punchgate that keeps running; what it says on stderr goes to a file."""

    def __init__(self, log: Path, *arguments: object, wrapper: Sequence[str] = (), forked: bool = False) -> None:
        """`wrapper`: a program and its options that run it, under the same process number. `forked`: see warm.py."""
        self.log = log
        self.begun = time.monotonic()
        self._since = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            words = list(map(str, arguments))
            if forked and not wrapper and can_fork():
                self.popen: subprocess.Popen[bytes] | Forked = warm().start(words, output, output)
            else:
                command = [*wrapper, PUNCHGATE, *words]
                self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.pid = self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    def said(self, event: str = "") -> list[dict[str, Any]]:
        """The log lines of this run, of one event or all."""
        with self.log.open("rb") as log:
            log.seek(self._since)
            rows = [
                json.loads(row)
                for row in log.read().splitlines(keepends=True)
                if row[:1] == b"{" and row[-1:] == b"\n"
            ]
        return [row for row in rows if event in ("", row["event"])]

    def text(self) -> str:
        return self.log.read_bytes()[self._since :].decode()

    def wait_for(self, event: str, within_s: float = WITHIN_S) -> dict[str, Any]:
        """The first log line of that event."""

        def said() -> list[dict[str, Any]]:
            found = self.said(event)
            assert found or self.running, f"ended with {self.popen.returncode}:\n{self.text()}"
            return found

        return eventually(said, event, within_s)[0]

    def kill(self) -> None:
        """As a power cut would end it."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, within_s: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(within_s)

    def rss_mib(self) -> float:
        """Memory in RAM now."""
        rows = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("VmRSS")) / 1024


@dataclass
class Reader:
    """A reader on a pseudo-terminal: what was presented to it, and when (unix time in s)."""

    name: str
    port: Pty
    presented: list[tuple[str, float]] = field(default_factory=list)

    def swipe(self, card: str) -> float:
        """Present a card; the line must take the frame. Returns the time of its last byte."""
        assert self.port.write(frames.rdm6300(card)), f"{self.name} does not take frames"
        self.presented.append((card, time.time()))
        return self.presented[-1][1]


class Site:
    """One gateway, its ports and centres in a folder. `uplink`, `gateway` … are TOML values by key."""

    forked = False
    """Whether daemon and centre are forked of an interpreter that has imported all, and are up at once."""

    def __init__(self, folder: Path, url: str, prefix: str = "punchgate/v1", name: str = "edge-01") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.url, self.prefix, self.name = folder, url, prefix, name
        self.file = folder / "punchgate.toml"
        self.state_dir = folder / "state"
        self.tables: dict[str, dict[str, Any]] = {
            "gateway": {"site": "hq", "id": name, "state_dir": "state"},
            "uplink": {"url": url, "prefix": prefix},
            "privacy": {"key_file": "organisation.key"},
        }
        self.lanes: list[str] = []
        self.ports: list[str] = []
        self.readers: list[Reader] = []
        self.daemon: Process | None = None
        self.processes: list[Process] = []
        self._lines: dict[str, Pty] = {}
        (folder / "organisation.key").write_text(KEY.hex() + "\n")
        (folder / "organisation.key").chmod(0o600)

    # --- what hangs on it

    def lane(self, lane: str, **values: Any) -> None:
        words = {"id": lane, "portal": "lobby", "from_zone": "outside", "to_zone": "lobby"} | values
        self.lanes.append(_table("[[lanes]]", words))

    def device(
        self, name: str, lane: str, driver: str = "em4100", url: str | None = None, **values: Any
    ) -> Pty | None:
        """A device on a port of its own: a new pty, or the URL given."""
        port = None
        if url is None:
            port = self._lines[name] = Pty(self.folder / f"tty-{name}")
            url = str(port.path)
        words = {"id": name, "driver": driver, "lane": lane} | values
        self.ports.append(_table("[[ports]]", {"url": url, "baud": 9600}) + _table("[[ports.devices]]", words))
        return port

    def reader(self, name: str, lane: str | None = None, **values: Any) -> Reader:
        """An em4100 reader; without a lane on one of its own that has no sensor."""
        if lane is None:
            lane = f"{name}-lane"
            self.lane(lane)
        port = self.device(name, lane, **{"side": "in"} | values)
        assert port is not None
        self.readers.append(Reader(name, port))
        return self.readers[-1]

    def write(self) -> Path:
        """The configuration as it stands."""
        tables = "".join(_table(f"[{name}]", values) for name, values in self.tables.items())
        self.file.write_text(tables + "".join(self.lanes) + "".join(self.ports))
        return self.file

    # --- the daemon

    def start(self, *, ready: bool = True, wrapper: Sequence[str] = ()) -> Process:
        """`punchgate run`, with the configuration as it stands now."""
        words = ("run", "-c", self.write())
        self.daemon = Process(self.folder / "daemon.log", *words, wrapper=wrapper, forked=self.forked)
        self.processes.append(self.daemon)
        if ready:
            self.daemon.wait_for("gateway.ready")
        return self.daemon

    def status(self) -> dict[str, Any]:
        """What `punchgate status --json` prints, without the price of a new process."""
        try:
            return ask(self.state_dir)
        except Exception as error:
            raise LookupError("no daemon answers") from error

    def device_status(self, name: str) -> dict[str, Any]:
        return next(device for device in self.status()["devices"] if device["device"] == name)

    def wait_up(self, *names: str) -> None:
        """Until these devices (all, if none is named) are being listened to."""
        wanted = names or [device["device"] for device in eventually(self.status)["devices"]]
        eventually(lambda: all(self.device_status(name)["status"] == "up" for name in wanted), "ports up")

    def wait_connected(self, within_s: float = WITHIN_S) -> None:
        eventually(lambda: self.status()["uplink"]["connected"], "connection to the broker", within_s)

    def wait_settled(self, within_s: float = WITHIN_S, newest: int = 1) -> int:
        """Until everything that is in the journal, `newest` records at least, is settled; the newest number."""

        def settled() -> int:
            status = self.status()
            return int(status["newest"]) if status["settled"] == status["newest"] >= newest else 0

        return eventually(settled, f"settling all ({self.folder.name})", within_s)  # type: ignore[no-any-return]

    def wait_reason(self, *words: str, within_s: float = WITHIN_S) -> str:
        """The uplink's reason, as soon as it holds all these words."""

        def reason() -> str | None:
            said = self.status()["uplink"]["reason"] or ""
            return said if all(word.lower() in said.lower() for word in words) else None

        try:
            return str(eventually(reason, within_s=within_s))
        except AssertionError:
            raise AssertionError(f"{words} not in {self.status()['uplink']['reason']!r}") from None

    def wait_captured(self, reader: Reader, card: str) -> dict[str, Any]:
        """Swipe, and wait until the journal has grown by it; returns the status."""
        before = self.status()["newest"]
        reader.swipe(card)
        eventually(lambda: self.status()["newest"] > before, "capturing")
        return self.status()

    # --- the centre

    def centre(self, name: str = "centre", **values: Any) -> Process:
        """`punchgate centre run` on the ledger of this site, connected."""
        file = self.centre_file(name, **values)
        process = Process(self.folder / f"{name}.log", "centre", "run", "-c", file, forked=self.forked)
        self.processes.append(process)
        process.wait_for("broker.connected")
        return process

    def centre_file(self, name: str = "centre", **values: Any) -> Path:
        file = self.folder / f"{name}.toml"
        words = {"url": self.url, "prefix": self.prefix, "database": "ledger.sqlite", "state_dir": f"{name}-state"}
        file.write_text(_table("[centre]", words | values))
        return file

    def export(self) -> list[bytes]:
        """The lines of `punchgate centre export`."""
        done = punchgate("centre", "export", "-c", self.folder / "centre.toml")
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.splitlines()

    def events(self) -> list[dict[str, Any]]:
        """The exported records, parsed."""
        return [json.loads(line) for line in self.export()]

    def times(self) -> list[dict[str, Any]]:
        """What `punchgate centre times --json` prints."""
        done = punchgate("centre", "times", "--json", "-c", self.folder / "centre.toml")
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(row) for row in done.stdout.splitlines()]

    def coverage(self) -> dict[str, Any]:
        return dict(json.loads(punchgate("centre", "coverage", "--json", "-c", self.folder / "centre.toml").stdout))

    def verify(self) -> dict[str, Any]:
        """`punchgate journal verify`, which must be content."""
        done = punchgate("journal", "verify", "--json", "-c", self.file)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return dict(json.loads(done.stdout))

    def clear(self) -> None:
        for process in self.processes:
            if process.running:
                process.kill()
        for port in self._lines.values():
            port.close()


def cards(count: int, start: int = 0) -> list[str]:
    """Distinct card numbers; leading zeros belong to them."""
    return [f"0C{start + number:08X}" for number in range(count)]


def _table(head: str, values: Mapping[str, Any]) -> str:
    return "\n".join([head, *(f"{key} = {_toml(value)}" for key, value in values.items())]) + "\n\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(str(key))} = {_toml(it)}" for key, it in value.items()) + " }"
    return json.dumps(str(value) if isinstance(value, Path) else value)
