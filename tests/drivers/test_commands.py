"""`punchgate decode` and `punchgate drivers`, as a person at a shell sees them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drivers import registry
from gateway.commands import decode, drivers
from gateway.commands.bench_options import bytes_of

CARD_HEX = "023043303030363231413538450D0A03"


def run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(decode.command, list(arguments), input=stdin)


def test_decode_prints_one_json_object_a_line() -> None:
    result = run("em4100", "--hex", "02 30 43 3030303632314135 3845 0D0A03 FF")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [event["event"] for event in events] == ["card_read", "bad_frame"]
    assert list(events[0])[:5] == ["event", "scheme", "value", "bits", "decision"]
    assert events[0]["value"] == "0C000621A5"


@pytest.mark.parametrize(
    "text",
    [
        "02:30:36",
        "02-30-36",
        "02,30,36",
        "0x02,0x30,0x36",
        "0x02 0X30 0x36",
        " 0x02, 0x30,\n0x36 ",
        "0x023036",
        "02 3 036",
        "0x02:3036",
    ],
)
def test_hex_digits_may_be_written_as_tools_write_them(text: str) -> None:
    assert bytes_of(text) == b"\x0206"
    assert run("scanner", "--hex", text).stdout == run("scanner", "--hex", "023036").stdout


def test_decode_exits_0_whatever_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "bytes.bin"
    path.write_bytes(os.urandom(10_000))
    for name in registry.names():
        assert run(name, "--file", str(path)).exit_code == 0
        assert run(name, "--hex", "").exit_code == 0


def test_a_file_is_raw_bytes(tmp_path: Path) -> None:
    path = tmp_path / "bytes.bin"
    path.write_bytes(bytes.fromhex(CARD_HEX))
    assert json.loads(run("em4100", "--file", str(path)).stdout)["value"] == "0C000621A5"


def test_options_are_set_by_key_and_value() -> None:
    sr30 = ["--set", "start=02", "--set", "end=03", "--set", "check=xor"]
    result = run(
        "line", *sr30, "--set", "pattern=(?P<value>[0-9A-Fa-f]{8,10})", "--hex", "02303030363537323938320304"
    )
    assert json.loads(result.stdout)["value"] == "0006572982"
    result = run("eb_turnstile", "--set", "codes=C3=timeout", "--hex", "EB01C30029")
    assert json.loads(result.stdout)["kind"] == "timeout"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["em410", "--hex", "00"], "did you mean em4100"),
        (["em4100", "--set", "gap=1", "--hex", "00"], "did you mean gap_s"),
        (["em4100", "--set", "gap_s", "--hex", "00"], "KEY=VALUE"),
        (["em4100", "--hex", "0"], "odd number"),
        (["em4100", "--hex", "0G"], "hex digits"),
        (["em4100", "--hex", "02;36"], "only pairs of hex digits"),
        (["em4100", "--hex", "2:3"], "odd number"),
        (["em4100", "--hex", "0x2 0x3"], "odd number"),
        (["em4100", "--hex", "020x36"], "only pairs of hex digits"),
        (["em4100"], "--hex HEX, --file FILE"),
        (["em4100", "--hex", "00", "-"], "once"),
        (["em4100", "bytes.bin"], "unexpected argument"),
        (["em4100", "--file", "no-such-file"], "does not exist"),
        ([], "DRIVER"),
    ],
)
def test_a_wrong_call_is_one_readable_message_on_stderr_and_exit_2(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def live() -> subprocess.Popen[bytes]:
    code = "from gateway.commands.decode import command; command()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "em4100", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_standard_input_is_decoded_as_it_comes_and_partial_frames_time_out() -> None:
    with live() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bytes.fromhex(CARD_HEX + "0230"))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["value"] == "0C000621A5"
        assert select.select([process.stdout], [], [], 10.0)[0]
        assert json.loads(process.stdout.readline()) == {"event": "bad_frame", "flaw": "length", "bytes": 2}
        process.stdin.write(b"\x02")
        process.stdin.close()
        assert json.loads(process.stdout.readline()) == {"event": "incomplete", "bytes": 1}
        assert process.wait(10) == 0


def test_standard_input_that_cannot_be_read_is_a_sentence_and_exit_2() -> None:
    script = "import os, subprocess, sys; os.close(0); sys.exit(subprocess.call(sys.argv[1:]))"
    code = "from gateway.commands import main; main()"
    call = [sys.executable, "-c", script, sys.executable, "-c", code, "decode", "em4100", "-"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "standard input cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_drivers_lists_every_driver() -> None:
    result = CliRunner().invoke(drivers.command, [])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == registry.names()
    told = json.loads(CliRunner().invoke(drivers.command, ["--json"]).stdout)
    assert [driver["name"] for driver in told] == registry.names()


@pytest.mark.parametrize("name", registry.names())
def test_a_driver_shows_wiring_frame_options_and_an_example(name: str) -> None:
    page = CliRunner().invoke(drivers.command, [name]).stdout
    spec = registry.find(name)
    assert spec.wiring in page
    assert spec.frame in page
    assert spec.example in page
    told = json.loads(CliRunner().invoke(drivers.command, [name, "--json"]).stdout)
    for option in told["options"]:
        assert f"  {option['name']} " in page


def test_an_unknown_name_is_exit_2() -> None:
    result = CliRunner().invoke(drivers.command, ["scaner"])
    assert result.exit_code == 2
    assert "did you mean scanner" in result.stderr
