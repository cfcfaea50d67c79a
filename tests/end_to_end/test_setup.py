"""From an empty folder to a first swipe at the centre: an answers file with a one-time code, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import SiteMaker
from .site import Process, Reader, Site, punchgate
from .test_enrolment import PREFIX, Organisation, organisation

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
    url, code = organisation.serve(box), organisation.code("edge-01")
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
    url, code = organisation.serve(box), organisation.code("edge-02")
    file = answers(box, "code", f'centre = "{url}"', f'code = "{code}"')
    with cards_held_up(box.readers[0]):
        done = punchgate("setup", "--answers", file, "-c", box.file)
    assert (done.returncode, box.file.exists()) == (1, False), done.stderr.decode()
    assert b"Traceback" not in done.stderr
