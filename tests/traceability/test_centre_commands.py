from __future__ import annotations

import base64
import json
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from centre_bench import CENTRE, Bench, CentreProcess, eventually
from centre_lines import EPOCH, chain, line, loss

from gateway.simulation.broker import Broker
from traceability.database import open_database
from traceability.ledger import Ledger


def centre_file(folder: Path, **settings: str) -> Path:
    words = {"url": "mqtt://127.0.0.1:1", "state_dir": str(folder / "state")} | settings
    path = folder / "centre.toml"
    path.write_text("[centre]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in words.items()))
    return path


def punchgate(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*CENTRE, *words], capture_output=True, timeout=20, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A centre's file with a ledger: of edge-01 four records are here and two declared lost."""
    ledger = Ledger(open_database(str(tmp_path / "ledger.sqlite")), "centre-1", lambda: 1_800_000_000_000)
    ledger.open()
    lines = chain(3)
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-01", [*lines, loss(6, "0" * 64, epoch=EPOCH, first=4, last=5, cause="quota")])
    ledger.close()
    return centre_file(tmp_path, database=str(tmp_path / "ledger.sqlite"))


def spoil(file: Path) -> None:
    ledger = Ledger(open_database(str(file.parent / "ledger.sqlite")), "centre-1", lambda: 1_000_000_000_000)
    others = chain(4, gateway="edge-02")
    with ledger.group([("hq", "edge-01")]) as group:
        group.take("hq", "edge-02", [others[0], others[3], line(1, "0" * 64, gateway="edge-02", lane="x")])
    ledger.close()


def test_coverage_of_a_complete_ledger_is_0_and_lists_what_was_declared_lost(file: Path) -> None:
    done = punchgate("coverage", "-c", str(file))
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    assert f"hq/edge-01/{EPOCH}  not heard  through 6  seen 6  held 4" in said
    assert "lost 4–5 (2): quota" in said


def test_coverage_with_holes_and_conflicts_is_1_and_says_which(file: Path) -> None:
    spoil(file)
    done = punchgate("coverage", "--json", "-c", str(file))
    assert done.returncode == 1
    report = json.loads(done.stdout)
    first, second = report["streams"]
    assert (first["through"], first["missing"], first["lost"][0]["cause"]) == (6, [], "quota")
    assert (second["through"], second["seen"], second["held"]) == (1, 4, 2)
    assert second["missing"] == [{"first": 2, "last": 3}]
    assert second["conflicts"] == [1]


def test_export_prints_the_stored_lines_unchanged(file: Path) -> None:
    spoil(file)
    done = punchgate("export", "-c", str(file), "--gateway", "edge-01", "--since-seq", "2")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:2] == chain(3)[1:]
    assert len(done.stdout.splitlines()) == 3
    assert done.stderr == b""


def test_an_export_that_does_not_fit_says_so_in_a_sentence(file: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*CENTRE, "export", "-c", str(file)], stdout=full, stderr=subprocess.PIPE, timeout=20, check=False
        )
    assert done.returncode == 74
    assert done.stderr.decode().splitlines() == [
        "punchgate: standard output: No space left on device; the export is cut; make room there"
    ]


@pytest.mark.parametrize("words", [("export", "--since-seq"), ("times", "--since-seq"), ("verify", "--upto-seq")])
def test_a_seq_beyond_all_databases_is_a_mistake_of_use(file: Path, words: tuple[str, ...]) -> None:
    done = punchgate(*words, "9" * 30, "-c", str(file))
    assert done.returncode == 2
    assert b"is not in the range" in done.stderr


def test_export_of_nothing_prints_nothing(file: Path) -> None:
    assert punchgate("export", "-c", str(file), "--site", "nowhere").stdout == b""


def test_a_question_without_a_ledger_is_69(tmp_path: Path) -> None:
    done = punchgate("coverage", "-c", str(centre_file(tmp_path)))
    assert done.returncode == 69
    assert b"no ledger there" in done.stderr


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"prefixx": "p"}, 78, "prefix"),
        ({"password_file": "nowhere", "username": "u"}, 78, "centre.password_file"),
        ({"database": "mysql://db/punchgate"}, 78, "mysql:// is not known"),
        ({"key_file": "nowhere.pem"}, 78, "centre.key_file"),
        ({"database": "/proc/ledger.sqlite"}, 74, "look at the disk"),
        ({"state_dir": "/proc/centre"}, 74, "let the centre's user write there"),
    ],
)
def test_a_centre_that_cannot_start_says_why_and_what_to_do(
    tmp_path: Path, settings: dict[str, str], code: int, words: str
) -> None:
    settings = {"database": str(tmp_path / "ledger.sqlite")} | settings
    done = punchgate("run", "-c", str(centre_file(tmp_path, **settings)))
    assert (done.returncode, words in done.stderr.decode()) == (code, True), done.stderr
    assert b"Traceback" not in done.stderr


def test_it_tells_systemd_when_it_is_ready_and_ends_within_five_seconds_with_0(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        config = centre_file(tmp_path, database=str(tmp_path / "ledger.sqlite"))
        centre = CentreProcess(config, tmp_path / "log", {"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert systemd.recv(100) == b"READY=1", "although no broker is there"
        assert centre.stop() == 0
        assert systemd.recv(100) == b"STOPPING=1"
    assert [event["event"] for event in centre.events()][-1] == "centre.stopped"


def test_a_password_that_everybody_can_read_is_used_and_said(tmp_path: Path) -> None:
    (tmp_path / "broker.password").write_text("secret\n")
    (tmp_path / "broker.password").chmod(0o644)
    words = {"database": str(tmp_path / "ledger.sqlite"), "username": "u", "password_file": "broker.password"}
    centre = CentreProcess(centre_file(tmp_path, **words), tmp_path / "log")
    reason = centre.wait_for("config.warning")["reason"]
    assert "centre.password_file: is open to every user of this machine (mode 0644); chmod 600" in reason
    assert centre.stop() == 0


def test_what_it_writes_is_not_for_everybody(file: Path) -> None:
    modes = [path.stat().st_mode for path in file.parent.glob("ledger.sqlite*")]
    assert len(modes) >= 2
    assert not any(mode & stat.S_IRWXO for mode in modes)


@pytest.mark.needs("mosquitto")
def test_with_a_key_every_receipt_is_signed_as_the_gateways_check_it(
    mosquitto_broker: Broker, tmp_path: Path
) -> None:
    import rfc8785
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    (tmp_path / "sign.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "sign.pem").chmod(0o600)
    bench = Bench(mosquitto_broker, tmp_path)
    bench.centre(key_file=str(tmp_path / "sign.pem"), id="centre-9")
    gateway = bench.gateway()
    gateway.send(chain(2))
    message = json.loads(eventually(lambda: gateway.payloads)[0])
    assert message["service"] == "centre-9"
    key.public_key().verify(base64.b64decode(message.pop("sig")), rfc8785.dumps(message))
    bench.clear()
