"""Builds what a site without a network installs: `python systemd/package.py` in the development environment.

    punchgate_VERSION_ARCH.deb          the program and the gateway's service, for Debian 12 and 13
    punchgate-centre_VERSION_all.deb    the centre's service
    punchgate-VERSION-ARCH.run          the same for other systems
    *.cdx.json                          what is inside (CycloneDX)
    SHA256SUMS, SHA256SUMS.sig          checksums of all that, and with --key an Ed25519 signature of them

Wheels come from requirements.lock with its hashes, for other architectures too; the same commit makes the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bundle.build import Order, build
from bundle.trouble import Trouble
from bundle.wheels import MACHINES

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("deb", "run")


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, or 1 with one message."""
    words = _parser().parse_args(arguments)
    order = Order(
        root=ROOT,
        out=words.out,
        store=words.wheels,
        archs=words.arch or list(MACHINES),
        kinds=words.kind or list(KINDS),
        key=words.key,
    )
    try:
        for line in build(order):
            sys.stdout.write(f"{line}\n")
    except Trouble as trouble:
        sys.stderr.write(f"package.py: {trouble}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="builds the packages", epilog="docs/install.md has the rest")
    parser.add_argument("--arch", action="append", choices=sorted(MACHINES), help="only this one; may be repeated")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the packages (dist)")
    parser.add_argument("--key", type=Path, help="Ed25519 private key (PEM) that signs SHA256SUMS")
    parser.add_argument("--wheels", type=Path, help="where fetched wheels are kept (~/.cache/punchgate/wheels)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
