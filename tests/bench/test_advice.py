"""What is printed to paste is what the configuration takes, as soon as the lane is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import ConfigError, Settings, load
from drivers import registry
from gateway import assembly
from gateway.bench.advice import UNPLUGGED, snippet, stable_name
from gateway.bench.recognition import variants

SITE = """\
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
id = "lobby-1"
portal = "lobby"
from_zone = "outside"
to_zone = "lobby"
sensor = "{sensor}"

"""
ARM = """
[[ports]]
url = "/dev/ttyS9"

  [[ports.devices]]
  id = "arm-9"
  driver = "eb_turnstile"
  lane = "lobby-1"
  directions = { left = "in", right = "out" }
"""
CASES = [(name, options) for name in registry.names() for options in variants(registry.find(name), {})]


def loaded(folder: Path, text: str) -> Settings:
    (folder / "organisation.key").write_text("00112233445566778899aabbccddeeff" * 2)
    (folder / "organisation.key").chmod(0o600)
    (folder / "punchgate.toml").write_text(text, encoding="utf-8")
    return load(folder / "punchgate.toml", drivers=assembly.driver_facts(), environ={})


@pytest.mark.parametrize(("name", "options"), CASES, ids=[f"{name}-{'-'.join(options)}" for name, options in CASES])
def test_the_block_is_taken_as_soon_as_its_lane_is_there(
    name: str, options: dict[str, object], tmp_path: Path
) -> None:
    spec = registry.find(name)
    emits = spec.emits_with(registry.make_options(spec, options))
    block = snippet(spec, options, "/dev/ttyUSB0", 19200)
    lane = LANE.format(sensor="per_direction" if emits & {"passage", "input"} else "none")
    settings = loaded(tmp_path, SITE + lane + block)
    (port,) = settings.ports
    assert (port.url, port.baud) == ("/dev/ttyUSB0", 19200)
    assert (port.devices[0].driver, set(port.devices[0].options)) == (name, set(options))


def test_without_the_lane_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, SITE + LANE.format(sensor="none").replace("lobby-1", "gate-7") + snippet(
            registry.find("em4100"), {}, UNPLUGGED, None))  # fmt: skip
    assert "lobby-1" in str(caught.value)
    assert "is not a lane" in str(caught.value)


def test_options_are_written_as_toml(tmp_path: Path) -> None:
    line = registry.find("line")
    options: dict[str, object] = {
        "pattern": r'(?P<value>[^\x00"]{4,20})',
        "max_bytes": "64",
        "directions": ["a", "b"],
    }
    settings = loaded(tmp_path, SITE + LANE.format(sensor="none") + snippet(line, options, "/dev/ttyS1", 9600))
    assert settings.ports[0].devices[0].options["pattern"] == options["pattern"]
    assert settings.ports[0].devices[0].options["max_bytes"] == 64


def test_a_name_that_survives_replugging_stays_and_a_url_too() -> None:
    for url in ("/dev/serial/by-id/usb-FTDI_A50285BI-if00-port0", "socket://10.1.0.9:4001", "/dev/nobody"):
        assert stable_name(url) == url
