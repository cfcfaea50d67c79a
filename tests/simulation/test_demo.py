"""`punchgate demo` as a whole: the production daemons, a broker that goes away, and nothing lost."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gateway.simulation.scene import PUNCHGATE

from .machine import path_without_mosquitto, processes_of

DEMO = [*PUNCHGATE, "demo"]
VERDICT = re.compile(r"([1-9]\d*) punches, 0 lost, 0 duplicated")


@pytest.mark.alone
@pytest.mark.parametrize("broker", [pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto")), "iotcore"])
def test_a_morning_with_a_broken_broker_loses_and_duplicates_nothing(broker: str, tmp_path: Path) -> None:
    path = os.environ["PATH"] if broker == "mosquitto" else path_without_mosquitto(tmp_path)
    done = subprocess.run(
        [*DEMO, "--once", "--lanes", "2", "--people", "20", "--outage", "2"],
        env={**os.environ, "PATH": path, "PUNCHGATE_UPLINK__URL": "mqtt://nowhere.example"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"broker {broker} on ")
    verdict = VERDICT.fullmatch(lines[-1])
    assert verdict
    assert int(verdict[1]) >= 20
    assert any("the broker is cut" in line for line in lines)
    folder = lines[0].rpartition(" ")[2]
    assert not Path(folder).exists()
    assert not processes_of(folder)


@pytest.mark.alone
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_endless_demo_ends_cleanly_and_leaves_nothing_behind(how: signal.Signals) -> None:
    process = subprocess.Popen([*DEMO, "--people", "10"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = process.stdout.readline().split()[-1]
    for line in process.stdout:
        if "→committed" in line:
            break
    process.send_signal(how)
    process.stdout.read()
    assert process.wait(15) == 0
    process.stdout.close()
    assert not Path(folder).exists()
    assert not processes_of(folder)


def test_a_demo_whose_reader_has_seen_enough_leaves_nothing_behind() -> None:
    process = subprocess.Popen([*DEMO, "--people", "10"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = process.stdout.readline().split()[-1]
    process.stdout.close()
    process.wait(30)
    assert not Path(folder).exists()
    assert not processes_of(folder)


@pytest.mark.parametrize("outage", ["nan", "-1", "inf", "ten"])
def test_an_outage_that_is_no_number_of_seconds_is_a_usage_error(outage: str) -> None:
    done = subprocess.run([*DEMO, "--outage", outage], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert "Invalid value for '--outage'" in done.stderr


@pytest.mark.alone
def test_a_demo_that_is_killed_takes_its_processes_along() -> None:
    process = subprocess.Popen([*DEMO, "--people", "10"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = process.stdout.readline().split()[-1]
    for line in process.stdout:
        if "■" in line:
            break
    assert len(processes_of(folder)) == 3
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 3
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder)
    assert not processes_of(folder)
