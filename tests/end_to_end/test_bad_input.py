"""Noise on the line: counted by reason, never an exception, memory bounded, the next good frame is read."""

from __future__ import annotations

import random
import time

import pytest

from gateway.simulation import frames
from gateway.simulation.pty import Pty

from .ear import Ear, token
from .site import Reader, Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

GOOD = "0C000621A5"
FLAWS = {"length", "start", "integrity", "format", "noise", "overflow"}


def _flaws(site: Site, name: str) -> dict[str, int]:
    return dict(site.device_status(name)["bad_frames"])


def _pour(port: Pty, data: bytes) -> None:
    """As a chattering device would: as fast as the line takes it."""
    at = 0
    deadline = time.monotonic() + 30
    while at < len(data):
        if port.write(data[at : at + 1024]):
            at += 1024
        else:
            time.sleep(0.001)
        assert time.monotonic() < deadline, "the daemon does not read"


@pytest.mark.parametrize(
    ("bad", "flaw"),
    [
        (b"\x00\xff\xfe hello", {"noise", "start"}),
        (frames.rdm6300(GOOD)[:9] + b"\x03", {"length"}),
        (b"\x02" + b"0" * 500, {"format", "length", "overflow"}),
        (frames.rdm6300(GOOD).replace(b"A5", b"A6"), {"integrity"}),
        (b"\x02" + b"0C00ZZZZZZZZ" + b"\x03", {"format"}),
        (frames.eb(0xC1), {"noise", "start"}),
        (frames.wiegand("0012345678") + frames.scanned("V1|abc"), {"noise", "start"}),
    ],
    ids=["noise", "truncated", "overlong", "check", "letters", "turnstile", "other-readers"],
)
def test_bytes_that_are_no_frame_are_counted_and_the_next_frame_is_read(
    lively: tuple[Site, Reader], bad: bytes, flaw: set[str]
) -> None:
    site, reader = lively
    before, reads = _flaws(site, reader.name), site.device_status(reader.name)["reads"]
    assert reader.port.write(bad)
    time.sleep(0.3)
    reader.port.write(frames.rdm6300(f"{random.getrandbits(40):010X}"))
    eventually(lambda: site.device_status(reader.name)["reads"] == reads + 1, "the next good frame")
    after = _flaws(site, reader.name)
    grown = {name for name, count in after.items() if count > before.get(name, 0)}
    assert grown & flaw
    assert set(after) <= FLAWS


@pytest.fixture(scope="module")
def lively(module_site: Site) -> tuple[Site, Reader]:
    """A daemon that hears all the noise of this file."""
    reader = module_site.reader("reader-1")
    module_site.start()
    module_site.wait_up()
    return module_site, reader


def test_a_megabyte_of_random_bytes_costs_neither_memory_nor_the_next_frame(site: Site, ear: Ear) -> None:
    ports = {
        "em": site.reader("em").port,
        "wiegand": site.reader("wiegand", driver="wiegand_line").port,
        "qr": site.reader("qr", driver="scanner").port,
    }
    daemon = site.start()
    site.wait_up()
    site.wait_connected()
    before = daemon.rss_mib()
    rng = random.Random(1)
    for name, port in ports.items():
        _pour(port, rng.randbytes(1024 * 1024 if name == "em" else 128 * 1024))
    eventually(lambda: ports["em"].unread() == 0)
    time.sleep(0.5)
    ports["em"].write(frames.rdm6300(GOOD))
    ear.wait(lambda: token(GOOD) in [it["data"]["subject"]["token"] for it in ear.records("credential.read")])
    assert daemon.running
    assert daemon.said("gateway.bug") == []
    assert daemon.rss_mib() - before < 32
    assert sum(_flaws(site, "em").values()) > 100
    assert len(daemon.said("frame.bad")) <= 3 * len(FLAWS), "once per flaw and minute"
    assert GOOD not in daemon.text()


@pytest.mark.alone
def test_what_the_line_says_in_pieces_and_in_heaps_is_the_same(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.start()
    site.wait_up()
    for byte in frames.id20la("0C00000001"):
        reader.port.write(bytes([byte]))
    heap = b"".join(frames.rdm6300(f"0C0000{number:04X}") for number in range(16, 216))
    _pour(reader.port, heap + b"\x00" * (-len(heap) % 1024))
    reads = ear.wait_records("credential.read", 201)
    wanted = [token("0C00000001"), *(token(f"0C0000{number:04X}") for number in range(16, 216))]
    assert [it["data"]["subject"]["token"] for it in reads] == wanted
