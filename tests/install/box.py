"""A small Debian machine without a network: its files, and if wanted its own systemd, gone with the test.

The files are a cached debootstrap with a layer of the test's own over it. Each command sees an empty network, its own
processes and mounts; after `boot` all commands share those of the box's systemd.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HAS = ("python3", "tzdata", "systemd", "udev", "openssl")
"""What the box has beyond Debian's required packages."""

Note = Callable[[str, float], None]
"""Takes what was done, and how many seconds it took."""

STICK = "media/stick"
BOOT_WITHIN_S = 90.0
COMMAND_WITHIN_S = 120.0
CHROOT_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

MOUNTS = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$base,upperdir=$layer/files,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mkdir -p "$root/$stick"
mount --bind -o ro "$packages" "$root/$stick"
"""
CGROUPS = """
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/run"
if [ -d /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
"""
# Not chroot: the kernel makes no user namespace for what lives in one, and units ask for theirs.
PIVOT = """
cd "$root"
pivot_root . .
umount -l .
cd /
"""
# Nothing may ever run on the machine of the tests itself: a box has a file that no machine has.
MARK = "etc/dpkg/dpkg.cfg.d/punchgate-box"
ENTER = f"""
[ -e /{MARK} ] || {{ echo "this is no box"; exit 99; }}
cd /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
"""
SYSTEMD = "exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd\n"
INTO_GROUPS = 'while [ "$1" != -- ]; do mkdir -p "$1"; echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


class Box:
    """One machine. `durations` gathers what each command took."""

    def __init__(self, base: Path, folder: Path, packages: Path) -> None:
        self.root = folder / "root"
        for name in ("root", "files", "work"):
            (folder / name).mkdir(parents=True)
        self._places = {
            "base": str(base),
            "layer": str(folder),
            "root": str(self.root),
            "stick": STICK,
            "packages": str(packages),
        }
        self._init: int | None = None
        self._group = f"punchgate-box-{os.getpid()}-{folder.name}"
        self.durations: list[tuple[str, float]] = []

    def run(self, *command: str, code: int | None = 0, words: str = "") -> str:
        """What a command prints, on both; `words` is its input. It must end with this code, None: any."""
        if self._init is None:
            spaces = ("--net", "--mount", "--pid", "--fork", "--kill-child")
            argv = ["unshare", *spaces, "sh", "-c", MOUNTS + PIVOT + ENTER, "box"]
        else:
            spaces = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup")
            argv = ["nsenter", f"--target={self._init}", *spaces, "sh", "-c", ENTER, "box"]
        started = time.monotonic()
        done = subprocess.run(
            [*argv, *command], env=os.environ | self._places, input=words, timeout=COMMAND_WITHIN_S,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.durations.append((" ".join(command), time.monotonic() - started))
        assert code is None or done.returncode == code, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def sh(self, script: str, code: int | None = 0, words: str = "") -> str:
        """What a line of shell prints."""
        return self.run("sh", "-c", script, code=code, words=words)

    @property
    def init(self) -> int:
        """The process id of its systemd, once it has booted."""
        assert self._init is not None, "the box is off"
        return self._init

    def put(self, path: str, text: str) -> None:
        self.sh(f'mkdir -p "$(dirname {path})" && cat > {path}', words=text)

    def eventually(self, script: str, within_s: float = 60.0) -> str:
        """Repeats a line of shell until it ends with 0; what it printed."""
        deadline = time.monotonic() + within_s
        while True:
            said = self.sh(f"{script} && echo came to pass", code=None)
            if said.endswith("came to pass\n"):
                return said.removesuffix("came to pass\n")
            assert time.monotonic() < deadline, f"{script} did not come to pass:\n{said}"
            time.sleep(0.2)

    def listing(self) -> set[str]:
        """All files but those of dpkg, apt, logs and run time."""
        passed_over = "/proc /sys /dev /run /tmp /media /var/cache /var/log /etc/.updated /var/.updated"
        passed_over += " /var/lib/dpkg /var/lib/apt /var/lib/systemd"
        pruned = " -o ".join(f"-path {place}" for place in passed_over.split())
        return set(self.sh(rf"find / \( {pruned} \) -prune -o -print").splitlines())

    @contextmanager
    def boot(self) -> Iterator[None]:
        """Within, the box runs its own systemd."""
        groups = [place / self._group for place in _places_of_groups()]
        spaces = ("--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child")
        script = MOUNTS + CGROUPS + PIVOT + SYSTEMD
        argv = ["sh", "-c", INTO_GROUPS, "groups", *map(str, groups), "--", "unshare", *spaces, "sh", "-c", script]
        with (self.root.parent / "boot.log").open("wb") as log:
            process = subprocess.Popen(
                argv, env=os.environ | self._places, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._init = _child_of(process)
            self.eventually("systemctl is-system-running | grep -E 'running|degraded'", BOOT_WITHIN_S)
            yield
        finally:
            if self._init is not None:
                os.kill(self._init, 9)
            self._init = None
            process.kill()
            process.wait()
            for group in groups:
                _remove(group)


def _child_of(process: subprocess.Popen[bytes]) -> int:
    """The process that unshare made, once it is systemd."""
    deadline = time.monotonic() + BOOT_WITHIN_S
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while time.monotonic() < deadline and process.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.05)
    raise AssertionError("the box does not boot")


def _places_of_groups() -> list[Path]:
    """Where groups of processes are made: one in version 2 of cgroups; in version 1, or both, one of each kind.

    A systemd uses whatever kinds there are; two of them in one group would take each other's services for their own.
    """
    top = Path("/sys/fs/cgroup")
    if not (top / "systemd").is_dir():
        return [top]
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        place = top / (kinds.removeprefix("name=") or "unified") / path.lstrip("/")
        if kinds != "cpuset" and place.is_dir():
            found.append(place)
    return found


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 5
    while group.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                time.sleep(0.05)


def base(suite: str, has: Sequence[str] = HAS) -> Path:
    """The files of a Debian release, made once and kept outside of the repository."""
    store = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "punchgate" / "boxes"
    place = store / f"{suite}-{'-'.join(has)}"
    store.mkdir(parents=True, exist_ok=True)
    with (store / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / MARK).exists():
            shutil.rmtree(place, ignore_errors=True)
            part = place.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", f"--include={','.join(has)}", suite, str(part)]
            done = subprocess.run([*command, *_mirror()], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            (part / MARK).write_text("force-unsafe-io\n")
            part.rename(place)
    return place


def grown(root: Path, *packages: str) -> Path:
    """The same files with more of Debian's packages; made once, beside them."""
    place = root.with_name(f"{root.name}+{'+'.join(packages)}")
    with root.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            part = place.with_name(f"{place.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            script = (
                f"apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)} && apt-get clean"
            )
            for command in (["cp", "-a", str(root), str(part)], ["chroot", str(part), "sh", "-c", script]):
                done = subprocess.run(
                    command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "PATH": CHROOT_PATH},
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
            part.rename(place)
    return place


def _mirror() -> list[str]:
    """The mirror this machine takes Debian from; none, and debootstrap takes its own."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(path.read_text("utf-8", "replace") for path in sources if path.is_file())
    found = re.search(r"^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+/debian/?)(?:\s|$)", text, re.MULTILINE)
    return [found[1]] if found else []
