"""What a driver says of its lateness reaches pairing, and the configuration that it makes useless is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import assembly
from gateway.errors import Misconfigured

HEAD = """\
[gateway]
site = "hq"
id = "edge-01"
[uplink]
url = "mqtts://broker.example"
[privacy]
key_file = "organisation.key"
"""
LANE = """
[[lanes]]
id = "{0}"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"
sensor = "per_direction"
"""
UNIT = """
  [[ports.devices]]
  id = "{0}-arm"
  driver = "{1}"
  lane = "{0}"
  directions = {{ entry = "in", exit = "out" }}
  options = {{ {2} }}
"""
PORT = '\n[[ports]]\nurl = "/dev/ttyS{0}"\n'


def written(folder: Path, *parts: str) -> Path:
    file = folder / "punchgate.toml"
    file.write_text(HEAD + "".join(parts))
    return file


def test_each_device_is_as_late_as_its_driver_says_of_its_line(tmp_path: Path) -> None:
    bus = [UNIT.format(f"l{number}", "modbus_turnstile", f"unit = {number}") for number in (1, 2)]
    reader = '\n  [[ports.devices]]\n  id = "reader"\n  driver = "em4100"\n  lane = "l1"\n'
    lanes = [LANE.format("l1"), LANE.format("l2")]
    file = written(tmp_path, *lanes, PORT.format(0), *bus, PORT.format(1), reader)
    late_s = {rules.id: rules.latency_s for rules in assembly.device_rules(assembly.read_settings(file))}
    assert late_s == {"l1-arm": pytest.approx(0.305), "l2-arm": pytest.approx(0.305), "reader": 0.0}


def test_a_turnstile_that_is_asked_too_rarely_is_refused_with_78(tmp_path: Path) -> None:
    unit = UNIT.format("l1", "tpw_turnstile", "poll_s = 3.0")
    file = written(tmp_path, LANE.format("l1"), PORT.format(0), unit)
    with pytest.raises(Misconfigured, match=r"poll_s = 3\.0: tells of a passage up to 3\.3 s late.*pass_timeout_s"):
        assembly.read_settings(file)
    command = [sys.executable, "-m", "gateway", "check", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "options.poll_s = 3.0" in done.stdout + done.stderr
