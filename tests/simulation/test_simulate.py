"""`punchgate simulate` as another program sees it."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivers import registry
from gateway.commands.simulate import command
from gateway.simulation import frames, solo, talkers
from gateway.simulation.peers import PEERS, new_peer
from gateway.simulation.pty import Pty

RUN = [sys.executable, "-c", "from gateway.commands.simulate import command; command()"]


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solo, "LINGER_S", 0.0)


def run(*arguments: str, typed: str = "") -> tuple[list[str], str, int]:
    result = CliRunner().invoke(command, arguments, input=typed)
    return result.stdout.splitlines(), result.stderr, result.exit_code


def test_the_first_line_is_the_port_and_every_other_one_a_json_object() -> None:
    (port, *log), told, code = run("em4100", "--count", "3", "--rate", "200", "--seed", "1")
    assert code == 0
    assert port.startswith("/dev/pts/")
    assert f'url = "{port}"' in told
    assert [json.loads(line)["sent"] for line in log] == ["card"] * 3


@pytest.mark.parametrize("driver", ["em4100", "wiegand_line", "scanner", "line", "eb_turnstile"])
def test_every_driver_can_be_played_with_noise(driver: str) -> None:
    (_, *log), _, code = run(driver, "--count", "20", "--rate", "1000", "--noise", "0.3", "--seed", "2")
    assert code == 0
    played = [json.loads(line) for line in log]
    assert sum(each["value"] is not None and each["sent"] != "repeat" for each in played) == 20
    assert {"noise"} < {each["sent"] for each in played}


def test_the_same_seed_plays_the_same_cards() -> None:
    values = [
        [json.loads(line)["value"] for line in run("em4100", "--count", "5", "--rate", "500", "--seed", "9")[0][1:]]
        for _ in range(2)
    ]
    assert values[0] == values[1]


def test_typed_cards_are_presented_and_mistyped_ones_named() -> None:
    (_, *log), told, _ = run("em4100", "--interactive", typed="67003B51C6\nnonsense\n")
    assert [json.loads(line)["value"] for line in log] == ["67003B51C6"]
    assert "nonsense" in told


def test_an_unknown_driver_is_a_usage_error_that_names_the_known_ones() -> None:
    _, told, code = run("emm4100")
    assert code == 2
    assert "em4100" in told


@pytest.mark.parametrize(
    ("wrong", "meant"), [("osdpp", "osdp"), ("wiegand-line", "wiegand_line"), ("modbus", "modbus_turnstile")]
)
def test_a_mistyped_driver_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    _, told, code = run(wrong)
    assert code == 2
    assert f"did you mean {meant}" in " ".join(told.split())


def test_a_driver_like_no_other_is_answered_with_all() -> None:
    _, told, _ = run("qqqqqq")
    assert all(name in told for name in ("em4100", "osdp", "zk_terminal"))


def test_help_says_what_does_nothing_to_a_device_that_is_asked() -> None:
    told = " ".join(CliRunner().invoke(command, ["--help"]).stdout.split())
    assert told.count("Nothing to a device that is asked") == 2


@pytest.mark.parametrize(
    ("model", "option"), [("osdp_bus", "address"), ("modbus_lotltd_bus", "unit"), ("modbus_io_bus", "unit")]
)
def test_a_bus_is_configured_with_all_its_devices(model: str, option: str) -> None:
    peer = new_peer(model)
    spec = registry.find(peer.driver)
    (port,) = tomllib.loads(talkers.snippet(peer, "/dev/pts/7"))["ports"]
    devices = port["devices"]
    assert [device["options"][option] for device in devices] == [1, 2]
    assert len({device["id"] for device in devices}) == len({device["lane"] for device in devices}) == 2
    for device in devices:
        registry.make_options(spec, device["options"])
        assert device["options"] == devices[0]["options"] | {option: device["options"][option]}
        assert device.keys() == devices[0].keys()


@pytest.mark.parametrize("model", [name for name in PEERS if not name.endswith("_bus")])
def test_a_device_alone_is_configured_alone(model: str) -> None:
    (port,) = tomllib.loads(talkers.snippet(new_peer(model), "/dev/pts/7"))["ports"]
    assert len(port["devices"]) == 1


def test_the_port_stays_until_the_last_frame_has_been_read(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    process = subprocess.Popen(
        [*RUN, "em4100", "--model", "id20la", "--pty", str(link), "--rate", "1000", "--count", "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    descriptor = os.open(process.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
    read = b""
    with suppress(OSError):
        while chunk := os.read(descriptor, 4096):
            read += chunk
    os.close(descriptor)
    sent = [frames.id20la(json.loads(line)["value"]) for line in process.stdout]
    process.stdout.close()
    assert process.wait(10) == 0
    assert len(sent) == 30
    assert read == b"".join(sent)


def test_a_frame_that_the_kernel_counts_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solo, "LINGER_S", 5.0)
    begun = time.monotonic()

    class Late(Pty):
        def unread(self) -> int:
            return 16 if 0.1 < time.monotonic() - begun < 0.4 else 0

    with Late() as port:
        assert solo.wait_until_read(port) == 0
    assert time.monotonic() - begun >= 0.4


def test_sigterm_unplugs_the_port_and_removes_its_name(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    process = subprocess.Popen(
        [*RUN, "em4100", "--model", "id20la", "--pty", str(link), "--rate", "50", "--cards", "1", "--seed", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == str(link)
    card = json.loads(process.stdout.readline())["value"]
    descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
    time.sleep(0.1)
    assert frames.id20la(card) in os.read(descriptor, 4096)
    os.close(descriptor)
    process.send_signal(signal.SIGTERM)
    assert process.wait(3) == 0
    process.stdout.close()
    assert not link.is_symlink()
