"""A site set up as the pages say: their openssl commands, their mosquitto.conf, their ACL, signed receipts."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs_pages import DOCS, Command, block, read, steps

from gateway.errors import Unavailable
from gateway.simulation import frames
from gateway.simulation.pty import Pty
from gateway.status import ask

PUNCHGATE = str(Path(sys.executable).with_name("punchgate"))
SECURITY, OPERATIONS = DOCS / "security.md", DOCS / "operations.md"
CARDS = ("0C000621A5", "0C00077F01", "0C0009D2C4")
WITHIN_S = 60.0
REST_TOML = """
centre_key_file = "centre-signing.pub"

[gateway]
site = "hq"
id = "edge-01"
state_dir = "state"

[privacy]
key_file = "organisation.key"

[[lanes]]
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"

[[ports]]
url = "{port}"

  [[ports.devices]]
  id = "lane-1-in"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"
"""
CENTRE_TOML = """
key_file = "centre-signing.pem"
state_dir = "centre-state"
"""


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait until it holds; returns what it returned."""
    deadline = time.monotonic() + WITHIN_S
    while not (answer := holds()):
        assert time.monotonic() < deadline, f"{what} did not come to pass"
        time.sleep(0.02)
    return answer


class GuidedSite:
    """Broker, centre and gateway in one folder, as a reader of the pages would have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._follow_the_pages()
        self.line = Pty(folder / "reader")
        self._write_configuration()

    def start(self) -> None:
        """Everything, in the order of the pages; returns when the gateway is connected."""
        self._spawn("mosquitto", shutil.which("mosquitto") or "mosquitto", "-c", "mosquitto.conf")
        self._spawn("centre", PUNCHGATE, "centre", "run", "-c", "centre.toml")
        self.gateway = self._spawn("gateway", PUNCHGATE, "run", "-c", "punchgate.toml")
        eventually(lambda: self.status().get("uplink", {}).get("connected"), f"a session: {self.logs()}")
        eventually(lambda: self.status()["devices"][0]["status"] == "up", "a port")

    def swipe(self, card: str) -> None:
        """Present a card and wait until all that came of it is settled."""
        before = self.status()["newest"]
        assert self.line.write(frames.rdm6300(card))
        eventually(lambda: self.status()["newest"] >= before + 2, "a punch")
        eventually(lambda: self.status()["settled"] == self.status()["newest"], f"settling: {self.logs()}")

    def status(self) -> dict[str, Any]:
        """What `punchgate status --json` prints, without the price of a new process."""
        try:
            return ask(self.folder / "state")
        except Unavailable:
            return {}

    def punchgate(self, *arguments: str) -> str:
        """What a command prints."""
        command = [PUNCHGATE, *arguments, "-c", "punchgate.toml"]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False).stdout

    def reload(self) -> None:
        self.gateway.send_signal(signal.SIGHUP)
        eventually(lambda: '"config.applied"' in self.logs(), "a reload")

    def unplug(self) -> None:
        self.line.unplug()
        eventually(lambda: self.status()["devices"][0]["status"] == "down", "an unplugged reader")

    def stop_gateway(self) -> int:
        """Once all is settled, so that the farewell finds a connection."""
        eventually(lambda: self.status()["settled"] == self.status()["newest"], f"settling: {self.logs()}")
        self.gateway.terminate()
        return self.gateway.wait(WITHIN_S)

    def records(self) -> list[dict[str, Any]]:
        """What the centre has."""
        command = [PUNCHGATE, "centre", "export", "-c", "centre.toml"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def logs(self) -> str:
        return "\n".join(log.read_text("utf-8", "replace") for log in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.line.close()

    def _follow_the_pages(self) -> None:
        path = f"{Path(PUNCHGATE).parent}{os.pathsep}{os.environ['PATH']}"
        for step in steps(read(SECURITY)):
            if isinstance(step, Command):
                command, environment = ["bash", "-euc", step.text], {**os.environ, "PATH": path}
                subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, check=True)
            else:
                (self.folder / step.name).write_text(step.text)

    def _write_configuration(self) -> None:
        broker = block(read(OPERATIONS), "mosquitto.conf")
        for place in ("/etc/mosquitto/certs/", "/etc/mosquitto/", "/var/lib/mosquitto/"):
            broker = broker.replace(place, f"{self.folder}/")
        user = "user root\n" if os.geteuid() == 0 else ""
        (self.folder / "mosquitto.conf").write_text(broker.replace("8883", f"{self.port} 127.0.0.1") + user)
        self._write("punchgate.toml", "tls-gateway.toml", REST_TOML.format(port=self.line.path))
        self._write("centre.toml", "tls-centre.toml", CENTRE_TOML)

    def _write(self, name: str, example: str, rest: str) -> None:
        text = block(read(SECURITY), example).replace("broker.example:8883", f"localhost:{self.port}")
        (self.folder / name).write_text(text.rstrip("\n") + rest)

    def _spawn(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        return process


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
