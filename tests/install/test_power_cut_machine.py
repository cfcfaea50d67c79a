"""A real kernel, systemd, udev, UART, USB and disk, and somebody who pulls plugs. Minutes: only with --machine."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable

import pytest
from machine import Machine
from oracle import Verdict, judge
from people import KEY, Line, People, journal_told
from test_debian_box import CENTRE, INSTALL_BOTH, SETTINGS

pytestmark = [
    pytest.mark.needs("root"),
    pytest.mark.needs("debootstrap"),
    pytest.mark.needs("qemu"),
    pytest.mark.needs("mkfs.ext4"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the machine is a PC"),
]

UART, FIRST, SECOND = "lane-1-in", "lane-2-in", "lane-3-in"
SOCKET_NAMES = {1: "/dev/punchgate/usb-1-1:1.0", 2: "/dev/punchgate/usb-1-2:1.0"}
USB_PORT = """
[[ports]]
url = "{url}"

  [[ports.devices]]
  id = "{device}"
  driver = "em4100"
  lane = "lobby-1"
  side = "in"
"""
SHIPPED_S, PATIENCE = 30.0, "[Service]\nTimeoutStartSec=900\n"
"""The time a start may take by the unit as shipped, and the one where it takes more than half of it here."""
STATUS = (
    "python3 -I -S -c 'import json, socket, sys; socket.setdefaulttimeout(30); plug = socket.socket(socket.AF_UNIX);"
    ' plug.connect("/var/lib/punchgate/status.sock"); s = json.loads(plug.makefile().readline()); {test}\''
)
"""Asks the daemon itself: the command needs ten seconds there."""
ALL_UP = STATUS.format(
    test='sys.exit({it["status"] for it in s["devices"]} != {"up"} or not s["uplink"]["connected"])'
)
ALL_SETTLED = STATUS.format(test='sys.exit(s["settled"] != s["newest"])')
CROWD = 40
"""So many cards a reader, and more, before something happens to it."""

Figures = Callable[[str], None]


@pytest.fixture(scope="module")
def people(machine: Machine) -> People:
    """Both packages are installed and run, with a reader at the UART and two at USB sockets."""
    machine.sh(INSTALL_BOTH)
    machine.put("/etc/punchgate/organisation.key", KEY)
    machine.sh("chown root:punchgate /etc/punchgate/organisation.key && chmod 640 /etc/punchgate/organisation.key")
    usb = (USB_PORT.format(url=SOCKET_NAMES[it], device=device) for it, device in ((1, FIRST), (2, SECOND)))
    machine.put("/etc/punchgate/punchgate.toml", SETTINGS.replace("/run/reader/port", "/dev/ttyS1") + "".join(usb))
    machine.put("/etc/punchgate/centre.toml", CENTRE)
    machine.sh("systemctl enable ear mosquitto && systemctl start mosquitto ear")
    start(machine, "punchgate", "punchgate-centre")
    return People()


def start(machine: Machine, *units: str) -> None:
    """Where the emulation is fast enough, what follows goes by the time-outs of the units as they are shipped."""
    drop_ins = {it: f"/etc/systemd/system/{it}.service.d/zz-patience.conf" for it in units}
    for path in drop_ins.values():
        machine.put(path, PATIENCE)
    machine.sh(f"systemctl daemon-reload && systemctl start {' '.join(units)}")
    machine.eventually(ALL_UP)
    for unit, path in drop_ins.items():
        began, ready = (
            int(machine.sh(f"systemctl show -P {it}TimestampMonotonic {unit}"))
            for it in ("ExecMainStart", "ActiveEnter")
        )
        took_s = (ready - began) / 1e6
        as_shipped = took_s < SHIPPED_S / 2
        machine.notes.append(
            f"machine: {unit} starts in {took_s:.0f} s; {'its time-outs are' if as_shipped else 'not'} as shipped"
        )
        if as_shipped:
            machine.sh(f"rm {path} && systemctl daemon-reload")


def readers(machine: Machine) -> dict[str, Line]:
    """The wire of each."""
    return {UART: lambda: machine.tty, FIRST: lambda: machine.usb.get(1), SECOND: lambda: machine.usb.get(2)}


def verdict_of(machine: Machine, people: People, figures: Figures, lines: list[bytes] | None = None) -> Verdict:
    """Nothing is lost of all that was presented; by these lines, or by what the machine has told until now."""
    people.wait_until_told(machine)
    machine.compare_clocks()
    verdict = judge(people, lines or journal_told(machine.heard), machine.heard, machine.clocks)
    for note in (*machine.notes, f"machine: {verdict}"):
        figures(note)
    machine.notes.clear()
    assert not verdict.lost
    assert not verdict.remarks, "\n".join(verdict.remarks[:20])
    return verdict


def test_a_port_is_named_by_the_socket_whatever_number_the_kernel_gives_its_adapter(
    machine: Machine, people: People, figures: Figures
) -> None:
    """Both adapters have the same serial number; they are pulled out, and come back in the other order, while people
    swipe at all readers."""
    assert len(machine.sh("ls /dev/serial/by-id").split()) == 1
    before = {it: machine.sh(f"readlink -f {name}") for it, name in SOCKET_NAMES.items()}
    with people.crowd(readers(machine)):
        people.wait_until_told(machine, CROWD)
        for number, device in ((1, FIRST), (2, SECOND)):
            people.struck(device)
            machine.pull_out(number)
        machine.eventually("! ls /dev/ttyUSB* 2>/dev/null")
        for number in (2, 1):
            machine.plug_in(number)
            machine.eventually(f"test -e {SOCKET_NAMES[number]}")
        begun = time.monotonic()
        machine.eventually(ALL_UP)
        figures(f"machine: {time.monotonic() - begun:.0f} s from plugged in to all ports up")
        people.wait_until_told(machine, CROWD)
    after = {it: machine.sh(f"readlink -f {name}") for it, name in SOCKET_NAMES.items()}
    assert after == {1: before[2], 2: before[1]}, "the kernel gave the same numbers: nothing is shown"
    assert machine.sh("cat /sys/bus/usb-serial/devices/*/latency_timer") == "1\n1\n"
    verdict = verdict_of(machine, people, figures)
    assert UART not in {it.device for it in (*verdict.unwatched, *verdict.in_hand)}, "the other ports got on"
    records = [json.loads(line) for line in journal_told(machine.heard)]
    for device in (FIRST, SECOND):
        told = [it["type"].split(".")[-2] for it in records if it["source"] == f"/hq/edge-01/{device}"]
        assert [it for it in told if it in ("up", "down")] == ["up", "down", "up"]


def test_a_frozen_daemon_is_running_again_and_what_it_had_read_is_at_the_centre(
    machine: Machine, people: People, figures: Figures
) -> None:
    """By the watchdog of the unit as it is shipped, which waits for 30 s."""
    with people.crowd(readers(machine)):
        people.wait_until_told(machine, CROWD)
        before = machine.sh("systemctl show -P MainPID punchgate").strip()
        begun = time.monotonic()
        people.struck()
        machine.sh("systemctl kill --kill-whom=main --signal=STOP punchgate")
        machine.eventually(f"test $(systemctl show -P MainPID punchgate) -ne {before} && {ALL_UP}")
        figures(f"machine: {time.monotonic() - begun:.0f} s from frozen to all ports up")
        people.wait_until_told(machine, CROWD)
    assert "watchdog" in machine.sh("journalctl -u punchgate -o cat").lower()
    verdict_of(machine, people, figures)


def test_what_was_told_before_the_power_went_is_at_the_centre_and_the_box_runs_again_by_itself(
    machine: Machine, people: People, figures: Figures
) -> None:
    """The first cut takes all that was not flushed, and a file shows it; the second any half of its sectors."""
    machine.sh(
        "cd /root; head -c 4096 /dev/zero | tr '\\0' x > x; cp x synced; head -c 4096 /dev/zero > unsynced; sync"
    )
    for share in (0.0, 0.5):
        with people.crowd(readers(machine)):
            people.wait_until_told(machine, CROWD)
            machine.sh("cat /root/x 1<>/root/unsynced; cmp /root/x /root/unsynced")
            people.struck()
            cut = machine.cut_power(share)
        took = machine.boot()
        begun = time.monotonic()
        machine.eventually(ALL_UP)
        figures(
            f"machine: power cut, not flushed: {cut.lost} sectors lost, {cut.kept} kept;"
            f" boot {took:.0f} s, then {time.monotonic() - begun:.0f} s until all ports are up"
        )
        assert machine.sh("cat /root/synced /root/unsynced | tr -d '\\0' | wc -c") == "4096\n", "the cut was none"
    with people.crowd(readers(machine)):
        people.wait_until_told(machine, CROWD)
    people.wait_until_told(machine)
    machine.eventually(ALL_SETTLED)
    machine.sh("punchgate journal verify")
    verdict_of(machine, people, figures, machine.sh("punchgate centre export 2>/dev/null").encode().splitlines())
