"""The box's identity at its centre, as the answers want it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from config.answers import Setup
from gateway.errors import PunchgateError

if TYPE_CHECKING:
    from gateway.identity.papers import Request


def by_code(setup: Setup, gateway: str, config: Path) -> list[Path]:
    """Over the network, with a one-time code; the files that were written. Raises what `enrol_at` raises."""
    from gateway.identity.network import enrol_at

    return enrol_at(setup.centre or "", setup.code or "", gateway, config)


def by_files(gateway: str, config: Path) -> tuple[Path, str]:
    """The request to carry to the centre, beside the configuration, and its fingerprint. Raises Misconfigured.

    One of the same keys that lies there already stays: somebody may be on the way with it.
    """
    from gateway.identity.box import Box
    from gateway.whole_file import put

    target, paper = config.with_name(f"{gateway}.request"), Box(config, gateway).request()
    earlier = _earlier(target)
    if earlier is not None and _keys(earlier) == _keys(paper):
        return target, earlier.fingerprint
    return put(target, paper.bytes()), paper.fingerprint


def _earlier(path: Path) -> Request | None:
    """What lies there, if it is a request that a centre would take."""
    from gateway.identity.papers import Request

    try:
        found = Request.read(path.read_bytes())
        _keys(found)
    except (OSError, PunchgateError):
        return None
    return found


def _keys(paper: Request) -> tuple[str, str, str, str]:
    from gateway.identity import certificates as x509

    key = x509.public_key_of(paper.csr.encode(), paper.gateway)
    return paper.gateway, paper.sign_key, paper.box_key, x509.key_mark(key)
