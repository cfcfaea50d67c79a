"""The site of demo and drill: an organisation key, configurations of gateway and centre, and a port for every device.

Everything lies in one temporary folder. Every second lane has a turnstile that reports passes; the others have none
and a scanner for visitors instead.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.simulation.broker import HOST, Broker
from gateway.simulation.devices import READERS, Heading, Turnstile
from gateway.simulation.oracle import OrganisationKey
from gateway.simulation.people import Gate, Post
from gateway.simulation.pty import Pty

SITE, GATEWAY, PREFIX = "demo", "edge-01", "punchgate/v1"
PASS_TIMEOUT_S = 3.0
REPEAT_WINDOW_S = 3.0

GATEWAY_TOML = """\
[gateway]
site = "{site}"
id = "{gateway}"
timezone = "Asia/Shanghai"
state_dir = "gateway"

[uplink]
url = "{url}"
prefix = "{prefix}"

[privacy]
key_file = "organisation.key"
"""

LANE_TOML = """
[[lanes]]
id = "{lane}"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"
mode = "controlled"
sensor = "{sensor}"
pass_timeout_s = {timeout_s}
repeat_window_s = {window_s}
"""

READER_TOML = """
[[ports]]
url = "{port}"
baud = 9600

  [[ports.devices]]
  id = "{device}"
  driver = "{driver}"
  lane = "{lane}"
  side = "{side}"
"""

BOARD_TOML = """
[[ports]]
url = "{port}"
baud = 9600

  [[ports.devices]]
  id = "{device}"
  driver = "{driver}"
  lane = "{lane}"
  directions = {{ left = "in", right = "out" }}
  options = {{ codes = {{ {timeout:X} = "timeout" }} }}
"""

CENTRE_TOML = """\
[centre]
url = "{url}"
prefix = "{prefix}"
database = "ledger.sqlite"
share = "{share}"
listen = "127.0.0.1:0"
state_dir = "centre"
"""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the demo lives and what stands there; `ports` by device."""

    folder: Path
    gates: list[Gate]
    ports: dict[str, Pty]
    key: OrganisationKey

    @property
    def gateway_file(self) -> Path:
        return self.folder / "punchgate.toml"

    @property
    def gateway_dir(self) -> Path:
        return self.folder / "gateway"

    @property
    def centre_file(self) -> Path:
        return self.folder / "centre.toml"

    def close(self) -> None:
        """Pull every cable."""
        for port in self.ports.values():
            port.close()


def build(folder: Path, lanes: int, broker: Broker, gateway_port: int | None = None) -> Site:
    """Write the files and make the ports; `folder` exists and is empty. `gateway_port`: of a way to the broker."""
    key = OrganisationKey("k1", secrets.token_bytes(32))
    key_file = folder / "organisation.key"
    key_file.touch(mode=0o600)
    key_file.write_text(f"{key.name}:{key.secret.hex()}\n")
    for state in ("gateway", "centre"):
        (folder / state).mkdir(mode=0o700)
    gates = [_gate(number) for number in range(1, lanes + 1)]
    ports = {device: Pty(folder / "ports" / device) for gate in gates for device in _devices(gate)}
    site = Site(folder, gates, ports, key)
    site.gateway_file.write_text(_gateway_toml(site, f"mqtt://{HOST}:{gateway_port or broker.port}"))
    share = "punchgate" if broker.shared_subscriptions else ""
    site.centre_file.write_text(CENTRE_TOML.format(url=broker.url, prefix=PREFIX, share=share))
    return site


def _gate(number: int) -> Gate:
    lane = f"lobby-{number}"
    readers: dict[Heading, Post] = {
        "in": Post(f"{lane}-in", READERS["rdm6300" if number % 4 < 2 else "id20la"]),
        "out": Post(f"{lane}-out", READERS["id20la" if number % 4 < 2 else "rdm6300"]),
    }
    if number % 2:
        return Gate(lane, readers, board=f"{lane}-arm")
    return Gate(lane, readers, scanner=Post(f"{lane}-visitors", READERS["gm65"]))


def _devices(gate: Gate) -> Iterator[str]:
    yield from (post.device for post in gate.readers.values())
    if gate.scanner is not None:
        yield gate.scanner.device
    if gate.board is not None:
        yield gate.board


def _gateway_toml(site: Site, url: str) -> str:
    parts = [GATEWAY_TOML.format(site=SITE, gateway=GATEWAY, url=url, prefix=PREFIX)]
    for gate in site.gates:
        sensor = "none" if gate.board is None else "per_direction"
        parts.append(
            LANE_TOML.format(lane=gate.lane, sensor=sensor, timeout_s=PASS_TIMEOUT_S, window_s=REPEAT_WINDOW_S)
        )
    for gate in site.gates:
        parts += _ports_toml(site, gate)
    return "".join(parts)


def _ports_toml(site: Site, gate: Gate) -> Iterator[str]:
    posts = [(side, post) for side, post in gate.readers.items()]
    if gate.scanner is not None:
        posts.append(("in", gate.scanner))
    for side, post in posts:
        port, driver = site.ports[post.device].path, post.reader.driver
        yield READER_TOML.format(port=port, device=post.device, driver=driver, lane=gate.lane, side=side)
    if gate.board is not None:
        board: Turnstile = gate.turnstile
        port = site.ports[gate.board].path
        yield BOARD_TOML.format(
            port=port, device=gate.board, driver=board.driver, lane=gate.lane, timeout=board.timeout_code
        )
