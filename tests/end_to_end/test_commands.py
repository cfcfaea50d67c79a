"""The commands a person types: exit codes, one readable message, machine output alone on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from .site import PUNCHGATE, Site, eventually, punchgate

pytestmark = pytest.mark.needs("mosquitto")

GOOD_FRAME = "0236373030334235314336434203"
STATUS_KEYS = {
    "gateway", "site", "epoch", "oldest", "newest", "settled", "devices", "uplink", "clock", "autonomy_days",
}  # fmt: skip


def test_status_has_the_promised_keys_and_69_without_a_daemon(site: Site) -> None:
    site.reader("reader-1")
    site.write()
    none = punchgate("status", "--json", "-c", site.file)
    assert (none.returncode, none.stdout) == (69, b"")
    assert b"Traceback" not in none.stderr
    daemon = site.start()
    site.wait_connected()
    done = punchgate("status", "--json", "-c", site.file)
    assert done.returncode == 0
    status = json.loads(done.stdout)
    assert set(status) >= STATUS_KEYS
    assert set(status["uplink"]) >= {"connected", "reason"}
    assert (status["site"], status["gateway"]) == ("hq", site.name)
    assert punchgate("status", "-c", site.file).returncode == 0
    daemon.kill()
    assert punchgate("status", "--json", "-c", site.file).returncode == 69


def test_a_second_daemon_on_one_state_directory_is_sent_away_with_75(site: Site) -> None:
    reader = site.reader("reader-1")
    daemon = site.start()
    second = punchgate("run", "-c", site.file)
    message = second.stderr.decode()
    assert second.returncode == 75
    assert str(daemon.pid) in message
    assert "Traceback" not in message
    site.wait_up()
    site.wait_captured(reader, "0C00000001")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('site = "hq"', 'site = "Head Quarters"', ["gateway.site", "Head Quarters"]),
        ('state_dir = "state"', 'state_dri = "state"', ["gateway.state_dri", "state_dir"]),
        ('driver = "em4100"', 'driver = "em4001"', ["driver", "em4001", "em4100"]),
        ('side = "in"', 'side = "inn"', ["side", "inn"]),
        ("baud = 9600", 'baud = "fast"', ["baud", "fast"]),
        ('lane = "reader-1-lane"', 'lane = "reader-2-lane"', ["lane", "reader-2-lane", "reader-1-lane"]),
        ("[gateway]", "[gateway", ["punchgate.toml"]),
        ("mqtt://127.0.0.1", "mqtt://broker.example", ["uplink.url", "insecure"]),
        ("organisation.key", "no.key", ["key_file", "no.key"]),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_78(site: Site, old: str, new: str, named: list[str]) -> None:
    site.reader("reader-1")
    text = site.write().read_text()
    assert old in text
    site.file.write_text(text.replace(old, new, 1))
    done = punchgate("run", "-c", site.file)
    message = done.stderr.decode()
    assert done.returncode == 78, message
    assert all(word in message for word in named), message
    assert "Traceback" not in message
    assert done.stdout == b""


def test_a_missing_file_and_a_foreign_variable_are_named(site: Site) -> None:
    missing = punchgate("run", "-c", site.folder / "nothing.toml")
    assert missing.returncode == 78
    assert b"nothing.toml" in missing.stderr
    site.reader("reader-1")
    foreign = punchgate("run", "-c", site.write(), env={"PUNCHGATE_UPLINK__ULR": "mqtt://127.0.0.1"})
    assert foreign.returncode == 78
    assert b"PUNCHGATE_UPLINK__ULR" in foreign.stderr


def test_the_environment_overrules_the_file(site: Site) -> None:
    site.reader("reader-1")
    site.write()
    done = punchgate("status", "-c", site.file, env={"PUNCHGATE_GATEWAY__STATE_DIR": str(site.folder / "elsewhere")})
    assert done.returncode == 69
    assert b"elsewhere" in done.stderr


def test_journal_commands_look_beside_the_running_daemon(site: Site) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    site.wait_captured(reader, "0C000621A5")
    eventually(lambda: site.status()["newest"] >= 4)
    stats = json.loads(punchgate("journal", "stats", "--json", "-c", site.file).stdout)
    assert (stats["newest"], stats["epoch"]) == (site.status()["newest"], site.status()["epoch"])
    shown = punchgate("journal", "show", str(stats["newest"]), "-c", site.file)
    record = json.loads(shown.stdout)["record"]
    assert record["data"]["seq"] == stats["newest"]
    assert b"0C000621A5" not in shown.stdout
    assert punchgate("journal", "show", "99999", "-c", site.file).returncode != 0
    assert punchgate("journal", "show", "one", "-c", site.file).returncode == 2
    assert punchgate("journal", "show", "9" * 30, "-c", site.file).returncode == 2
    other = f"hq/edge-99/{stats['epoch']}/{stats['newest']}"
    assert punchgate("journal", "show", other, "-c", site.file).returncode == 2, (
        "another gateway's record is not here"
    )
    assert punchgate("journal", "show", other.replace("edge-99", site.name), "-c", site.file).returncode == 0


def test_centre_questions_without_a_ledger_end_with_69(site: Site) -> None:
    file = site.centre_file()
    for question in ("coverage", "export"):
        done = punchgate("centre", question, "-c", file)
        assert (done.returncode, done.stdout) == (69, b""), question
        assert b"Traceback" not in done.stderr


def test_usage_errors_end_with_2_and_unknown_commands_too() -> None:
    for arguments in (["nonsense"], ["run", "--nonsense"], ["journal", "show"], ["decode"]):
        assert punchgate(*arguments).returncode == 2, arguments


@pytest.mark.alone
def test_the_daemon_is_ready_within_a_second(site: Site) -> None:
    """The issue's bound is for an idle machine; this one may be busy."""
    site.forked = False
    site.reader("reader-1")
    daemon = site.start()
    assert time.monotonic() - daemon.begun < 3.0


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("drivers",),
        ("check", "--schema"),
        ("decode", "em4100", "--hex", "0236373030334235314336434203"),
    ],
    ids=lambda words: words[0],
)
def test_output_that_does_not_fit_is_74_and_one_sentence_whatever_the_command(words: tuple[str, ...]) -> None:
    for unbuffered in ("", "1"):
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [PUNCHGATE, *words], stdout=full, stderr=subprocess.PIPE, env=env, timeout=60, check=False
            )
        assert_cut(done)


