"""The station that carries durable records away and takes receipts."""

from gateway.uplink.link import Link
from gateway.uplink.outbox import WindowLimits
from gateway.uplink.rules import CameDown, UplinkRules
from gateway.uplink.signature import CentreKey, NoKey, PublicKey
from gateway.uplink.uplink import Uplink, UplinkListener

__all__ = [
    "CameDown",
    "CentreKey",
    "Link",
    "NoKey",
    "PublicKey",
    "Uplink",
    "UplinkListener",
    "UplinkRules",
    "WindowLimits",
]
