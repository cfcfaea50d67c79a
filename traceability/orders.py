"""Commands to gateways, made and signed, and the one answer to each."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from gateway.downward import Command, Reply, bounded, read_command, read_reply
from gateway.errors import Misconfigured, Rejected
from gateway.wire import Topics, compact, timestamp
from traceability.dispatch import Visit
from traceability.sign import GatewayKeys, Signer, unsigned
from traceability.subscription import Broker

MAX_REPLY_BYTES = 1024 * 1024
PATIENCE_S = 30.0
ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: nobody listened, or there was no answer in time, or the answer.

    `signed`: whether it is proved to be the gateway's: its public key is known, and has signed it.
    """

    heard: bool
    reply: Reply | None
    signed: bool


def make(
    gateway: str, name: str, args: dict[str, int] | None, life_s: float, now_ms: int, sign: Signer
) -> tuple[Command, bytes]:
    """A command and its bytes. Raises Misconfigured without a key, Rejected if there is no such command."""
    if sign is unsigned:
        remedy = "set centre.key_file, and uplink.centre_key_file on the gateways"
        raise Misconfigured("commands are signed, and this centre has no key", remedy=remedy)
    words: dict[str, Any] = {"punchgate": "command", "gateway": gateway, "id": secrets.token_hex(ID_BYTES)}
    words |= {"issued": timestamp(now_ms), "expires": timestamp(now_ms + round(life_s * 1000)), "command": name}
    payload = compact(sign(words if args is None else words | {"args": args}))
    return read_command(payload), payload


def send(broker: Broker, prefix: str, command: Command, payload: bytes, keys: GatewayKeys) -> Outcome:
    """Publish it and wait for the answer: as long as it is valid, and for what takes its time besides."""
    site, _, name = command.gateway.partition("/")
    topics = Topics(prefix, site, name)

    def wanted(said: bytes) -> tuple[Reply, bool] | None:
        try:
            reply = read_reply(bounded(said, MAX_REPLY_BYTES, 32))
            if (reply.id, reply.gateway) != (command.id, command.gateway):
                return None
            return reply, keys.check(site, name, said)
        except Rejected:
            return None

    with Visit(broker) as visit:
        visit.listen(topics.of("reply"))
        until_s = time.monotonic() + command.expires_s - command.issued_s + PATIENCE_S
        if not visit.say(topics.of("command"), payload, retain=False):
            return Outcome(heard=False, reply=None, signed=False)
        found = visit.hear(until_s, wanted)
    return Outcome(True, None, False) if found is None else Outcome(True, found[0], found[1])
