"""A network of our own between gateway and broker: two namespaces and one cable, gone with the test.

The gateway lives in one namespace, broker and centre in the other. What the cable loses is dropped where it arrives,
so neither end is told: that is how a bad radio link, a full switch or a broken firewall looks.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from gateway.simulation.broker import MOSQUITTO_CONF
from gateway.simulation.children import Child

GATEWAY_IP, BROKER_IP = "192.0.2.1", "192.0.2.2"
PORT = 1883
CABLE = "cable"
HALF, ALL = "numgen random mod 2 0 counter drop", "counter drop"

_numbers = itertools.count(1)

End = Literal["gateway", "broker"]
ENDS: tuple[End, End] = ("gateway", "broker")


class Network:
    """Two namespaces, named after this process; use as a context."""

    def __init__(self) -> None:
        number = next(_numbers)
        self._names = {end: f"punchgate-{os.getpid()}-{number}-{end}" for end in ENDS}

    def __enter__(self) -> Network:
        try:
            for name in self._names.values():
                _run("ip", "netns", "add", name)
            far = ("peer", "name", CABLE, "netns", self._names["broker"])
            _run("ip", "link", "add", CABLE, "netns", self._names["gateway"], "type", "veth", *far)
            for end, address in zip(ENDS, (GATEWAY_IP, BROKER_IP), strict=True):
                _run("ip", "-n", self._names[end], "address", "add", f"{address}/30", "dev", CABLE)
                for device in (CABLE, "lo"):
                    _run("ip", "-n", self._names[end], "link", "set", "dev", device, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    def inside(self, end: End) -> list[str]:
        """What to start a program with, so that it lives at this end; it keeps its process number."""
        return [shutil.which("ip") or "ip", "netns", "exec", self._names[end]]

    def pull(self) -> None:
        """The cable is out: both ends see it."""
        self._cable("down")

    def plug(self) -> None:
        self._cable("up")

    def lose(self, rule: str, *arriving_at: End) -> None:
        """Drop what arrives at these ends by an nftables rule; nobody is told."""
        for end in arriving_at:
            self._filter(
                end, f"table inet faults {{ chain arriving {{ type filter hook input priority 0; {rule}; }}; }}"
            )

    def heal(self) -> int:
        """Nothing is lost any more; how many packets were."""
        lost = 0
        for end in ENDS:
            rules = _run(*self.inside(end), "nft", "list", "ruleset")
            lost += sum(map(int, re.findall(r"counter packets (\d+)", rules)))
            self._filter(end, "")
        return lost

    def _filter(self, end: End, rules: str) -> None:
        """These rules and no others."""
        _run(*self.inside(end), "nft", f"add table inet faults; delete table inet faults; {rules}")

    def _cable(self, state: str) -> None:
        _run("ip", "-n", self._names["gateway"], "link", "set", "dev", CABLE, state)


class FarBroker:
    """mosquitto at the broker's end; it keeps nothing on disk."""

    url = f"mqtt://{BROKER_IP}:{PORT}"

    def __init__(self, network: Network, folder: Path) -> None:
        settings = folder / "far-mosquitto.conf"
        settings.write_text(MOSQUITTO_CONF.format(port=PORT, host=BROKER_IP, user="user root"))
        program = [*network.inside("broker"), shutil.which("mosquitto") or "mosquitto", "-c", str(settings)]
        self._child = Child("mosquitto", program, folder / "far-mosquitto.log")

    def __enter__(self) -> FarBroker:
        self._child.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()


def _run(*arguments: str) -> str:
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout
