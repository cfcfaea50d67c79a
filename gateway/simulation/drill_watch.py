"""What a drill hears at the broker: how far the centre is, and when it had the first record after a mend."""

from __future__ import annotations

import json
from typing import Any

from gateway.errors import Rejected
from gateway.simulation.listener import Heard, commits
from gateway.wire import unpack

FACTS = {"punchgate.credential.read.v1", "punchgate.passage.sensed.v1"}


class Watch:
    """Follows the records and the receipts. `first_s`: from `expect` to the receipt for a read or pass sent since."""

    def __init__(self) -> None:
        self.through = self.newest = 0
        self.first_s: float | None = None
        self._since = float("inf")
        self._device: str | None = None
        self._sent: set[tuple[str, int]] = set()

    def expect(self, since: float, device: str | None) -> None:
        """From now on wait for the first record, of this device or of any."""
        self._since, self._device, self.first_s = since, device, None
        self._sent.clear()

    def hear(self, heard: Heard) -> None:
        """A message has passed the broker; what is not valid is not counted."""
        try:
            if heard.topic in ("records", "replay"):
                for line in unpack(heard.body, heard.encoding):
                    self._hear_record(json.loads(line), heard.at_s)
            elif heard.topic == "receipt":
                self._hear_receipt(json.loads(heard.body), heard.at_s)
        except (Rejected, ValueError, KeyError, TypeError):
            return

    def _hear_record(self, event: dict[str, Any], at_s: float) -> None:
        data = event["data"]
        self.newest = max(self.newest, data["seq"])
        if event["type"] in FACTS and at_s > self._since and self._device in (None, data["device"]):
            self._sent.add((data["epoch"], data["seq"]))

    def _hear_receipt(self, receipt: dict[str, Any], at_s: float) -> None:
        self.through = max(self.through, receipt["through"])
        if self.first_s is None and any(e == receipt["epoch"] and commits(receipt, seq) for e, seq in self._sent):
            self.first_s = at_s - self._since
