"""The contract suite over every registered driver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import registry
from drivers.suite import CHECKS, Subject, load, load_all

CAPTURES = Path(__file__).parent.parent / "captures"


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_a_registered_driver_keeps_the_contract(name: str, check: Callable[[Subject], None]) -> None:
    check(Subject(registry.find(name), load(CAPTURES / name), load_all(CAPTURES, but=name)))


def test_every_capture_folder_belongs_to_a_driver() -> None:
    folders = {path.name for path in CAPTURES.iterdir() if path.is_dir()}
    assert folders <= set(registry.names())
