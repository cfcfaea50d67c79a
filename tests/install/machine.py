"""A Debian machine of its own under qemu, in software: its kernel, its disk, a serial port, and a plug to pull.

What the box of `box.py` cannot show: that what was acknowledged is on a disk when the power goes. The disk is a file
that the machine's kernel writes to; when qemu is killed, what that kernel had not written is gone, as on hardware.
"""

from __future__ import annotations

import json
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from box import HAS, STICK, base

KERNEL = {"x86_64": "linux-image-cloud-amd64", "aarch64": "linux-image-cloud-arm64"}
MACHINE_HAS = (*HAS, "systemd-sysv", "dbus", "mosquitto", "initramfs-tools", "kmod")
BOOT_WITHIN_S = 180.0
COMMAND_WITHIN_S = 240.0
SIZE = "2G"
UNIT = """\
[Unit]
Wants=dev-virtio\\x2dports-agent.device
After=dev-virtio\\x2dports-agent.device

[Service]
ExecStart=/usr/bin/python3 /opt/agent.py
Restart=always
"""
WANTED = "/etc/systemd/system/multi-user.target.wants/agent.service"


class Machine:
    """One machine; `packages` lie on a stick that it can read. `tty` is the other end of its /dev/ttyS1."""

    def __init__(self, suite: str, folder: Path, packages: Path) -> None:
        self._root = base(suite, (*MACHINE_HAS, KERNEL[platform.machine()]))
        self._folder = folder
        self._disk, self._stick = folder / "disk.img", folder / "stick.img"
        shutil.copyfile(_disk_of(self._root), self._disk)
        _image(self._stick, packages, "64M")
        self._process: subprocess.Popen[bytes] | None = None
        self.boot()

    def boot(self) -> None:
        """Switch it on, and wait until it takes orders."""
        agent, tty = self._folder / "agent.sock", self._folder / "tty.sock"
        for old in (agent, tty):
            old.unlink(missing_ok=True)
        with (self._folder / "console.log").open("ab") as log:
            self._process = subprocess.Popen(self._command(agent, tty), stdout=log, stderr=log)
        self._agent = _connected(agent)
        self._agent.settimeout(BOOT_WITHIN_S)
        self._answers = self._agent.makefile("rb")
        assert json.loads(self._answers.readline() or b"{}") == {"code": 0, "said": "up"}, "the machine does not boot"
        self.tty = _connected(tty)
        self.sh(f"mkdir -p /{STICK} && mount -o ro /dev/vdb /{STICK}")

    def cut_power(self) -> None:
        """Without a word to anybody."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._agent.close()
        self.tty.close()

    def sh(self, script: str, code: int | None = 0) -> str:
        """What a line of shell prints, on both; it must end with this code, None: any."""
        self._agent.settimeout(COMMAND_WITHIN_S)
        self._agent.sendall(json.dumps(script).encode() + b"\n")
        answer = json.loads(self._answers.readline())
        assert code is None or answer["code"] == code, f"{script} ended with {answer['code']}:\n{answer['said']}"
        return str(answer["said"])

    def put(self, path: str, text: str) -> None:
        self.sh(f"mkdir -p $(dirname {path}) && cat > {path} <<'END_OF_FILE'\n{text}\nEND_OF_FILE")

    def eventually(self, script: str, within_s: float = 120.0) -> str:
        """Repeats a line of shell until it ends with 0; what it printed."""
        deadline = time.monotonic() + within_s
        while True:
            said = self.sh(f"{script} && echo came to pass", code=None)
            if said.endswith("came to pass\n"):
                return said.removesuffix("came to pass\n")
            assert time.monotonic() < deadline, f"{script} did not come to pass:\n{said}"
            time.sleep(0.5)

    def _command(self, agent: Path, tty: Path) -> Sequence[str]:
        boot = self._root / "boot"
        return (
            f"qemu-system-{platform.machine()}", "-accel", "tcg", "-cpu", "max", "-m", "640",
            "-nographic", "-nodefaults", "-no-reboot",
            "-kernel", str(next(boot.glob("vmlinuz-*"))), "-initrd", str(next(boot.glob("initrd.img-*"))),
            "-append", "root=/dev/vda rw console=ttyS0 quiet panic=-1", "-serial", "stdio",
            "-drive", f"file={self._disk},format=raw,if=virtio", "-drive", f"file={self._stick},format=raw,if=virtio",
            "-chardev", f"socket,id=tty,path={tty},server=on,wait=off", "-serial", "chardev:tty",
            "-device", "virtio-serial", "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=agent",
        )  # fmt: skip


def _disk_of(root: Path) -> Path:
    """A disk with these files, and the agent; made once."""
    agent = Path(__file__).with_name("agent.py")
    disk = root.with_name(f"{root.name}-{sha256(agent.read_bytes()).hexdigest()[:8]}.img")
    if not disk.exists():
        part = disk.with_suffix(".part")
        part.unlink(missing_ok=True)
        _image(part, root, SIZE)
        unit = part.with_suffix(".unit")
        unit.write_text(UNIT)
        _debugfs(
            part,
            f"write {agent} /opt/agent.py",
            f"write {unit} /etc/systemd/system/agent.service",
            f"symlink {WANTED} /etc/systemd/system/agent.service",
            "rm /etc/systemd/system/multi-user.target.wants/mosquitto.service",
        )
        part.rename(disk)
    return disk


def _image(path: Path, files: Path, size: str) -> None:
    subprocess.run(["truncate", "-s", size, str(path)], check=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(files), str(path)], check=True, capture_output=True)


def _debugfs(image: Path, *orders: str) -> None:
    words = "".join(f"{order}\n" for order in orders)
    subprocess.run(["debugfs", "-w", "-f", "-", str(image)], input=words, text=True, check=True, capture_output=True)


def _connected(path: Path) -> socket.socket:
    deadline = time.monotonic() + 20
    while True:
        plug = socket.socket(socket.AF_UNIX)
        try:
            plug.connect(str(path))
        except OSError:
            plug.close()
            assert time.monotonic() < deadline, f"{path} does not answer"
            time.sleep(0.05)
        else:
            return plug
