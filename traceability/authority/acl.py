"""What each client may do at the broker: the access list of mosquitto, one block for each certificate.

A gateway speaks for itself only and hears what is for it; the centre hears all and answers all. Who has no block may
do nothing. `check` is where the visit of `punchgate check` leaves its question.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.identity.papers import named

WRITES = ("records", "replay", "state", "device/#", "reply", "check")
DOWN = ("receipt", "command", "directory/tokens", "directory/lists", "directory/visits")
CENTRE_READS = ("records", "replay", "state", "reply")


def acl(gateways: Iterable[str], centre: str, prefix: str) -> str:
    """The whole file for these gateways ({site}.{id}) and a centre of this name."""
    blocks = [_block(centre, f"{prefix}/+/+", DOWN, CENTRE_READS)]
    for gateway in sorted(set(gateways)):
        site, name = named(gateway)
        blocks.append(_block(gateway, f"{prefix}/{site}/{name}", WRITES, DOWN))
    return "# Made by punchgate; written anew with each enrolment and revocation.\n\n" + "\n".join(blocks)


def _block(user: str, root: str, writes: Iterable[str], reads: Iterable[str]) -> str:
    lines = [f"user {user}"]
    lines += [f"topic write {root}/{topic}" for topic in writes]
    lines += [f"topic read {root}/{topic}" for topic in reads]
    return "".join(f"{line}\n" for line in lines)