def assert_cut(done: subprocess.CompletedProcess[bytes]) -> None:
    assert done.returncode == 74
    assert done.stderr.decode().splitlines() == [
        "punchgate: standard output or a file: No space left on device; what was written is cut; make room"
    ]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_standard_stream_is_nobodys_fault_and_no_file_gets_its_number(closed: str) -> None:
    command = f"exec {PUNCHGATE} decode em4100 --hex {GOOD_FRAME} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
    assert (b"67003B51C6" in done.stdout) == (">&-" not in closed.split())


@pytest.mark.needs("root")
@pytest.mark.needs("setpriv")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status",), 69),
        (("journal", "stats"), 74),
        (("journal", "verify"), 74),
        (("journal", "show", "1"), 74),
        (("journal", "quarantine"), 74),
        (("roster",), 74),
        (("muster",), 74),
        (("centre", "coverage"), 74),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_who_may_not_look_into_the_state_directory_is_told_whom_to_ask_as(words: tuple[str, ...], code: int) -> None:
    """In a folder of its own: those of pytest are closed to others themselves."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Site(folder, "mqtt://127.0.0.1:1")
        site.lane("gate")
        site.device("reader", "gate", url="/dev/nothing", side="in")
        site.write()
        site.state_dir.mkdir(mode=0o700)
        file = site.centre_file(database="state/ledger.sqlite") if words[0] == "centre" else site.file
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PUNCHGATE, *words, "-c", str(file)],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (code, b"")
    (said,) = done.stderr.decode().splitlines()
    assert "Permission denied" in said
    assert "as" in said.partition(";")[2]
