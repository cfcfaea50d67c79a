"""The box's identity at its centre, as the answers want it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from config.answers import Setup
from gateway.errors import Misconfigured

EnrolAt = Callable[[str, str, str, Path], list[Path]]


def by_code(setup: Setup, gateway: str, config: Path) -> list[Path]:
    """Over the network, with a one-time code; the files that were written. Raises what `enrol_at` raises."""
    try:
        enrol_at: EnrolAt = import_module("gateway.identity.network").enrol_at
    except ModuleNotFoundError as error:
        remedy = 'set setup.enrol = "files", and carry two files'
        raise Misconfigured("this version does not enrol over the network", remedy=remedy) from error
    return enrol_at(setup.centre or "", setup.code or "", gateway, config)


def by_files(gateway: str, config: Path) -> tuple[Path, str]:
    """The request to carry to the centre, beside the configuration, and its fingerprint. Raises Misconfigured."""
    from gateway.identity.box import Box
    from gateway.whole_file import put

    paper = Box(config, gateway).request()
    return put(config.with_name(f"{gateway}.request"), paper.bytes()), paper.fingerprint
