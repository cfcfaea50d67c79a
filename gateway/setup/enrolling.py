"""The box's identity at its centre, as the answers want it."""

from __future__ import annotations

from pathlib import Path

from config.answers import Setup


def by_code(setup: Setup, gateway: str, config: Path) -> list[Path]:
    """Over the network, with a one-time code; the files that were written. Raises what `enrol_at` raises."""
    from gateway.identity.network import enrol_at

    return enrol_at(setup.centre or "", setup.code or "", gateway, config)


def by_files(gateway: str, config: Path) -> tuple[Path, str]:
    """The request to carry to the centre, beside the configuration, and its fingerprint. Raises Misconfigured."""
    from gateway.identity.box import Box
    from gateway.whole_file import put

    paper = Box(config, gateway).request()
    return put(config.with_name(f"{gateway}.request"), paper.bytes()), paper.fingerprint
