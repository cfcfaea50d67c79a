"""What a device said before the daemon opened its port is read, and says honestly how old it may be."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from gateway.simulation import frames

from .ear import Ear, token
from .site import Site, eventually

pytestmark = pytest.mark.needs("mosquitto")


def true_gap_ms(event: dict[str, Any], at: float) -> float:
    """From the last byte on the line (unix time in s) to the `time` of the record."""
    return 1000 * (datetime.fromisoformat(event["time"]).timestamp() - at)


def test_a_frame_written_before_the_port_is_opened_arrives_with_its_gap(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    at = reader.swipe("0C000621A5")
    time.sleep(0.3)
    site.start()
    (read,) = ear.wait_records("credential.read", 1)
    data = read["data"]
    assert (data["live"], data["subject"]["token"]) == (False, token("0C000621A5"))
    assert data["clock"]["waited_ms"] >= true_gap_ms(read, at) > 300
    (punch,) = ear.wait_records("punch", 1)
    assert (punch["data"]["live"], punch["data"]["outcome"]) == (False, "assumed")


def test_what_waited_while_the_daemon_was_down_is_dated_by_the_time_it_was_down(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    reader.swipe("0C00000001")
    ear.wait_records("credential.read", 1)
    assert site.daemon is not None
    site.daemon.kill()
    at = reader.swipe("0C00000002")
    time.sleep(0.4)
    site.start()
    before, waited = ear.wait_records("credential.read", 2)
    assert before["data"]["live"] is True
    waited_ms = waited["data"]["clock"]["waited_ms"]
    assert waited["data"]["live"] is False
    assert true_gap_ms(waited, at) <= waited_ms < 60_000
    assert waited["data"]["clock"]["boot_ns"] > before["data"]["clock"]["boot_ns"]


def test_a_port_nobody_could_open_is_dated_by_itself_and_not_by_its_busy_neighbour(site: Site, ear: Ear) -> None:
    """The other port's records prove nothing about this one: it was not watched while they were made."""
    busy, other = site.reader("busy"), site.reader("other")
    other.port.unplug()
    site.start()
    site.wait_up("busy")
    other.port.plug()
    eventually(lambda: site.device_status("other")["status"] == "up", "the port found")
    assert site.daemon is not None
    site.daemon.kill()
    link = site.folder / "tty-other"
    target = link.readlink()
    link.unlink()
    site.start()
    site.wait_up("busy")
    other.port.write(frames.rdm6300("0C00000009"))
    at = time.time()
    time.sleep(0.5)
    busy.swipe("0C00000001")
    ear.wait(lambda: any(it["data"]["device"] == "busy" for it in ear.records("credential.read")))
    assert site.daemon is not None
    site.daemon.kill()
    link.symlink_to(target)
    site.start()
    reads = ear.wait(lambda: [it for it in ear.records("credential.read") if it["data"]["device"] == "other"])
    assert reads[0]["data"]["live"] is False
    assert reads[0]["data"]["clock"]["waited_ms"] >= true_gap_ms(reads[0], at)


def test_half_a_frame_that_waited_is_completed_by_its_other_half(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1", options={"gap_s": 5.0})
    frame = frames.rdm6300("0C000621A5")
    reader.port.write(frame[:7])
    site.start()
    site.wait_up()
    reader.port.write(frame[7:])
    (read,) = ear.wait_records("credential.read", 1)
    assert read["data"]["subject"]["token"] == token("0C000621A5")
