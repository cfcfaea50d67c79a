#!@PYTHON@ -I
"""punchgate with the libraries of its own release, before those of the system.

What the centre needs besides, only the centre's commands see.
A site's own drivers may lie in /usr/local/lib/punchgate: pip install --no-deps --target /usr/local/lib/punchgate …
"""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
CENTRE = "@CENTRE@"
MINORS = ("@MINORS@",)
SITE = "/usr/local/lib/punchgate"

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

from gateway.commands import main  # noqa: E402

main()
