"""What a refusal of the broker or of TLS means, and what mends it."""

from __future__ import annotations

import re
import socket
import ssl

NO_SUBSCRIBER = 0x10
FAILURE_FROM = 0x80
NOT_AUTHORISED = 0x87
PACKET_TOO_LARGE = 0x95
OUT_OF_DATE = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and CERT_HAS_EXPIRED: the certificate's fault, or the clock's."""

REASONS = {
    128: ("unspecified error", "look into the broker's log"),
    129: ("malformed packet", "look into the broker's log"),
    130: ("protocol error", "look into the broker's log"),
    131: ("implementation specific error", "look into the broker's log"),
    132: ("protocol version not supported", 'set uplink.protocol = "3.1.1"'),
    133: ("client id refused", "the broker wants another client id than site.gateway: check its ACL"),
    134: ("bad user name or password", "check uplink.username and uplink.password_file"),
    135: ("not authorised", "give this client the right to use its topics in the broker's ACL"),
    136: ("broker unavailable", "wait, or look at the broker"),
    137: ("broker busy", "wait, or give the broker more room"),
    138: ("banned", "the broker has banned this client: lift the ban"),
    142: ("session taken over", "another gateway runs with the same site and id: give it another gateway.id"),
    144: ("topic name invalid", "check uplink.prefix"),
    149: ("packet too large", "lower uplink.batch_bytes or raise the broker's message size limit"),
    151: ("quota exceeded", "raise the broker's queue limits"),
    153: ("payload format invalid", "look into the broker's log"),
    154: ("retain not supported", "use a broker that keeps retained messages"),
    155: ("QoS not supported", "use a broker with QoS 1"),
}


REFUSED_CONNECTION = {
    135: ("not authorised", "check uplink.username and uplink.password_file, then the broker's list of clients"),
}


CHECK_OURS = "check uplink.cert_file and key_file, and the broker's CA"
ANEW = "have this box enrolled anew: punchgate centre enrol-code there, punchgate enrol code here"
ALERTS = {
    "certificate expired": f"uplink.cert_file has expired, or the broker's clock is wrong; {ANEW}",
    "certificate revoked": f"the centre has revoked uplink.cert_file; if it should not have, {ANEW}",
    "unknown ca": f"uplink.cert_file is of another organisation or of an old authority; {ANEW}",
    "certificate required": "the broker wants uplink.cert_file and uplink.key_file",
}
"""What a broker's TLS says of our certificate, without the version in front."""


class HungUp(ConnectionError):
    """The broker ended the connection before its greeting; the text is what the socket said."""


def said_by_broker(code: int, *, connecting: bool = False) -> tuple[str, str]:
    """Text and remedy for an MQTT 5 reason code (0x80 and above); brokers say 135 for a wrong password, too."""
    known = REASONS | REFUSED_CONNECTION if connecting else REASONS
    text, remedy = known.get(code, ("refused", "look into the broker's log"))
    return f"broker says: {text} (reason {code})", remedy


def said_by_network(error: BaseException, *, clock_is_wrong: bool) -> tuple[str, str]:
    """Text and remedy for an exception while connecting."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if clock_is_wrong:
            return (
                f"clock: certificate check failed: {error.verify_message}",
                "set the clock; capture goes on meanwhile",
            )
        dated = getattr(error, "verify_code", None) in OUT_OF_DATE
        return (
            f"broker's certificate refused: {error.verify_message}",
            "is this machine's clock right? Then the broker or uplink.ca_file needs a certificate that is valid now"
            if dated
            else "check uplink.ca_file and the name in uplink.url",
        )
    if isinstance(error, ssl.SSLError):
        reason = str(error.reason or error)
        return _said_by_alert(reason) if "ALERT" in reason else (f"TLS failed: {reason}", CHECK_OURS)
    if isinstance(error, HungUp):
        return _said_by_hanging_up(str(error))
    if isinstance(error, socket.gaierror):
        return f"broker's name cannot be resolved: {error.strerror}", "check uplink.url and DNS"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", "is the broker running, and is the port in uplink.url right?"
    if isinstance(error, TimeoutError):
        return "no answer from the broker", "check the network and uplink.url"
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
        return (
            f"{error.filename}: {error.strerror}",
            "check the path and the permissions of the key and certificate files",
        )
    return f"connection failed: {error}", "check the network and uplink.url"


def _said_by_hanging_up(complaint: str) -> tuple[str, str]:
    """A broker refuses a certificate after its side of the handshake, so it looks like any lost connection."""
    alert = re.search(r"\[SSL: (\w+)\]", complaint)
    if alert is not None:
        return _said_by_alert(alert[1])
    return (
        "broker hung up before its greeting",
        "check uplink.protocol, uplink.cert_file and key_file, and look into the broker's log",
    )


def _said_by_alert(name: str) -> tuple[str, str]:
    said = name.lower().replace("_", " ")
    remedy = next((remedy for words, remedy in ALERTS.items() if said.endswith(words)), CHECK_OURS)
    return f"TLS refused by the broker: {said}", remedy
