"""How records travel, and who takes what comes back beside receipts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.signature import Signer, unsigned
from gateway.uplink.outbox import WindowLimits

CameDown = Callable[[str, bytes, bool], None]
"""Takes the topic below prefix/site/gateway/, the payload, and whether the broker had kept it; must not raise."""


@dataclass(frozen=True, slots=True)
class UplinkRules:
    """How records travel. `settle`: what proves that one has arrived; `sign` signs what is said of the journal."""

    settle: Literal["receipt", "puback"]
    deflate: bool
    window: WindowLimits
    sign: Signer = unsigned
