#!@PYTHON@ -I
"""punchgate with the libraries of its own release, before those of the system.

What the centre needs besides, only the centre's commands see.
A site's own drivers may lie in /usr/local/lib/punchgate: pip install --no-deps --target /usr/local/lib/punchgate …
"""

import os
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
CENTRE = "@CENTRE@"
MINORS = ("@MINORS@",)
SITE = "/usr/local/lib/punchgate"
STARTS_WITHIN_US = 600_000_000


def take_time(service: str) -> None:
    """Tells systemd that this start may take minutes, unless the release is on trial.

    One that has stayed up before is slow because the machine is, and would be started over and over for nothing.
    """
    good = HOME.parents[1] / "good"
    if good.exists() and good.resolve() != HOME:
        return
    import contextlib
    import socket

    address = f"\0{service[1:]}" if service.startswith("@") else service
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, contextlib.suppress(OSError):
        line.sendto(b"EXTEND_TIMEOUT_USEC=%d" % STARTS_WITHIN_US, address)


minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
if minor not in MINORS:
    has = ", ".join(MINORS)
    sys.stderr.write(
        f"punchgate: no libraries for Python {minor}, only for {has}: install the package for this system\n"
    )
    sys.exit(69)
sys.path[:0] = [f"{HOME}/lib", f"{HOME}/lib-{minor}"]
if sys.argv[1:2] == ["centre"] or sys.argv[1:3] == ["journal", "import"]:
    sys.path += [str(HOME / CENTRE / folder) for folder in ("lib", f"lib-{minor}")]
sys.path.append(SITE)
if "NOTIFY_SOCKET" in os.environ:
    take_time(os.environ["NOTIFY_SOCKET"])

from gateway.commands import main  # noqa: E402

main()
