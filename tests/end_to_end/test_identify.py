"""An unknown device on a port, at an unknown speed: identify names the driver, the speed, and what to paste.

By default some devices of each kind; IDENTIFY_ALL=1 tries every simulated one, which takes six minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib

import pytest

from drivers import registry
from gateway.simulation.devices import READERS
from gateway.simulation.peers import PEERS, new_peer

from .site import PUNCHGATE

SILENT = {model: reader.driver for model, reader in READERS.items()} | {"eb": "eb_turnstile"}
ASKED = {model: new_peer(model).driver for model in PEERS}
SOME = ["rdm6300", "s4a", "gm65", "sr30", "eb", "tpw", "osdp_reader", "digicon"]
MODELS = sorted(SILENT | ASKED) if os.environ.get("IDENTIFY_ALL") else SOME


@pytest.mark.parametrize("model", MODELS)
def test_a_device_on_a_port_is_named_with_its_speed(model: str) -> None:
    driver = (SILENT | ASKED)[model]
    device = subprocess.Popen(
        [PUNCHGATE, "simulate", driver, "--model", model, "--seed", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert device.stdout is not None
        port = device.stdout.readline().strip()
        command = [PUNCHGATE, "identify", port, "--listen", "1.5", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    finally:
        device.terminate()
        device.communicate(timeout=10)
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["candidates"][0]
    assert best["driver"] == driver, done.stdout
    if not port.startswith("socket:"):
        assert best["baud"] == (new_peer(model).baud if model in ASKED else registry.find(driver).baud)
    (pasted,) = tomllib.loads(best["configuration"])["ports"]
    assert (pasted["url"], pasted["devices"][0]["driver"]) == (port, driver)
