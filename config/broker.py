"""Where the broker is and how one proves who one is: the keys that both files share.

A password does not travel in the clear: `mqtt://` is for the loopback, elsewhere the operator has to say
`insecure = true`. That rule looks at two keys, so it stands with the cross checks (`config.crosschecks`).
"""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field

from config.fields import FilePath, Prefix, Switch, Table, Text, refusal

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLE = "for example mqtts://broker.example:8883"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) never leaves this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split(url: object) -> SplitResult | None:
    """The parts of a URL; None where it is none, or its port is none."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return parts if parts and (parts.port is None or parts.port > 0) else None
    except ValueError:
        return None


def _broker_url(url: str) -> str:
    parts = split(url)
    if parts is None:
        raise refusal("is not a URL with a port from 1 to 65535", _EXAMPLE)
    if parts.scheme not in DEFAULT_PORTS:
        raise refusal("must start with mqtts:// or mqtt://", _EXAMPLE)
    if not parts.hostname or any(char.isspace() for char in url):
        raise refusal("must name a host", _EXAMPLE)
    if "@" in parts.netloc:
        raise refusal("must not hold a user or a password", "use username and password_file")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise refusal("must end after the port", "the topic goes into prefix")
    return url


def _centre_url(url: str) -> str:
    parts, example = split(url), "for example https://centre.example:8443"
    local = parts is not None and parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts is None or not parts.hostname or not (parts.scheme == "https" or local):
        raise refusal("must be https:// and a host", example)
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise refusal("must end after the port", example)
    return url


BrokerUrl = Annotated[Text, AfterValidator(_broker_url)]
CentreUrl = Annotated[Text, AfterValidator(_centre_url)]


class Broker(Table):
    """The broker and the credentials for it; `host`, `port` and `tls` are read from `url`."""

    url: BrokerUrl = Field(
        description="mqtts://host[:8883] or mqtt://host[:1883]; mqtt:// is refused off the loopback."
    )
    insecure: Switch = Field(
        default=False, description="Allow mqtt:// to another machine: all can be read on the way."
    )
    prefix: Prefix = Field(default="punchgate/v1", description="First levels of every topic.")
    username: Text | None = Field(default=None, description="User at the broker.")
    password_file: FilePath | None = Field(default=None, description="File with the user's password on one line.")
    ca_file: FilePath | None = Field(
        default=None, description="Certificates (PEM) the broker's is checked against; without it the system's."
    )
    cert_file: FilePath | None = Field(
        default=None, description="This machine's certificate (PEM); its CN is the client id."
    )

    @property
    def host(self) -> str:
        """Name or address, IPv6 without brackets."""
        return self._parts.hostname or ""

    @property
    def port(self) -> int:
        """TCP port; 8883 for mqtts, 1883 for mqtt unless the URL says otherwise."""
        return self._parts.port or DEFAULT_PORTS[self._parts.scheme]

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self._parts.scheme == "mqtts"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)
