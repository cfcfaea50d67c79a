"""Whether the centre has said it, to us: what every signed message from above has to pass before it is acted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from gateway.downward.bounded import bounded
from gateway.errors import Rejected


class Addressed(Protocol):
    """A message that names the gateway it is for, as site/gateway."""

    @property
    def gateway(self) -> str: ...


class Key(Protocol):
    """The centre's key."""

    def check(self, payload: bytes) -> None:
        """Raises Rejected if it has not signed these bytes."""


Said = TypeVar("Said", bound=Addressed)


class Refusal(Rejected):
    """It is not believed, or not obeyed: `kind` counts it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def believed(payload: bytes, key: Key | None, most_bytes: int, read: Callable[[bytes], Said], what: str) -> Said:
    """The message, read after its size and signature were found good; `what` it is, in the plural. Raises Refusal."""
    if key is None:
        raise Refusal("no_key", f"{what} need uplink.centre_key_file")
    _or_refused("oversized", lambda: bounded(payload, most_bytes))
    _or_refused("forged", lambda: key.check(payload))
    return _or_refused("malformed", lambda: read(payload))


def for_us(said: Addressed, address: str, what: str) -> None:
    """Raises Refusal if it is for another gateway than `address`."""
    if said.gateway != address:
        raise Refusal("foreign", f"{what} is for another gateway")


Answer = TypeVar("Answer")


def _or_refused(kind: str, ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except Rejected as error:
        raise Refusal(kind, error.message) from error
