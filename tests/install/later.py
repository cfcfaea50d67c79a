"""Other releases, made of packages that were built: later ones, good and bad, and one of when only one was kept."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path

GATEWAY = "lib/gateway"
FAILS_AT_IMPORT = "\nraise ImportError('this release is broken')\n"
HANGS = "\nimport time\ntime.sleep(3600)\n"
DIES = """
_tell = notify
def notify(state):
    _tell(state)
    if state.startswith("READY"):
        asyncio.get_running_loop().call_later(2.0, _broken)
def _broken():
    raise RuntimeError("this release is broken")
"""
SCHEMA_AHEAD = """
STEPS = (*STEPS, "CREATE TABLE companions (seq INTEGER PRIMARY KEY, said TEXT NOT NULL);")
OLDEST_WRITERS = (*OLDEST_WRITERS, SCHEMA_VERSION)
SCHEMA_VERSION = len(STEPS)
"""
SLOW_STEPS, SLOW_STEP_S = 10, 2.0
SLOW_COPY = f"""{SCHEMA_AHEAD}
import time
BACK_UP_PAGES = 1
_at_once, _left = sync, [{SLOW_STEP_S}] * {SLOW_STEPS}
def sync(path):
    time.sleep(_left.pop() if _left else 0.0)
    _at_once(path)
"""
"""The first steps of the copy take so long each."""


ONE_RELEASE = Path(__file__).parent / "one_release"
"""What dpkg ran, and /usr/bin/punchgate, when one release was all that a box had."""


def of_one_release(packages: Path, out: Path, version: str) -> Path:
    """punchgate as a .deb in `out` as it was laid out before: libraries at home, no keeper, no release beside it."""
    tree = _unpacked(packages, out, version)
    home = tree / "usr" / "lib" / "punchgate"
    for libraries in (home / "dist").glob("lib*"):
        libraries.rename(home / libraries.name)
    units = tree / "usr" / "lib" / "systemd" / "system"
    for gone in (home / "dist", home / "keeper", tree / "usr" / "sbin", units / "punchgate.service.d"):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    for gone in (*units.glob("punchgate-renew.*"), units / "timers.target.wants", tree / "usr" / "bin" / "punchgate"):
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    (tree / "DEBIAN" / "preinst").unlink()
    places = {
        "postinst": tree / "DEBIAN",
        "prerm": tree / "DEBIAN",
        "punchgate": tree / "usr" / "bin",
        "rtupdate": tree / "usr" / "share" / "python3" / "runtime.d",
    }
    for name, folder in places.items():
        target = folder / (f"punchgate.{name}" if name == "rtupdate" else name)
        shutil.copyfile(ONE_RELEASE / name, target)
        target.chmod(0o755)
    return _packed(tree, out / f"punchgate_{version}.deb")


def debian(packages: Path, out: Path, version: str, added: Mapping[str, str]) -> Path:
    """punchgate as a .deb in `out`, with text added at the end of files of its release."""
    tree = _unpacked(packages, out, version)
    dist = tree / "usr" / "lib" / "punchgate" / "dist"
    (dist / "version").write_text(f"{version}\n")
    for path, text in added.items():
        (dist / path).write_text((dist / path).read_text("utf-8") + text, "utf-8")
    return _packed(tree, out / f"punchgate_{version}.deb")


def _unpacked(packages: Path, out: Path, version: str) -> Path:
    """The files of the package under another version, without their checksums."""
    (built,) = packages.glob("punchgate_*.deb")
    tree = out / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", str(built), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.MULTILINE))
    (tree / "DEBIAN" / "md5sums").unlink()
    return tree


def _packed(tree: Path, made: Path) -> Path:
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(made)]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(tree)
    return made


def installer(packages: Path, out: Path, version: str, added: Mapping[str, str]) -> Path:
    """The same as a .run."""
    (built,) = packages.glob("punchgate-*.run")
    data = built.read_bytes()
    found = re.search(rb"^head_bytes=(\d+)$", data, re.MULTILINE)
    assert found is not None
    head, payload = data[: int(found[1])], data[int(found[1]) :]
    buffer = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(gzip.decompress(payload))) as old,
        tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as new,
    ):
        for member in old:
            stream = old.extractfile(member) if member.isfile() else None
            content = stream.read() if stream else b""
            name = member.name.removeprefix("./")
            content = f"{version}\n".encode() if name == "version" else content + added.get(name, "").encode()
            member.size = len(content) if member.isfile() else 0
            new.addfile(member, BytesIO(content) if member.isfile() else None)
    changed = gzip.compress(buffer.getvalue(), compresslevel=1)
    digests = [sha256(it).hexdigest().encode() for it in (payload, changed)]
    made = out / f"punchgate-{version}.run"
    made.write_bytes(head.replace(*digests) + changed)
    return made
