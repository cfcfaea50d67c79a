"""`punchgate check` as it is called: what it prints, and how it exits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest
from check_bench import Bench

from gateway.commands import main
from gateway.errors import Unavailable
from gateway.simulation.broker import Broker
from gateway.simulation.children import PYTHON, Child
from gateway.simulation.pty import Pty
from gateway.status import ask

Told = tuple[int, str, str]


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Exit code, stdout and stderr of the command on the bench."""

    def ran(*arguments: str, file: Path = bench.file) -> Told:
        with pytest.raises(SystemExit) as caught:
            main(["check", "-c", str(file), *arguments])
        return (int(str(caught.value.code)), *capsys.readouterr())

    return ran


@pytest.fixture
def running(bench: Bench) -> Iterator[Child]:
    """The real daemon on the bench, with a broker, a centre and a port; its key can be read by everybody."""
    (bench.folder / "organisation.key").chmod(0o644)
    with Broker() as broker:
        port = Pty(bench.folder / "port")
        bench.uplink(broker.url)
        centre = bench.folder / "centre.toml"
        centre.write_text(f'[centre]\nurl = "{broker.url}"\nlisten = "127.0.0.1:0"\nstate_dir = "centre"\n')
        children = [program(bench, "centre", "run", "-c", str(centre)), program(bench, "run", "-c", str(bench.file))]
        wait_until_all_is_settled(bench, children[-1])
        yield children[-1]
        for child in children:
            child.stop()
        port.close()


def program(bench: Bench, *arguments: str) -> Child:
    child = Child(arguments[0], [*PYTHON, "-m", "gateway", *arguments], bench.folder / f"{arguments[0]}.log")
    child.start()
    return child


def wait_until_all_is_settled(bench: Bench, child: Child) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        child.require_running()
        try:
            status = ask(bench.folder / "state")
            if 0 < status["settled"] == status["newest"] and status["devices"][0]["status"] == "up":
                return
        except Unavailable:
            pass
        time.sleep(0.02)
    raise AssertionError(child.tail())


def test_the_schema_is_printed_without_a_configuration(run: Callable[..., Told]) -> None:
    code, out, _ = run("--schema", file=Path("/nowhere"))
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))
    assert "ports" in json.loads(out)["properties"]


def test_a_finding_exits_1_and_is_told_with_why_and_how_to_mend_it(run: Callable[..., Told]) -> None:
    code, out, err = run()
    assert (code, err) == (1, "")
    assert "finding  " in out
    assert "why   nothing is heard from reader-1" in out
    assert "mend  plug the device in" in out
    assert out.splitlines()[-1].startswith("2 findings, ")


def test_json_is_one_document_on_stdout(run: Callable[..., Told]) -> None:
    code, out, err = run("--json")
    assert (code, err) == (1, "")
    document = json.loads(out)
    assert list(document) == ["findings"]
    assert all(list(each) == ["severity", "what", "why", "mend"] for each in document["findings"])
    assert {each["severity"] for each in document["findings"]} <= {"ok", "note", "warning", "finding"}


def test_every_mistake_of_the_configuration_is_told_and_exits_78(bench: Bench, run: Callable[..., Told]) -> None:
    bench.edit(('"hq"', '"H Q"'), ('"em4100"', '"em410"'))
    code, out, err = run()
    assert (code, out) == (78, "")
    assert 'did you mean "h-q"?' in err
    assert 'did you mean "em4100"?' in err
    assert "Traceback" not in err
    code, out, err = run("--json")
    assert (code, err) == (78, "")
    assert [each["severity"] for each in json.loads(out)["findings"]] == ["finding", "finding"]


def test_a_missing_configuration_exits_78(bench: Bench, run: Callable[..., Told]) -> None:
    code, out, err = run(file=bench.folder / "nowhere.toml")
    assert (code, out) == (78, "")
    assert "no such file" in err


@pytest.mark.needs("mosquitto")
@pytest.mark.usefixtures("running")
def test_a_gateway_that_works_has_no_findings_and_its_daemon_is_not_disturbed(
    bench: Bench, run: Callable[..., Told]
) -> None:
    (bench.folder / "organisation.key").chmod(0o600)
    before = ask(bench.folder / "state")
    code, out, _ = run("--json")
    told = [each["what"] for each in json.loads(out)["findings"]]
    assert code == 0
    assert f"{bench.folder}/port: reader-1 is up, 0 frames" in told
    assert [each for each in told if each.startswith("daemon: punchgate")]
    assert [each for each in told if each.startswith("receipts: ") and "none" not in each]
    after = ask(bench.folder / "state")
    assert (after["epoch"], after["uplink"]["connected"]) == (before["epoch"], True)
    assert "uplink.down" not in (bench.folder / "run.log").read_text()


@pytest.mark.needs("mosquitto")
@pytest.mark.usefixtures("running")
def test_a_world_readable_key_does_not_stop_the_daemon_and_is_a_finding(
    bench: Bench, run: Callable[..., Told]
) -> None:
    code, out, _ = run()
    assert code == 1
    assert f"mend  chmod 600 {bench.folder}/organisation.key" in out
