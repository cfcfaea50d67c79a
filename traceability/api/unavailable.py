"""What goes wrong below the questions, as an answer that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.errors import PunchgateError
from traceability.api.application import Refusal


@contextmanager
def told() -> Iterator[None]:
    """A ledger that cannot be read is 503, to be tried again."""
    try:
        yield
    except PunchgateError as error:
        raise Refusal(503, "unavailable", error.message, error.remedy or "", wait_s=5) from error
