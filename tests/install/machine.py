"""A Debian machine of its own under qemu, in software: kernel, disk, serial ports, USB sockets, and a plug to pull.

What the box of `box.py` cannot show: that what was acknowledged is on a disk when the power goes, and that the kernel
tells udev of an adapter that was plugged in. When the power is cut, all that the machine's kernel had in memory is
gone, and of what it had written to the disk all that it had not flushed (see `volatile.py`).
"""

from __future__ import annotations

import fcntl
import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from box import HAS, STICK, base
from kernel import first_files, unpacked
from qmp import Monitor, connected
from volatile import Cut, Server, Volatile

MACHINE_HAS = (
    *HAS, "systemd-sysv", "dbus", "mosquitto", "mosquitto-clients", "busybox-static", "kmod", "linux-image-amd64",
)  # fmt: skip
BOOT_WITHIN_S = 600.0
COMMAND_WITHIN_S = 600.0
EVENTUALLY_S = 900.0
"""Far more than is needed where nothing else runs; every minute there is five on a busy machine."""
ASK_AGAIN_S = 2.0
LOOKS = 5
SIZE = "2G"
KERNEL, FIRST_FILES = ".kernel", ".first_files"
UNUSED = "floppy,psmouse,pcspkr,ata_piix,ata_generic,i2c_piix4,button,serio_raw,evdev,qemu_fw_cfg"
WORDS = (
    "console=ttyS0 quiet panic=-1 mitigations=off apparmor=0 audit=0 cryptomgr.notests no_timer_check"
    f" module_blacklist={UNUSED}"
)
SOCKETS = (1, 2)
"""Where a USB adapter can be plugged in."""
AGENT = """\
[Unit]
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 /opt/agent.py
Restart=always
RestartSec=1
"""
EAR = """\
[Unit]
After=mosquitto.service
StartLimitIntervalSec=0

[Service]
ExecStartPre=/usr/bin/test -c /dev/virtio-ports/told
ExecStart=/bin/sh -c 'exec stdbuf -oL mosquitto_sub -h 127.0.0.1 -q 1 -t "#" -F "%%t %%x" >/dev/virtio-ports/told'
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
"""Tells the host what any subscriber hears: a line for each message, topic and payload in hexadecimal."""
IDLE = (
    *("e2scrub_reap.service", "systemd-pstore.service", "getty@tty1.service", "serial-getty@ttyS0.service"),
    *("systemd-logind.service", "systemd-user-sessions.service", "systemd-update-utmp.service", "fstrim.timer"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("systemd-update-utmp-runlevel.service", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"),
    *("sys-kernel-config.mount", "sys-fs-fuse-connections.mount", "systemd-random-seed.service"),
    *(f"modprobe@{it}.service" for it in ("configfs", "dm_mod", "drm", "efi_pstore", "fuse", "loop")),
    *("dbus.service", "dbus.socket", "systemd-initctl.socket"),
)
"""What a boot here need not wait for."""
ENABLED = "/etc/systemd/system/multi-user.target.wants"


class Machine:
    """One machine; `packages` lie on a stick that it can read.

    `tty` is the other end of its /dev/ttyS1, `usb` those of its adapters by socket, `heard` what its ear told;
    `clocks`, by boot: between what bounds its clock was ahead of this one's, in seconds; `notes`: to be told.
    """

    def __init__(self, suite: str, folder: Path, packages: Path) -> None:
        self._made = _disk_of(base(suite, MACHINE_HAS))
        self._folder = folder
        disk, self._stick = folder / "disk.img", folder / "stick.img"
        subprocess.run(["cp", "--sparse=always", str(self._made), str(disk)], check=True)
        _image(self._stick, packages, "128M")
        self.disk = Volatile(disk)
        self._server = Server(self.disk, folder / "disk.sock")
        self._process: subprocess.Popen[bytes] | None = None
        self.usb: dict[int, socket.socket] = {}
        self.heard: list[tuple[float, bytes]] = []
        self.clocks: dict[str, tuple[float, float]] = {}
        self.notes: list[str] = []
        self.boot()

    def boot(self) -> float:
        """Switch it on; seconds until it took orders."""
        names = ("agent", "tty", "told", "qmp", *(f"usb{it}" for it in SOCKETS))
        for name in names:
            self._socket(name).unlink(missing_ok=True)
        begun = time.monotonic()
        with (self._folder / "console.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._agent = connected(self._socket("agent"))
        self._agent.settimeout(BOOT_WITHIN_S)
        self._answers = self._agent.makefile("rb")
        self._monitor = Monitor(connected(self._socket("qmp")))
        self.tty = connected(self._socket("tty"))
        told = connected(self._socket("told"))
        self._listener = threading.Thread(target=self._listen, args=(told,), daemon=True)
        self._listener.start()
        for number in SOCKETS:
            self.plug_in(number)
        assert json.loads(self._answers.readline() or b"{}") == {"code": 0, "said": "up"}, "the machine does not boot"
        took = time.monotonic() - begun
        self.notes.append(f"machine: boot in {took:.0f} s")
        self.sh(f"mkdir -p /{STICK} && mount -o ro /dev/vdb /{STICK}")
        self.compare_clocks()
        return took

    def compare_clocks(self) -> None:
        """Widens the bounds of this boot to what is seen now."""
        boot = self.sh("cat /proc/sys/kernel/random/boot_id").strip()
        seen = []
        for _ in range(LOOKS):
            before = time.time()
            there = float(self.sh("date +%s.%N"))
            seen.append((there - time.time(), there - before))
        bounds = max(it[0] for it in seen), min(it[1] for it in seen)
        known = self.clocks.get(boot, bounds)
        self.clocks[boot] = min(known[0], bounds[0]), max(known[1], bounds[1])

    def cut_power(self, share: float = 0.0, seed: int = 1) -> Cut:
        """Without a word to anybody. Of what was written and not flushed this share of sectors is on the disk."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._agent.close()
        self.tty.close()
        self._monitor.close()
        for plug in self.usb.values():
            plug.close()
        self.usb.clear()
        self._listener.join(10)
        self._server.wait_until_gone()
        return self.disk.cut(random.Random(seed), share)

    def scrap(self) -> None:
        """For good."""
        if self._process is not None and self._process.poll() is None:
            self.cut_power()
        self._server.close()
        self.disk.close()

    def plug_in(self, number: int) -> None:
        """A USB serial adapter, of a make that all have the same serial number, into this socket."""
        self.usb[number] = connected(self._socket(f"usb{number}"))
        where = {"bus": "xhci.0", "port": str(number), "serial": "1"}
        self._monitor.order("device_add", driver="usb-serial", id=f"adapter{number}", chardev=f"usb{number}", **where)

    def pull_out(self, number: int) -> None:
        self._monitor.order("device_del", id=f"adapter{number}")
        self._monitor.wait_for("DEVICE_DELETED", device=f"adapter{number}")
        self.usb.pop(number).close()

    def sh(self, script: str, code: int | None = 0) -> str:
        """What a line of shell prints, on both; it must end with this code, None: any. All are in orders.log."""
        with (self._folder / "orders.log").open("a") as log:
            begun = time.time()
            log.write(f"{datetime.fromtimestamp(begun, UTC):%H:%M:%S} {script}\n")
            log.flush()
            self._agent.settimeout(COMMAND_WITHIN_S)
            self._agent.sendall(json.dumps(script).encode() + b"\n")
            answer = json.loads(self._answers.readline())
            log.write(f"{time.time() - begun:8.1f} s, code {answer['code']}: {answer['said'][-200:]!r}\n")
        assert code is None or answer["code"] == code, f"{script} ended with {answer['code']}:\n{answer['said']}"
        return str(answer["said"])

    def put(self, path: str, text: str) -> None:
        self.sh(f"mkdir -p $(dirname {path}) && cat > {path} <<'END_OF_FILE'\n{text}\nEND_OF_FILE")

    def eventually(self, script: str, within_s: float = EVENTUALLY_S) -> str:
        """Repeats a line of shell until it ends with 0; what it printed."""
        deadline = time.monotonic() + within_s
        while True:
            said = self.sh(f"{script} && echo came to pass", code=None)
            if said.endswith("came to pass\n"):
                return said.removesuffix("came to pass\n")
            assert time.monotonic() < deadline, f"{script} did not come to pass:\n{said}"
            time.sleep(ASK_AGAIN_S)

    def _listen(self, told: socket.socket) -> None:
        with told, told.makefile("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self.heard.append((time.time(), line.rstrip()))

    def _socket(self, name: str) -> Path:
        return self._folder / f"{name}.sock"

    def _command(self) -> Sequence[str]:
        def opened(name: str) -> str:
            return f"socket,id={name},path={self._socket(name)},server=on,wait=off"

        disk = f"driver=nbd,node-name=disk,server.type=unix,server.path={self._socket('disk')}"
        ports = ((it, f"virtserialport,chardev={it},name={it}") for it in ("agent", "told"))
        return (
            "qemu-system-x86_64", "-accel", "tcg", "-cpu", "Nehalem,+rdrand", "-smp", "2", "-m", "640",
            "-nographic", "-nodefaults", "-no-reboot",
            "-kernel", str(self._made.with_suffix(KERNEL)), "-initrd", str(self._made.with_suffix(FIRST_FILES)),
            "-append", WORDS,
            "-serial", "stdio",
            "-qmp", f"unix:{self._socket('qmp')},server=on,wait=off",
            "-blockdev", disk, "-device", "virtio-blk-pci,drive=disk",
            "-drive", f"file={self._stick},format=raw,if=virtio,readonly=on",
            "-chardev", opened("tty"), "-serial", "chardev:tty", "-device", "virtio-serial",
            *(word for name, port in ports for word in ("-chardev", opened(name), "-device", port)),
            "-device", "qemu-xhci,id=xhci",
            *(word for number in SOCKETS for word in ("-chardev", opened(f"usb{number}"))),
        )  # fmt: skip


def _disk_of(root: Path) -> Path:
    """A disk with these files, the agent and the ear, and beside it what the machine starts with; made once."""
    texts = [Path(__file__).with_name(it).read_text() for it in ("agent.py", "kernel.py")]
    mark = sha256("".join((*texts, AGENT, EAR, SIZE, *IDLE)).encode()).hexdigest()[:8]
    disk = root.with_name(f"{root.name}-{mark}.img")
    with root.with_name(f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not disk.exists():
            for old in root.parent.glob(f"{root.name}-*.*"):
                old.unlink()
            image = next((root / "boot").glob("vmlinuz-*")).read_bytes()
            for suffix, made in ((KERNEL, unpacked(image)), (FIRST_FILES, first_files(root))):
                disk.with_suffix(suffix).write_bytes(made)
            _make_disk(root, disk.with_suffix(".part")).rename(disk)
    return disk


def _make_disk(root: Path, part: Path) -> Path:
    part.unlink(missing_ok=True)
    _image(part, root, SIZE)
    orders = [f"write {Path(__file__).with_name('agent.py')} /opt/agent.py", f"rm {ENABLED}/mosquitto.service"]
    for name, text in (("agent", AGENT), ("ear", EAR)):
        unit = part.with_suffix(f".{name}")
        unit.write_text(text)
        orders += [f"write {unit} /etc/systemd/system/{name}.service"]
    orders.append(f"symlink {ENABLED}/agent.service /etc/systemd/system/agent.service")
    orders += [f"symlink /etc/systemd/system/{it} /dev/null" for it in IDLE]
    _debugfs(part, *orders)
    for name in ("agent", "ear"):
        part.with_suffix(f".{name}").unlink()
    return part


def _image(path: Path, files: Path, size: str) -> None:
    subprocess.run(["truncate", "-s", size, str(path)], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(files), str(path)], check=True, capture_output=True)


def _debugfs(image: Path, *orders: str) -> None:
    words = "".join(f"{order}\n" for order in orders)
    subprocess.run(["debugfs", "-w", "-f", "-", str(image)], input=words, text=True, check=True, capture_output=True)
