"""The gateway's file, table by table: what an operator may set, with bounds, defaults and meaning.

Required are the tables `gateway` (site, id), `uplink` (url), `privacy` (key_file), and at least one lane and one
port. Everything else has a default. What a single value cannot tell is in `config.crosschecks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from config.broker import Broker, CentreUrl
from config.fields import FilePath, Id, Log, Place, Protocol, Seconds, SerialUrl, Table, Timezone, View, Whole
from config.source import Root

Way = Literal["in", "out"]
InputMeaning = Literal["pass_in", "pass_out", "fire", "held", "forced", "tamper"]


class Gateway(Table):
    """Who this box is."""

    site: Id = Field(description="Name of the site; the MQTT client id is {site}.{id}.")
    id: Id = Field(description="Name of this gateway, unique on its site.")
    timezone: Timezone = Field(
        default="Asia/Shanghai", description="IANA time zone of the site; records are in UTC besides."
    )
    state_dir: FilePath = Field(
        default=Path("/var/lib/punchgate"), description="Folder of the journal and the directory."
    )


class Uplink(Broker):
    """How records reach the centre or another consumer."""

    key_file: FilePath | None = Field(default=None, description="Private key (PEM) of cert_file.")
    centre_key_file: FilePath | None = Field(
        default=None,
        description="The centre's public key (Ed25519): refuse what it has not signed; needed for commands.",
    )
    centre_url: CentreUrl | None = Field(
        default=None, description="https://host[:port] of the centre, which renews the certificate."
    )
    protocol: Protocol = Field(default="5", description="MQTT version.")
    settle: Literal["receipt", "puback"] = Field(
        default="receipt",
        description="What settles a record: the centre's receipt, or the broker's word where nobody sends one.",
    )
    compress: Literal["auto", "off"] = Field(
        default="auto", description="off for consumers that cannot inflate; never used on 3.1.1."
    )
    unreceipted_max: Whole = Field(
        default=8000, ge=1, le=1_000_000, description="Replay pauses beyond this many records sent and not receipted."
    )
    batch_records: Whole = Field(default=200, ge=1, le=10_000, description="Most records in one message.")
    batch_bytes: Whole = Field(
        default=262_144, ge=4096, le=4_194_304, description="Most bytes in one message, uncompressed."
    )
    window: Whole = Field(default=10, ge=1, le=1000, description="Most messages on their way at a time.")


class Privacy(Table):
    """What leaves this box of a card."""

    credentials: Literal["token", "clear"] = Field(
        default="token",
        description="clear adds the raw card number for consumers that need it; never for cn-id and scan.",
    )
    key_file: FilePath = Field(
        description="File with the organisation's key: [KEYID:]64 hex digits; the same on all its gateways."
    )
    keep_days: Whole = Field(
        default=0,
        ge=0,
        le=3650,
        description="Days any record stays on the box; then it goes even if the centre never got it, and is declared "
        "lost. 0: no limit. Needs a synchronised clock.",
    )


class Journal(Table):
    """How much the box remembers."""

    max_mb: Whole = Field(
        default=1024,
        ge=1,
        le=1_048_576,
        description="Size in MiB. Settled records make room; where that is not enough, new ones are refused.",
    )
    keep_settled_days: Whole = Field(default=7, ge=0, le=3650, description="Days a settled record stays on the box.")


class Sign(Table):
    """What the gateway signs with: `state`, and files that are carried by hand. Needs the extra `sign`."""

    key_file: FilePath | None = Field(
        default=None, description="This gateway's private key (Ed25519, PEM); without it nothing is signed."
    )


class Lane(Table):
    """One physical passage, both ways."""

    id: Id = Field(description="Name of the lane, unique on this gateway.")
    portal: Place = Field(description="Name of the gate the lane belongs to.")
    from_zone: Place = Field(description="Zone before the lane: direction in goes from here …")
    to_zone: Place = Field(description="… to this zone.")
    mode: Literal["controlled", "free"] = Field(
        default="controlled", description="free: nobody needs a card to pass."
    )
    sensor: Literal["none", "one", "per_direction"] = Field(
        default="none", description="What tells that somebody passed."
    )
    pass_timeout_s: Seconds = Field(default=5.0, gt=0, le=300, description="Seconds a read waits for its passage.")
    repeat_window_s: Seconds = Field(
        default=3.0, ge=0, le=3600, description="Seconds within which the same card again is no new read; 0: off."
    )
    reorder_s: Seconds = Field(default=0.3, ge=0, le=30, description="Seconds a passage may overtake its read by.")


class Device(Table):
    """A reader, turnstile or I/O module on a line."""

    id: Id = Field(description="Name of the device, unique on this gateway.")
    driver: str = Field(min_length=1, description="Which driver understands it; see `punchgate drivers`.")
    lane: Id = Field(description="Lane it serves.")
    side: Literal["in", "out", "both"] = Field(
        default="both",
        description="Side a reader stands on; both: the direction is unknown. Of no meaning for turnstiles.",
    )
    view: View = Field(
        default="native", description="How the card number is seen, then +reverse_bytes, +reverse_bits."
    )
    options: Mapping[str, object] = Field(default_factory=dict, description="The driver's own options.")
    directions: Mapping[str, Way] = Field(
        default_factory=dict, description="The driver's word for a direction → in or out; no default."
    )
    inputs: Mapping[str, InputMeaning] = Field(default_factory=dict, description="The driver's input → its meaning.")


class Port(Table):
    """One line to one device, or to several on a bus."""

    url: SerialUrl = Field(description="/dev/serial/by-id/…, or any pyserial URL: socket://host:port, rfc2217://….")
    baud: Whole | None = Field(
        default=None, ge=50, le=4_000_000, description="Bits per second; without it the driver's."
    )
    bytesize: Literal[5, 6, 7, 8] = Field(default=8, description="Data bits.")
    parity: Literal["N", "E", "O", "M", "S"] = Field(default="N", description="None, even, odd, mark, space.")
    stopbits: Literal[1, 2] = Field(default=1, description="Stop bits.")
    devices: tuple[Device, ...] = Field(min_length=1, description="What hangs on the line.")


class Settings(Root):
    """The whole of the gateway's configuration."""

    gateway: Gateway = Field(description="Who this box is.")
    uplink: Uplink = Field(description="How records reach the centre.")
    privacy: Privacy = Field(description="What leaves this box of a card.")
    journal: Journal = Field(default_factory=Journal, description="How much the box remembers.")
    sign: Sign = Field(default_factory=Sign, description="What the gateway signs with.")
    log: Log = Field(default_factory=Log, description="What the daemon says on stderr.")
    lanes: tuple[Lane, ...] = Field(min_length=1, description="The passages.")
    ports: tuple[Port, ...] = Field(min_length=1, description="The lines and what hangs on them.")
