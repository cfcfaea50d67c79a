"""What tests tell beside their outcome; it travels with their reports, from whichever process ran them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


def tell(item: pytest.Item, name: str, value: Any) -> None:
    """Add a value of JSON's kinds to what a test tells under this name."""
    item.user_properties.append((name, value))


def told(reporter: pytest.TerminalReporter, name: str) -> Iterator[Any]:
    """What all tests of the run have told under this name."""
    reports = [it for several in reporter.stats.values() for it in several if isinstance(it, pytest.TestReport)]
    for report in reports:
        if report.when == "teardown":
            yield from (value for key, value in report.user_properties if key == name)
