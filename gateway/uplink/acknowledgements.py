"""What the broker's PUBACKs prove and ask for, and what is to be said of it.

Only "success" means that somebody has the records. "No subscriber" sends them again, a stream at a time: a consumer
of `records` alone must get what is made now though nobody takes the `replay`. A refusal stops the sending for a while
with a remedy; a batch that is too large is sent in smaller ones, and a single record that is too large is set apart,
so that it does not stop those behind it.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.uplink.outbox import Shipment, Stream
from gateway.uplink.remedies import FAILURE_FROM, NO_SUBSCRIBER, PACKET_TOO_LARGE
from gateway.uplink.sender import Sender

REFUSED_PAUSE_S = 10.0
NOBODY_PAUSE_S = 0.97
NOBODY = "nobody subscribes to the records; start the centre, or check its share and prefix"

log = structlog.get_logger()


class Acknowledgements:
    """`say` gets the reason why records do not arrive, or None; `arrived` each shipment that did; `explain` puts a
    refusal's code into words.
    """

    def __init__(
        self,
        sender: Sender,
        say: Callable[[str | None], None],
        arrived: Callable[[Shipment], None],
        explain: Callable[[int], str],
    ) -> None:
        self._sender = sender
        self._explain = explain
        self._say = say
        self._arrived = arrived
        self._reason: str | None = None
        self._stream: Stream | None = None
        self._no_receipts: str | None = None

    def begin(self) -> None:
        """A new session: nothing is known of it."""
        self._reason = self._stream = self._no_receipts = None

    def take(self, mid: int, code: int) -> None:
        """A PUBACK; a negative `mid` stands for the subscription to the receipts."""
        if mid < 0:
            self._no_receipts = f"receipts: {self._explain(code)}"
            self.tell()
            return
        shipment = self._sender.acknowledged(mid)
        if shipment is None:
            return
        if code == PACKET_TOO_LARGE:
            self._sender.too_large(shipment)
        elif code >= FAILURE_FROM:
            self._sender.put_back(shipment, REFUSED_PAUSE_S)
            self._not_taken(shipment, self._explain(code), "uplink.refused")
        elif code == NO_SUBSCRIBER:
            self._sender.unheard(shipment, NOBODY_PAUSE_S)
            self._not_taken(shipment, NOBODY, "uplink.nobody")
        else:
            self._sender.heard(shipment)
            self._mend(shipment)
            self._arrived(shipment)
        self._sender.pump()

    def _not_taken(self, shipment: Shipment, reason: str, event: str) -> None:
        self._stream = shipment.stream
        if self._reason != reason:
            self._reason = reason
            log.warning(event, reason=reason, stream=shipment.stream)
        self.tell()

    def _mend(self, shipment: Shipment) -> None:
        """That records are taken says nothing of a replay that nobody takes."""
        if shipment.stream == "replay" or self._stream != "replay" or not self._sender.outbox.replay:
            self._reason = self._stream = None
        self.tell()

    def tell(self) -> None:
        """Say what is wrong now."""
        self._say(self._reason or self._sender.complaint or self._no_receipts)
