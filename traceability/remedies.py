"""What a refusal of the broker means to whoever runs the centre."""

from __future__ import annotations

import ssl

EARLIEST_PLAUSIBLE_S = 1_735_689_600  # 2025-01-01: a clock before it was never set
OUT_OF_DATE = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and CERT_HAS_EXPIRED."""
NO_BROKER = "is the broker running, and are centre.url, ca_file and the network right? The centre tries again"

CONNECTION = {
    132: "this broker does not speak MQTT 5; the centre needs one that does",
    133: "the broker refuses the client id: allow punchgate-centre-* in its ACL",
    134: "check centre.username and centre.password_file",
    135: "give the centre's user the right to connect in the broker's ACL",
    138: "the broker has banned the centre: lift the ban",
    142: "another centre runs with a copy of this state directory: remove centre.id there and start it again",
    149: "raise the broker's message size limit",
}
SUBSCRIPTION = {
    135: "give the centre's user the right to read {prefix}/+/+/records, replay and state in the broker's ACL",
    143: "check centre.prefix and centre.share",
    158: 'this broker has no shared subscriptions: set centre.share = ""',
    162: "this broker allows no wildcards in subscriptions; the centre needs them",
}


def for_connection(code: int | None) -> str:
    """Remedy for a CONNACK or DISCONNECT reason code; None: the network, no broker, or a broker that just hung up."""
    return NO_BROKER if code is None else CONNECTION.get(code, "look into the broker's log; the centre tries again")


def for_network(error: BaseException | None, now_s: float) -> tuple[str, str]:
    """Text and remedy for what went wrong while connecting, at this unix time."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if now_s < EARLIEST_PLAUSIBLE_S:
            return (
                f"clock: certificate check failed: {error.verify_message}",
                "set the clock; the centre tries again",
            )
        dated = getattr(error, "verify_code", None) in OUT_OF_DATE
        return (
            f"broker's certificate refused: {error.verify_message}",
            "is this machine's clock right? Then the broker or centre.ca_file needs a certificate that is valid now"
            if dated
            else "check centre.ca_file and the name in centre.url",
        )
    return str(error or "cannot connect"), NO_BROKER


def for_subscription(code: int) -> str:
    """Remedy for a SUBACK reason code."""
    return SUBSCRIPTION.get(code, "look into the broker's log; the centre asks again")
