"""`punchgate drill` as a whole: real processes are killed, cut off and starved, and nothing is lost."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from simulation.machine import path_without_mosquitto, processes_of

from gateway.commands import cli
from gateway.simulation.drill_stage import Stage
from gateway.simulation.scene import PUNCHGATE

DRILL = [*PUNCHGATE, "drill"]
VERDICT = re.compile(r"drill: (\d+) faults, ([1-9]\d*) frames, 0 lost, 0 invented, 0 duplicated, 0 misdated")
FEW = ["broker", "kill", "disk-full", "unplug", "link"]


def only(*faults: str) -> list[str]:
    return [word for fault in faults for word in ("--only", fault)]


def drill(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": path or os.environ["PATH"],
        "PUNCHGATE_UPLINK__URL": "mqtt://nowhere.example",
    }
    return subprocess.run(
        [*DRILL, *arguments], env=environment, capture_output=True, text=True, timeout=150, check=False
    )


def folder_of(first_line: str) -> str:
    return first_line.rpartition(" ")[2].strip()


def rows(lines: Sequence[str]) -> dict[str, list[str]]:
    start = next(number for number, line in enumerate(lines) if line.startswith("fault "))
    return {line.split()[0]: line.split()[1:] for line in lines[start + 1 :] if not line.startswith("drill: ")}


@pytest.mark.parametrize("broker", [pytest.param("mosquitto", marks=pytest.mark.needs("mosquitto")), "iotcore"])
def test_a_site_that_is_broken_in_many_ways_loses_and_invents_nothing(broker: str, tmp_path: Path) -> None:
    path = None if broker == "mosquitto" else path_without_mosquitto(tmp_path)
    done = drill(*only(*FEW), "--seed", "5", path=path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    verdict = VERDICT.fullmatch(lines[-1])
    assert verdict
    assert int(verdict[1]) == len(FEW)
    table = rows(lines)
    assert set(FEW) <= table.keys()
    assert all(int(table[fault][1]) > 0 for fault in FEW)
    folder = folder_of(lines[0])
    assert not Path(folder).exists()
    assert not processes_of(folder)


def test_a_clock_that_cannot_be_set_is_a_row_and_only_an_error_if_it_was_asked_for(tmp_path: Path) -> None:
    path = path_without_mosquitto(tmp_path)
    asked = drill("--only", "clock", path=path)
    assert asked.returncode == 69
    assert "apt install faketime" in asked.stderr
    done = drill("--json", "--seconds", "1", path=path)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["ok"]
    assert said["not_run"] == {"clock": "apt install faketime"}
    assert said["totals"]["struck"] == 1


@pytest.mark.alone
@pytest.mark.needs("faketime", "mosquitto")
def test_a_clock_that_jumps_misdates_nothing() -> None:
    done = drill(*only("clock", "kill-centre"), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert {row["fault"]: row["misdated"] for row in said["faults"]} == {"clock": 0, "kill-centre": 0}
    assert said["kept"] is None


def test_a_record_that_the_centre_does_not_have_is_told_and_everything_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = Stage.ledger

    def without_a_read(stage: Stage) -> list[bytes]:
        lines = ledger(stage)
        gone = next(number for number, line in enumerate(lines) if b"punchgate.credential.read.v1" in line)
        return lines[:gone] + lines[gone + 1 :]

    monkeypatch.setattr(Stage, "ledger", without_a_read)
    kept = tmp_path / "kept"
    code = cli.main(["drill", "--only", "restart", "--seed", "7", "--keep", str(kept)], standalone_mode=False)
    said = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^lost: 0D\w{8} at lobby-\S+, \S+ \(restart\)$", said, re.MULTILINE)
    assert f"kept in {kept}" in said
    assert "punchgate drill --seed 7" in said
    assert re.fullmatch(r"drill: 1 faults, \d+ frames, 1 lost, .*", said.splitlines()[-1])
    assert (kept / "gateway.log").stat().st_size
    assert (kept / "ledger.sqlite").exists()
    assert not processes_of(str(kept))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_drill_says_what_is_proved_so_far_and_leaves_nothing(how: signal.Signals) -> None:
    process = subprocess.Popen([*DRILL, *only("kill", "freeze")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = folder_of(process.stdout.readline())
    for line in process.stdout:
        if line.startswith(("… kill", "… freeze")):
            break
    process.send_signal(how)
    lines = process.stdout.read().splitlines()
    process.stdout.close()
    assert process.wait(30) == 130
    assert any(line.startswith("interrupted") for line in lines)
    assert VERDICT.fullmatch(lines[-1])
    assert not Path(folder).exists()
    assert not processes_of(folder)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "flood"], "'flood' is not one of"),
        (["--rounds", "1", "--seconds", "9"], "exclude each other"),
        (["--seconds", "nan"], "Invalid value for '--seconds'"),
        (["--rounds", "0"], "Invalid value for '--rounds'"),
        (["--keep", "."], "is not empty"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], said: str) -> None:
    done = drill(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_every_fault_says_what_it_does() -> None:
    listed = drill("--list", "-c", "nowhere.toml").stdout.splitlines()
    assert [line.split()[0] for line in listed][:3] == ["unplug", "stuck", "babble"]
    assert any("libfaketime" in line for line in listed)
    assert [it["fault"] for it in json.loads(drill("--list", "--json").stdout)] == [
        line.split()[0] for line in listed
    ]
