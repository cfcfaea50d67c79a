"""A site to break: gateway, centre, broker and the networks between them, all real processes of this machine.

The stage is also the supervisor: as systemd would, it starts a gateway or a centre again that has ended by itself.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from end_to_end.ear import Ear
from end_to_end.site import Process, Site

from gateway.simulation.broker import HOST, Broker, Make, mosquitto
from gateway.simulation.wire import IN_HAND_S, Wire

from .plan import Plan
from .proxy import Proxy

READERS = 3
TMPFS_MIB = 24
PASS_TIMEOUT_S = 0.6
RESTART_S = 0.2
EXIT_BUG = 70
TRACED_HAND_S = 0.5
"""In place of IN_HAND_S where strace runs the gateway: a commit of a burst has been seen to take 0.35 s then."""


class Still:
    """When a process stood still last: what it had in its hand then, it has still if it is killed soon afterwards."""

    def __init__(self) -> None:
        self._since = self._until = 0.0

    def signal(self, number: signal.Signals, at: float) -> None:
        if number == signal.SIGSTOP:
            self._since, self._until = at, math.inf
        elif number == signal.SIGCONT:
            self._until = at

    def worked_until(self, killed_at: float) -> float:
        """When it would have been killed had it not stood still just before."""
        worked_s = max(0.0, killed_at - self._until)
        return killed_at if worked_s >= IN_HAND_S else self._since + worked_s


class Death:
    """When a child died: whoever looks for it may be busy elsewhere, and comes late."""

    def __init__(self, pid: int = 0) -> None:
        self._at = 0.0
        self._watch = threading.Thread(target=self._wait, args=(pid,), daemon=True)
        self._watch.start()

    def at(self) -> float:
        """Unix time, s; waits for it."""
        self._watch.join()
        return self._at

    def _wait(self, pid: int) -> None:
        """The child stays for others to bury; if one of them was faster, it has just died."""
        with contextlib.suppress(ChildProcessError):
            if pid:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._at = time.time()


class Stage:
    """Everything of one episode in one folder."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder, self.plan = folder, plan
        self.broker = Broker(_make(plan.queue), folder)
        self.broker.start()
        self.links = {name: Proxy(self.broker.port) for name in ("gateway_link", "centre_link")}
        self.site = Site(folder / "site", self._url("gateway_link"))
        self._gate()
        self.readers = [self._wire(f"reader-{number}") for number in range(READERS)]
        self.wires = [*self.readers, self.gate, self.arm]
        self.exits: list[tuple[str, int]] = []
        self.kills = 0
        self.is_traced = False
        self.lies: set[bytes] = set()
        self.gateway: Process | None = None
        self.centre: Process | None = None
        self._wanted = {"gateway": False, "centre": False}
        self._death = Death()
        self._lay_ground()
        self._centre_file = self._settings()
        self.ear = Ear(HOST, self.broker.port, self.site.prefix, "receipt")

    def open(self) -> None:
        """Everything runs, is connected and listens."""
        self.ear.__enter__()
        self.start_centre()
        self.start_gateway()
        self.site.wait_connected()
        self.site.wait_up()

    def close(self) -> None:
        """Nothing of it stays."""
        self._wanted = {"gateway": False, "centre": False}
        self.ear.__exit__()
        self.site.clear()
        for link in self.links.values():
            link.close()
        self.broker.kill()
        if self.plan.tmpfs:
            subprocess.run(["umount", "--lazy", self.site.state_dir], check=False)

    # --- gateway and centre

    def start_gateway(self, wrapper: Sequence[str] = ()) -> None:
        self._wanted["gateway"] = True
        self._still, self.is_traced = Still(), bool(wrapper)
        self.gateway = self.site.start(ready=False, wrapper=wrapper)
        self._death = Death(self.gateway.pid)

    def start_centre(self) -> None:
        self._wanted["centre"] = True
        log = self.folder / "centre.log"
        self.centre = Process(log, "centre", "run", "-c", self._centre_file)
        self.site.processes.append(self.centre)

    def kill_gateway(self) -> None:
        """SIGKILL; what it had just read is marked."""
        self._wanted["gateway"] = False
        assert self.gateway is not None
        at = time.time()
        self.gateway.kill()
        self._bury(at)

    def terminate_gateway(self) -> None:
        """SIGTERM: it must end in time, whatever else is wrong, and takes nothing with it.

        Before it listens to signals it dies of this one; what it had read by then is in its hand.
        """
        self._wanted["gateway"] = False
        assert self.gateway is not None
        at, ready = time.time(), bool(self.gateway.said("gateway.ready"))
        try:
            code = self.gateway.stop(within_s=6.0)
        except subprocess.TimeoutExpired:
            self.kill_gateway()
            code = EXIT_BUG
        if code == -signal.SIGTERM and not ready:
            self._bury(at)
            code = 0
        elif code == -signal.SIGKILL:  # an injected kill that was still to come was faster
            self._bury(self._death.at())
            code = 0
        self.exits.append(("terminated", code))

    def kill_centre(self) -> None:
        self._wanted["centre"] = False
        assert self.centre is not None
        self.centre.kill()

    def signal(self, target: str, number: signal.Signals) -> None:
        """To gateway, centre or broker; one that has just died is none the worse."""
        pids = {"broker": self.broker.pid, "gateway": self.gateway and self.gateway.pid}
        pid = pids.get(target, self.centre and self.centre.pid)
        if target == "gateway":
            self._still.signal(number, time.time())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid or 0, number)

    def mind(self) -> list[tuple[str, int]]:
        """Start again what has ended by itself; who that was, and with which code."""
        known = len(self.exits)
        if self._wanted["gateway"] and self.gateway is not None and not self.gateway.running:
            self._bury(self._death.at())
            self.exits.append(("gateway", self.gateway.popen.returncode))
            time.sleep(RESTART_S)
            self.start_gateway()
        if self._wanted["centre"] and self.centre is not None and not self.centre.running:
            self.exits.append(("centre", self.centre.popen.returncode))
            time.sleep(RESTART_S)
            self.start_centre()
        return self.exits[known:]

    def _bury(self, at: float) -> None:
        self.kills += 1
        at = self._still.worked_until(at)
        for wire in self.wires:
            wire.killed(at, TRACED_HAND_S if self.is_traced else IN_HAND_S)

    def logs(self) -> str:
        """All that gateway and centre have said on stderr."""
        files = (self.site.folder / "daemon.log", self.folder / "centre.log")
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    # --- how it is built

    def _url(self, link: str) -> str:
        return f"mqtt://{HOST}:{self.links[link].port}"

    def _wire(self, name: str, lane: str | None = None) -> Wire:
        return Wire(name, self.site.reader(name, lane).port)

    def _gate(self) -> None:
        self.site.lane(
            "gate", mode="controlled", sensor="per_direction", pass_timeout_s=PASS_TIMEOUT_S, reorder_s=0.1,
            repeat_window_s=0.5,
        )  # fmt: skip
        self.gate = self._wire("gate-in", "gate")
        port = self.site.device("arm", "gate", driver="eb_turnstile", directions={"left": "in", "right": "out"})
        assert port is not None
        self.arm = Wire("arm", port)

    def _lay_ground(self) -> None:
        self.site.state_dir.mkdir(mode=0o700)
        if self.plan.tmpfs:
            options = f"size={TMPFS_MIB}m,mode=0700"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.site.state_dir], check=True)

    def _settings(self) -> Path:
        values = {"url": self._url("centre_link"), "share": "punchgate" if self.plan.seed % 2 else ""}
        if self.plan.signed:
            values["key_file"] = str(self._make_keys())
            self.site.tables["uplink"]["centre_key_file"] = "centre.pub"
        return self.site.centre_file(**values)

    def _make_keys(self) -> Path:
        key = Ed25519PrivateKey.generate()
        private = self.site.folder / "centre.key"
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        private.chmod(0o600)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.site.folder / "centre.pub").write_bytes(public)
        return private


def _make(queue: int) -> Make:
    """mosquitto, with so many messages at most waiting for a subscriber (0: any number)."""
    make = mosquitto(shutil.which("mosquitto") or "mosquitto")

    def settings(port: int) -> str:
        return make.settings(port).replace("max_queued_messages 0", f"max_queued_messages {queue}")

    return Make(make.name, make.shared_subscriptions, settings, make.command)
