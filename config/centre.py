"""The centre's file: the traceability service, its broker and its ledger.

`key_file` is the key the centre *signs* with (Ed25519), so the private key of its TLS certificate is
`tls_key_file`. The ledger stands in `state_dir` unless `database` says otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from config.broker import Broker, BrokerUrl, is_loopback
from config.fields import FilePath, Id, Log, Text, Whole, refusal
from config.source import Root

LEDGER_NAME = "ledger.sqlite"


def _listen(value: str) -> str:
    try:
        parts = urlsplit(f"//{value}")
        complete = bool(parts.hostname) and parts.port is not None and parts.netloc == value and not parts.username
    except ValueError:
        complete = False
    if not complete:
        raise refusal("must be an address and a port", "for example 127.0.0.1:8080 or [::]:8080")
    return value


class Centre(Broker):
    """The traceability service."""

    tls_key_file: FilePath | None = Field(default=None, description="Private key (PEM) of cert_file.")
    key_file: FilePath | None = Field(
        default=None,
        description="Private key (Ed25519) to sign receipts and commands with; without it nothing is signed.",
    )
    gateway_keys: FilePath | None = Field(
        default=None,
        description="The gateways' public keys, {site}.{gateway}.pub in this folder; who has one there must sign.",
    )
    authority: FilePath = Field(
        default=Path("/etc/punchgate/authority"),
        description="Folder of the certificate authority (`punchgate centre authority`).",
    )
    id: Id | None = Field(default=None, description="Name of this service in receipts; without it one is made.")
    gateways_url: BrokerUrl | None = Field(
        default=None, description="Broker's URL as gateways reach it, which enrolment tells them; not set: url."
    )
    share: Annotated[str, Field(pattern=r"^[^/+#\s\x00]{0,64}$")] = Field(
        default="punchgate", description="Name of the shared subscription; empty: a plain one."
    )
    database: Text = Field(
        default=LEDGER_NAME,
        description="File of the ledger, or postgresql://…; not set: ledger.sqlite in state_dir.",
    )
    keep_days: Whole = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days a record's body is kept after its arrival; its number and hash stay. 0: no limit.",
    )
    listen: Annotated[Text, AfterValidator(_listen)] = Field(
        default="127.0.0.1:8080",
        description="Address and port of the API (extra `centre`); not set: this one, if it can be had.",
    )
    listen_cert_file: FilePath | None = Field(
        default=None,
        description="Certificate (PEM) of the API; not set: plain HTTP on the loopback, else authority/server.pem.",
    )
    listen_key_file: FilePath | None = Field(default=None, description="Private key (PEM) of listen_cert_file.")
    state_dir: FilePath = Field(default=Path("/var/lib/punchgate-centre"), description="Folder of the ledger.")

    @property
    def must_listen(self) -> bool:
        """Whether somebody asked for the API; the default address is only tried."""
        return "listen" in self.model_fields_set

    @property
    def listens_in_private(self) -> bool:
        """Whether what is said there never leaves this machine."""
        return is_loopback(self.listen_host)

    @property
    def listen_host(self) -> str:
        """Address to listen on, IPv6 without brackets."""
        return urlsplit(f"//{self.listen}").hostname or ""

    @property
    def listen_port(self) -> int:
        """TCP port to listen on; 0: any free one."""
        return urlsplit(f"//{self.listen}").port or 0


class CentreSettings(Root):
    """The whole of the centre's configuration."""

    centre: Centre = Field(description="The traceability service.")
    log: Log = Field(default_factory=Log, description="What the service says on stderr.")
