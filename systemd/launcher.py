#!@PYTHON@ -I
"""punchgate with the libraries it was tested with, before those of the system.

A site's own drivers may lie in /usr/local/lib/punchgate: pip install --no-deps --target /usr/local/lib/punchgate …
"""

import sys

HOME = "@HOME@"
MINORS = "@MINORS@"
SITE = "/usr/local/lib/punchgate"

minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
if minor not in MINORS.split():
    sys.stderr.write(
        f"punchgate: no libraries for Python {minor}, only for {MINORS}: install the package for this system\n"
    )
    sys.exit(69)
sys.path[:0] = [f"{HOME}/lib", f"{HOME}/lib-{minor}"]
sys.path.append(SITE)

from gateway.commands import main  # noqa: E402

main()
