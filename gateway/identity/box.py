"""The box's side of an enrolment: its keys, its request, and what it makes of the answer.

    tls.key, sign.key, box.key   made here, never leave: for the broker, for its signature, for what is sealed to it
    tls.pem, ca.pem, centre.pub, organisation.key   from the answer
    punchgate.toml.d/50-enrolment.toml              what makes the daemon use them

An answer is looked at whole before anything is written. What the daemon reads last, the drop-in, is written last, so
a cut leaves the box as it was or enrolled. Keys that are there are used again: a second request renews.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.errors import Misconfigured, Rejected
from gateway.identity import certificates as x509
from gateway.identity.papers import Answer, Request, binary, text
from gateway.identity.seal import KEY_BYTES, new_key, public_half, unseal
from gateway.whole_file import PUBLIC, put

DROP_IN = "50-enrolment.toml"
PRIVATE = 0o640
"""Private files belong to the folder's group too, so that root can enrol for the daemon's user."""


class Box:
    """The identity of a gateway `{site}.{id}` whose configuration is `config`."""

    def __init__(self, config: Path, gateway: str) -> None:
        self.gateway = gateway
        self._config = config
        self._folder = config.parent

    def request(self) -> Request:
        """What to carry to the centre. Makes the keys that are missing."""
        key = x509.read_key(self._own("tls.key", lambda: x509.key_pem(x509.new_key())))
        sign_key = self._own("sign.key", x509.new_signing_key)
        box_key = self._own("box.key", new_key)
        if len(box_key) != KEY_BYTES:
            raise Misconfigured(f"{self._folder / 'box.key'}: damaged", remedy="take it away, and ask anew")
        csr = x509.request(key, self.gateway).decode()
        return Request(self.gateway, csr, x509.public_pem(sign_key).decode(), text(public_half(box_key)))

    def accept(self, answer: Answer) -> list[Path]:
        """Use what the centre gives; the files that were written. Raises Rejected, and then nothing is."""
        if answer.gateway != self.gateway:
            raise Rejected(f"it is for {answer.gateway}, and this box is {self.gateway}")
        x509.check_signature(answer.signed, binary(answer.signature), answer.ca.encode())
        key = x509.read_key(self._made("tls.key"))
        x509.check_issued(answer.certificate.encode(), answer.ca.encode(), key, self.gateway)
        organisation_key = unseal(binary(answer.organisation_key), self._made("box.key"), answer.context)
        return list(self._write_all(answer, organisation_key))

    def _write_all(self, answer: Answer, organisation_key: bytes) -> Iterator[Path]:
        yield self._put("organisation.key", organisation_key, PRIVATE)
        yield self._put("ca.pem", answer.ca.encode())
        yield self._put("tls.pem", answer.certificate.encode())
        if answer.centre_key:
            yield self._put("centre.pub", answer.centre_key.encode())
        folder = self._config.with_name(f"{self._config.name}.d")
        folder.mkdir(exist_ok=True)
        yield self._put(f"{folder.name}/{DROP_IN}", _drop_in(answer).encode())

    def _own(self, name: str, make: Callable[[], bytes]) -> bytes:
        path = self._folder / name
        if path.exists():
            return path.read_bytes()
        made = make()
        self._put(name, made, PRIVATE)
        return made

    def _made(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            remedy = "punchgate enrol request, and have it answered"
            raise Misconfigured(f"{self._folder / name}: {error.strerror}", remedy=remedy) from error

    def _put(self, name: str, data: bytes, mode: int = PUBLIC) -> Path:
        group = self._folder.stat().st_gid if os.geteuid() == 0 else None
        return put(self._folder / name, data, mode, group)


def _drop_in(answer: Answer) -> str:
    uplink = {
        "url": answer.url,
        "prefix": answer.prefix,
        "ca_file": "../ca.pem",
        "cert_file": "../tls.pem",
        "key_file": "../tls.key",
    }
    if answer.centre_key:
        uplink["centre_key_file"] = "../centre.pub"
    tables = {"uplink": uplink, "privacy": {"key_file": "../organisation.key"}, "sign": {"key_file": "../sign.key"}}
    lines = ["# Made by `punchgate enrol accept`; written anew with each answer."]
    for table, keys in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
