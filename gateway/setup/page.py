"""The two files that setup writes: the configuration, with remarks for whoever opens it next, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.answers import ENROLLED, Answers, Setup
from config.settings import Settings
from gateway.setup import toml

REMARKS = {
    "gateway.site": "a-z, 0-9 and -",
    "gateway.timezone": "of the site; records are in UTC besides",
    "gateway.state_dir": "the journal: on a disk that survives a power cut, not on tmpfs",
    "uplink.insecure": "all can be read on the way",
    "uplink.password_file": "one line, chmod 600",
    "uplink.ca_file": "the broker's certificate is checked against it",
    "uplink.centre_key_file": "believe only what the centre has signed",
    "privacy.key_file": "the same on every gateway, or one card becomes several people",
    "sign.key_file": "this gateway's own",
    "lanes.id": "one physical passage, both ways",
    "lanes.from_zone": 'direction "in" leads from here …',
    "lanes.to_zone": "… to here",
    "lanes.sensor": "what tells that somebody walked through",
    "ports.devices.side": "the side the reader stands on gives the direction",
    "ports.devices.directions": "the driver's words; which of them leads in depends on how it was mounted",
}
ENROLMENT = (
    "",
    "Broker, certificate and keys come with the enrolment, in punchgate.toml.d/50-enrolment.toml.",
)


def configuration(tree: Mapping[str, Any], setup: Setup, name: str = "punchgate.toml") -> str:
    """The gateway's file."""
    gateway = tree["gateway"]
    head = [
        f"Gateway {gateway['id']} of site {gateway['site']}, as `punchgate setup` was told.",
        "",
        "What is not said here has its default; docs/configuration.md lists all keys. After a change:",
        "punchgate check, then systemctl restart punchgate.",
    ]
    if setup.enrol in ENROLLED:
        head += [line.replace("punchgate.toml", name) for line in ENROLMENT]
    remarks = REMARKS | {"gateway.id": f"the broker knows this box as {gateway['site']}.{gateway['id']}"}
    return toml.document(tree, Settings, remarks, head)


def answers(tree: Mapping[str, Any]) -> str:
    """A file for `punchgate setup --answers`."""
    return toml.document(tree, Answers, {}, ["Answers for `punchgate setup --answers FILE`."])
