"""The drill's stage: a whole site to break, and one way to put everything right again.

A strike breaks one thing; `repair` starts, plugs, wakes and frees whatever is broken and leaves alone what is whole,
so that it may be called at any time, twice, and after an interrupted strike.
"""

from __future__ import annotations

import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from gateway.errors import Unavailable
from gateway.simulation.drill_crowd import Crowd
from gateway.simulation.drill_faults import Stroke, Wall
from gateway.simulation.drill_watch import Watch
from gateway.simulation.proxy import Proxy
from gateway.simulation.scene import Scene
from gateway.simulation.wire import Wire

LANES = 4
READY_WITHIN_S = 60.0
TICK_S = 0.05
BABBLE_EVERY_S = 0.01
BABBLE_BYTES = 20
FULL_AT_BYTES = 64 * 1024
JUMPS_S = (-3 * 3600, 2 * 3600)


class Stage(Scene):
    """Everything that takes part, from `start` to `close`; `show` is called at every tick."""

    def __init__(self, folder: Path, seed: int, show: Callable[[], None]) -> None:
        super().__init__(folder, LANES, self._lay_link)
        self.wires = {device: Wire(device, port) for device, port in self.site.ports.items()}
        self.crowd = Crowd(seed, self.site.gates, self.wires)
        self.watch = Watch()
        self.wall = Wall(folder / "wall")
        self.trouble = False
        self._show = show
        self._lying = False
        self._wanted: set[str] = set()
        self._babbled: threading.Event | None = None

    def _lay_link(self, port: int) -> int:
        self.link = Proxy(port)
        return self.link.port

    def start(self) -> None:
        """Start everything; return when the gateway is connected and all ports are listened to. Unavailable."""
        super().start()
        self._wanted = {"gateway", "centre"}
        self.wait_ready()
        self.crowd.start()

    def wait_ready(self) -> None:
        """Until the gateway listens and is connected; what it says at its start does not matter."""
        if not self.run(READY_WITHIN_S, until=lambda: not self._lacking()):
            raise Unavailable(f"{self._lacking()}; the end of the gateway's log:\n{self.gateway.tail()}")

    def _lacking(self) -> str:
        """Why the gateway is not ready; empty: it is."""
        try:
            status = self.status()
        except Unavailable as error:
            return str(error)
        down = [device["device"] for device in status["devices"] if device["status"] != "up"]
        if down:
            return f"not up: {', '.join(down)}"
        return "" if status["uplink"]["connected"] else f"not connected: {status['uplink']['reason']}"

    def tick(self) -> None:
        """Let a moment pass. Unavailable if a daemon has died that nobody has killed."""
        until = time.monotonic() + TICK_S
        while (left_s := until - time.monotonic()) > 0:
            try:
                self.watch.hear(self.listener.heard.get(timeout=left_s))
            except queue.Empty:
                break
        self._show()
        for child in (self.gateway, self.centre):
            if child.name in self._wanted:
                child.require_running()

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Watch for so long, or until something is true; whether it is."""
        deadline = time.monotonic() + seconds
        while not (done := until()) and time.monotonic() < deadline:
            self.tick()
        return done

    def drained(self) -> bool:
        """Whether everything that was presented has been read."""
        return all(wire.drained() for wire in self.wires.values())

    def look_for_trouble(self) -> bool:
        """Whether the journal says that it cannot keep records, now or since the last strike."""
        if not self.trouble and self.gateway.running:
            try:
                self.trouble = self.status()["journal"]["trouble"] is not None
            except Unavailable:
                return False
        return self.trouble

    # --- strikes

    def strike(self, stroke: Stroke) -> str | None:
        """Do it now. Returns the device that it concerns; None: it concerns all."""
        self.trouble = False
        match stroke.fault.name:
            case "unplug" | "stuck" | "babble" as name:
                return self._strike_port(name, stroke.value)
            case "broker":
                self.broker.kill()
            case "freeze":
                self._wake_broker(signal.SIGSTOP)
            case "link":
                self.link.swallow(("up", "down"))
            case "kill":
                self._kill_gateway()
            case "restart":
                self._stop_gateway()
            case "kill-centre":
                self._wanted.discard("centre")
                self.centre.kill()
            case "disk-full":
                self._limit_files(self.gateway.log.stat().st_size + FULL_AT_BYTES)
            case "clock":
                self._lie(JUMPS_S[stroke.value < 0.5])
        return None

    def _strike_port(self, name: str, value: float) -> str:
        readers = sorted(post.device for gate in self.site.gates for post in gate.readers.values() if not gate.board)
        boards = sorted(gate.board for gate in self.site.gates if gate.board)
        devices = readers + boards if name == "unplug" else readers
        wire = self.wires[devices[int(value * len(devices))]]
        if name == "unplug":
            wire.unplug()
        elif name == "stuck":
            self.crowd.barred.add(wire.name)
            wire.disturb(b"\x020D00")
        else:
            self._babble(wire, Random(value))
        return wire.name

    def _babble(self, wire: Wire, rng: Random) -> None:
        over = self._babbled = threading.Event()

        def babble() -> None:
            while not over.wait(BABBLE_EVERY_S):
                wire.disturb(rng.randbytes(rng.randint(1, BABBLE_BYTES)))

        threading.Thread(target=babble, name="babble", daemon=True).start()

    def _kill_gateway(self) -> None:
        self._wanted.discard("gateway")
        at = time.time()
        try:
            self.gateway.kill()
        finally:
            for wire in self.wires.values():
                wire.killed(at)

    def _stop_gateway(self) -> None:
        self._wanted.discard("gateway")
        if code := self.gateway.stop():
            raise Unavailable(f"the gateway ended a SIGTERM with {code}; the end of its log:\n{self.gateway.tail()}")

    def _limit_files(self, most_bytes: int) -> None:
        if self.gateway.pid is not None and self.gateway.running:
            _, hard = resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE, (most_bytes, hard))

    def _lie(self, ahead_s: int) -> None:
        """A gateway that believes us, once it is there, and then the jump."""
        if not self._lying:
            self._stop_gateway()
            self.gateway = self.make_gateway(self.wall.variables())
            self._lying = True
            self._start_gateway()
            self.wait_ready()
        self.wall.set(ahead_s)

    def end_lie(self) -> None:
        """A gateway without libfaketime again, which makes every look at a clock slow."""
        if self._lying:
            self._stop_gateway()
            self.gateway = self.make_gateway({})
            self._lying = False
            self._start_gateway()
            self.wait_ready()

    def _wake_broker(self, number: signal.Signals) -> None:
        if self.broker.pid is not None and self.broker.running:
            os.kill(self.broker.pid, number)

    # --- the mend

    def repair(self) -> None:
        """Everything runs, is plugged in and free again."""
        if self._babbled is not None:
            self._babbled.set()
        for wire in self.wires.values():
            wire.plug()
        self.crowd.barred.clear()
        self.wall.set(0)
        self.link.heal()
        self._wake_broker(signal.SIGCONT)
        self._limit_files(resource.RLIM_INFINITY)
        self.broker.start()
        if not self.centre.running:
            self.centre.start()
        self._start_gateway()
        self._wanted = {"gateway", "centre"}

    def _start_gateway(self) -> None:
        if not self.gateway.running:
            self.gateway.start()
        self._wanted.add("gateway")

    def close(self) -> None:
        """End everything, the people first."""
        if self._babbled is not None:
            self._babbled.set()
        self.crowd.stop()
        self._wake_broker(signal.SIGCONT)
        super().close()
        self.link.close()
