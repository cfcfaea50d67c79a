"""`identify`, `capture` and `replay` as a person at a terminal meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from bench_devices import device, every
from click.testing import CliRunner, Result

from drivers import registry
from drivers.suite import CHECKS, Subject, load
from gateway.bench.recording import read_capture
from gateway.commands import capture, identify, replay
from gateway.port.serial_port import OpenPort, PortSettings
from gateway.simulation import frames, solo
from gateway.simulation.pty import Pty

PUNCHGATE = [sys.executable, "-c", "from gateway.commands import main; main()"]
CARDS = ["67003B51C6", "67003BA86C", "0C000621A5"]
SAID = [frames.rdm6300(card) for card in CARDS]
TWO_CARDS = (SAID[0] + SAID[1]).hex()


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)  # type: ignore[arg-type]


def punchgate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PUNCHGATE, *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def reader() -> Iterator[Pty]:
    with device(9600, every(0.1, SAID)) as port:
        yield port


# --- identify


def test_bytes_are_ranked_with_reasons_and_a_block_to_paste() -> None:
    result = run(identify.command, "--hex", TWO_CARDS)
    assert result.exit_code == 0
    assert result.stdout.startswith(
        "1. em4100: sure\n   2 of 2 frames, check right, 28 of 28 bytes explained\n   2 cards\n"
    )
    assert 'driver = "em4100"' in result.stdout
    assert "[[ports]]" in result.stdout


def test_for_programs_there_is_one_document() -> None:
    told = json.loads(run(identify.command, "--hex", TWO_CARDS, "--json").stdout)
    assert (told["heard"], told["tied"]) == (28, [])
    assert told["candidates"][0]["driver"] == "em4100"
    assert told["candidates"][0]["facts"] == {"cards": 2}


def test_where_nothing_fits_it_says_so_and_exits_1() -> None:
    result = punchgate("identify", "--hex", "FFFFFF")
    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing fits" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--hex", "0"], "odd number"),
        (["--hex", "xx"], "hex digits"),
        ([], "give one of"),
        (["/dev/null", "--hex", "00"], "give one of"),
        (["--hex", "00", "--only", "em410"], "did you mean em4100?"),
        (["--hex", "00", "--set", "gap_s=1"], "--only"),
        (["--hex", "00", "--only", "em4100", "--set", "gap=1"], "gap_s"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(arguments: list[str], said: str) -> None:
    result = run(identify.command, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_reader_on_a_port_is_found_with_its_speed(reader: Pty) -> None:
    result = run(identify.command, str(reader.path), "--listen-only", "--listen", "0.5")
    assert result.exit_code == 0
    assert result.stdout.startswith("1. em4100 at 9600 baud: sure\n")
    assert f'url = "{reader.path}"\nbaud = 9600\n' in result.stdout
    assert "listening at 9600 baud" in result.stderr


@pytest.mark.parametrize("command", [["identify"], ["capture", "-o", "never", "--driver", "em4100"]])
def test_a_missing_port_and_a_held_one_are_said_with_their_remedy(command: list[str]) -> None:
    missing = punchgate(*command, "/dev/serial/by-id/nobody")
    assert missing.returncode == 75
    assert "not there; plug the device in" in missing.stderr
    with Pty() as port:
        held = OpenPort(PortSettings(str(port.path)))
        try:
            result = punchgate(*command, str(port.path))
        finally:
            held.close()
    assert result.returncode == 75
    assert "held by" in result.stderr
    assert "Traceback" not in result.stderr


# --- capture


def captured(port: Pty, *arguments: str) -> Result:
    return run(capture.command, str(port.path), "--for", "0.8", *arguments)


def test_a_capture_speaks_of_other_cards_and_shows_none(reader: Pty, tmp_path: Path) -> None:
    target = tmp_path / "desk.capture"
    result = captured(reader, "--driver", "em4100", "-o", str(target))
    assert result.exit_code == 0
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(told) >= 3
    assert {event["value"] for event in told} == {"…"}
    text = target.read_text()
    assert not any(card in text or card.encode().hex().upper() in text for card in CARDS)
    recording = read_capture(target)
    assert (recording.driver, recording.baud, recording.redacted) == ("em4100", 9600, True)
    replayed = run(identify.command, "--file", str(target), "--json")
    assert json.loads(replayed.stdout)["candidates"][0]["driver"] == "em4100"


@pytest.mark.alone
def test_raw_keeps_what_was_said(reader: Pty, tmp_path: Path) -> None:
    target = tmp_path / "desk.capture"
    result = captured(reader, "--driver", "em4100", "-o", str(target), "--raw")
    assert {json.loads(line)["value"] for line in result.stdout.splitlines()} <= set(CARDS)
    said = b"".join(data for _, data in read_capture(target).received)
    assert said
    for each in SAID:
        said = said.replace(each, b"")
    assert not said
    assert not read_capture(target).redacted


def test_without_a_driver_the_device_is_recognised_first(reader: Pty, tmp_path: Path) -> None:
    result = captured(reader, "-o", str(tmp_path / "desk.capture"))
    assert result.exit_code == 0
    assert "recorded as em4100 at 9600 baud" in result.stderr


def test_a_device_that_nobody_recognises_is_not_recorded(tmp_path: Path) -> None:
    with device(9600, every(0.1, [b"\xff\xfe\xfd"])) as port:
        done = punchgate("capture", str(port.path), "-o", str(tmp_path / "none"), "--baud", "9600")
    assert done.returncode == 1
    assert "--driver" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_fixture_passes_the_contract_suite(reader: Pty, tmp_path: Path) -> None:
    result = captured(reader, "--driver", "em4100", "--fixture", str(tmp_path / "rdm6300_desk"))
    assert result.exit_code == 0
    (own,) = load(tmp_path)
    assert own.events
    for name in ("captures mean what they say", "noise changes no fact", "a redacted frame speaks of another card"):
        CHECKS[name](Subject(registry.find("em4100"), [own]))


def test_a_fixture_keeps_the_options_it_needs(tmp_path: Path) -> None:
    settings = ["--set", "start=02", "--set", "end=03", "--set", "check=xor"]
    with device(9600, every(0.1, [frames.sr30("0006572982")])) as port:
        captured(port, "--driver", "line", *settings, "--fixture", str(tmp_path / "sr30_desk"))
    (own,) = load(tmp_path)
    assert own.options == {"start": "02", "end": "03", "check": "xor"}
    CHECKS["captures mean what they say"](Subject(registry.find("line"), [own]))


def test_nothing_is_overwritten_and_no_card_goes_into_a_fixture(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    for arguments, said in (
        (["-o", str(tmp_path / "there")], "exists"),
        (["-o", str(tmp_path / "no/where")], "no folder"),
        ([], "-o FILE"),
        (["--fixture", str(tmp_path / "x"), "--raw"], "leave out --raw"),
        (["-o", str(tmp_path / "x"), "--driver", "em410"], "did you mean em4100?"),
        (["-o", str(tmp_path / "x"), "--set", "a=b"], "--driver"),
    ):
        result = run(capture.command, "/dev/null", *arguments)
        assert result.exit_code == 2
        assert said in result.stderr
    assert (tmp_path / "there").read_text() == "mine"


def test_a_silent_device_leaves_no_file(tmp_path: Path) -> None:
    with device(9600, lambda _: b"") as port:
        result = run(capture.command, str(port.path), "--driver", "em4100", "-o", str(tmp_path / "x"), "--for", "0.2")
    assert "nothing was heard" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_a_capture_properly(reader: Pty, tmp_path: Path, number: signal.Signals) -> None:
    target = tmp_path / "desk.capture"
    process = subprocess.Popen(
        [*PUNCHGATE, "capture", str(reader.path), "--driver", "em4100", "-o", str(target)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    _, told = process.communicate(timeout=10)
    assert process.returncode == 0, told
    assert read_capture(target).received


def test_a_device_that_is_pulled_out_leaves_what_it_said(tmp_path: Path) -> None:
    target = tmp_path / "desk.capture"
    with Pty() as port:
        threading.Timer(0.3, port.write, [SAID[0]]).start()
        threading.Timer(0.8, port.unplug).start()
        result = run(capture.command, str(port.path), "--driver", "em4100", "-o", str(target), "--for", "5")
    assert result.exit_code == 0
    assert "the device is gone" in result.stderr
    assert len(read_capture(target).received) == 1


# --- replay


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solo, "LINGER_S", 0.3)


def read_until_silent(path: str, quiet_s: float = 0.6) -> bytes:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    data, quiet = b"", time.monotonic() + 5
    try:
        with suppress(OSError):
            while time.monotonic() < quiet:
                try:
                    chunk = os.read(descriptor, 4096)
                except BlockingIOError:
                    time.sleep(0.01)
                    continue
                if not chunk:
                    break
                data, quiet = data + chunk, time.monotonic() + quiet_s
    finally:
        os.close(descriptor)
    return data


def test_a_capture_is_played_as_a_port(reader: Pty, tmp_path: Path) -> None:
    target = tmp_path / "desk.capture"
    captured(reader, "--driver", "em4100", "-o", str(target))
    process = subprocess.Popen(
        [*PUNCHGATE, "replay", str(target), "--pty", str(tmp_path / "port"), "--speed", "4"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    path = process.stdout.readline().strip()
    assert path == str(tmp_path / "port")
    heard = read_until_silent(path)
    said, _ = process.communicate(timeout=10)
    assert heard == b"".join(data for _, data in read_capture(target).received)
    assert all(json.loads(line)["taken"] == json.loads(line)["bytes"] for line in said.splitlines())


def test_an_answer_waits_for_its_question(tmp_path: Path) -> None:
    talk = tmp_path / "talk.capture"
    talk.write_text(
        '{"punchgate": "capture", "version": 1}\n'
        '{"t": 0, "dir": "tx", "hex": "3F"}\n{"t": 0.1, "dir": "rx", "hex": "21"}\n'
    )
    process = subprocess.Popen(
        [*PUNCHGATE, "replay", str(talk)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    descriptor = os.open(process.stdout.readline().strip(), os.O_RDWR | os.O_NOCTTY)
    time.sleep(0.3)
    os.write(descriptor, b"?")
    assert os.read(descriptor, 10) == b"!"
    os.close(descriptor)
    said, _ = process.communicate(timeout=10)
    assert json.loads(said)["sent"] == "answer"
    assert "asked" not in json.loads(said)


def test_a_file_that_is_no_capture_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    for path, said in ((tmp_path / "x", "line 1"), (tmp_path / "none", "No such file")):
        done = punchgate("replay", str(path))
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_fixture_can_be_played(tmp_path: Path) -> None:
    fixture = Path(__file__).parent.parent / "captures/em4100/id12la_one-card.hex"
    result = run(replay.command, str(fixture), "--speed", "1000")
    assert result.exit_code == 0
    assert result.stdout.startswith("/dev/pts/")
