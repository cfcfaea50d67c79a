"""From an empty folder to a first swipe at the centre: an answers file with a one-time code, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.simulation.broker import HOST

from .conftest import SiteMaker
from .site import Process, Reader, Site, punchgate
from .test_enrolment import PREFIX, Organisation, free_port, organisation, run

__all__ = ["organisation"]

pytestmark = pytest.mark.needs("mosquitto")

ANSWERS = """
[gateway]
site = "hq"
id = "edge-01"
timezone = "Asia/Shanghai"
state_dir = "state"

[setup]
enrol = "{enrol}"
{more}

[[lanes]]
id = "door"
portal = "door"
from_zone = "outside"
to_zone = "shop"

[[ports]]
url = "{port}"

  [[ports.devices]]
  id = "door-in"
  driver = "identify"
  lane = "door"
  side = "in"
"""


@pytest.fixture
def box(make_site: SiteMaker) -> Site:
    """A machine with a reader at a port, and no configuration."""
    site = make_site()
    site.reader("door-in")
    (site.folder / "organisation.key").unlink()
    site.file.unlink(missing_ok=True)
    return site


@contextmanager
def cards_held_up(reader: Reader) -> Iterator[None]:
    """Somebody tries a card at the reader now and then."""
    done = threading.Event()

    def hold_up() -> None:
        while not done.wait(0.3):
            reader.swipe("0C000621A5")

    thread = threading.Thread(target=hold_up)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def answers(box: Site, enrol: str, *more: str) -> Path:
    file = box.folder / "answers.toml"
    file.write_text(ANSWERS.format(enrol=enrol, more="\n".join(more), port=box.readers[0].port.path))
    return file


def test_a_code_and_a_reader_nobody_knew_are_enough_for_a_first_swipe_at_the_centre(
    organisation: Organisation, box: Site
) -> None:
    folder, port = organisation.folder, free_port()
    run("centre", "authority", "server", HOST, "-c", organisation.centre_file)
    with organisation.centre_file.open("a") as file:
        file.write(f'listen = "{HOST}:{port}"\n')
        file.write(f'listen_cert_file = "{folder}/server.pem"\nlisten_key_file = "{folder}/server.key"\n')
    code = run("centre", "enrol-code", "hq", "edge-01", "-c", organisation.centre_file).strip()
    centre = Process(box.folder / "centre.log", "centre", "run", "-c", organisation.centre_file)
    box.processes.append(centre)
    url = centre.wait_for("http.started")["url"]
    file = answers(box, "code", f'centre = "{url}"', f'code = "{code}"')
    with cards_held_up(box.readers[0]):
        done = punchgate("setup", "--answers", file, "-c", box.file)
    assert box.file.exists(), done.stderr.decode()
    assert 'driver = "em4100"' in box.file.read_text()
    organisation.broker.restart()
    daemon = Process(box.folder / "daemon.log", "run", "-c", box.file)
    box.processes.append(daemon)
    daemon.wait_for("gateway.ready")
    box.wait_up()
    box.wait_captured(box.readers[0], "0C00000007")
    box.wait_settled()
    assert PREFIX in (box.folder / "punchgate.toml.d" / "50-enrolment.toml").read_text()


def test_a_reader_that_says_nothing_is_named_and_nothing_is_written(box: Site) -> None:
    more = ('organisation_key = "new"', "listen_s = 0.1\nlisten_only = true", "[uplink]", f'url = "{box.url}"')
    done = punchgate("setup", "--answers", answers(box, "key", *more), "-c", box.file)
    assert done.returncode != 0
    assert b"door-in" in done.stderr or str(box.readers[0].port.path).encode() in done.stderr
    assert not box.file.exists()


def test_a_wrong_code_writes_no_configuration_and_says_so(organisation: Organisation, box: Site) -> None:
    run("centre", "authority", "server", HOST, "-c", organisation.centre_file)
    port, folder = free_port(), organisation.folder
    with organisation.centre_file.open("a") as file:
        file.write(f'listen = "{HOST}:{port}"\n')
        file.write(f'listen_cert_file = "{folder}/server.pem"\nlisten_key_file = "{folder}/server.key"\n')
    code = run("centre", "enrol-code", "hq", "edge-02", "-c", organisation.centre_file).strip()
    centre = Process(box.folder / "centre.log", "centre", "run", "-c", organisation.centre_file)
    box.processes.append(centre)
    url = centre.wait_for("http.started")["url"]
    file = answers(box, "code", f'centre = "{url}"', f'code = "{code}"')
    with cards_held_up(box.readers[0]):
        done = punchgate("setup", "--answers", file, "-c", box.file)
    assert (done.returncode, box.file.exists()) == (1, False), done.stderr.decode()
    assert b"Traceback" not in done.stderr
