"""The box's side of an enrolment: its keys, its request, and what it makes of the answer.

    tls.key, sign.key, box.key   made here, never leave: for the broker, for its signature, for what is sealed to it
    tls.pem, ca.pem, centre.pub, organisation.key   from the answer
    punchgate.toml.d/50-enrolment.toml              what makes the daemon use them
    tls2.key, tls2.pem   the other pair: a renewal goes to the one that the drop-in does not name

An answer is looked at whole before anything is written. What the daemon reads last, the drop-in, is written last, so
a cut leaves the box as it was or enrolled. Keys that are there are used again: a second request renews.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway.errors import Misconfigured, Rejected
from gateway.identity import certificates as x509
from gateway.identity.papers import Answer, Request, binary, text
from gateway.identity.seal import KEY_BYTES, new_key, public_half, unseal
from gateway.whole_file import PUBLIC, put

DROP_IN = "50-enrolment.toml"
PAIRS = ("tls", "tls2")
Tables = dict[str, dict[str, object]]
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
        name = f"{self._pair()}.key"
        return self._request(x509.read_key(self._own(name, lambda: x509.key_pem(x509.new_key()))))

    def _request(self, key: x509.Key) -> Request:
        sign_key = self._own("sign.key", x509.new_signing_key)
        box_key = self._own("box.key", new_key)
        if len(box_key) != KEY_BYTES:
            raise Misconfigured(f"{self._folder / 'box.key'}: damaged", remedy="take it away, and ask anew")
        csr = x509.request(key, self.gateway).decode()
        return Request(self.gateway, csr, x509.public_pem(sign_key).decode(), text(public_half(box_key)))

    def accept(self, answer: Answer, centre_url: str = "") -> list[Path]:
        """Use what the centre gives; the files that were written. Raises Rejected, and then nothing is.

        `centre_url`: where the centre answers over the network, if it does.
        """
        self._check(answer, self.key())
        organisation_key = unseal(binary(answer.organisation_key), self._made("box.key"), answer.context)
        return list(self._write_all(answer, organisation_key, centre_url))

    def key(self) -> x509.Key:
        """The private key in force."""
        return x509.read_key(self._made(f"{self._pair()}.key"))

    def certificate(self) -> bytes:
        """The certificate in force, PEM."""
        return self._made(f"{self._pair()}.pem")

    def own_ca(self) -> str:
        """The authority's certificate that was accepted, PEM."""
        return self._made("ca.pem").decode(errors="replace")

    def next_request(self) -> tuple[Request, x509.Key]:
        """A request for a new key, which only the caller keeps. Raises Misconfigured if there was no enrolment."""
        if not self._told().get("uplink"):
            remedy = "punchgate enrol code, or enrol request"
            raise Misconfigured(f"{self._drop_in}: this box was never enrolled", remedy=remedy)
        key = x509.new_key()
        return self._request(key), key

    def lay_beside(self, answer: Answer, key: x509.Key) -> tuple[Path, Path]:
        """Certificate and key as files that are not in force yet. Raises Rejected, and then nothing is written."""
        self._check(answer, key)
        spare = self._spare()
        key_file = self._put(f"{spare}.key", x509.key_pem(key), PRIVATE)
        return self._put(f"{spare}.pem", answer.certificate.encode()), key_file

    def turn_over(self) -> list[Path]:
        """Put the other pair in force; the file that was written."""
        tables = self._told()
        tables["uplink"] |= _pair_files(self._spare())
        return [self._put_drop_in(tables)]

    def _check(self, answer: Answer, key: x509.Key) -> None:
        if answer.gateway != self.gateway:
            raise Rejected(f"it is for {answer.gateway}, and this box is {self.gateway}")
        x509.check_signature(answer.signed, binary(answer.signature), answer.ca.encode())
        x509.check_issued(answer.certificate.encode(), answer.ca.encode(), key, self.gateway)

    def _write_all(self, answer: Answer, organisation_key: bytes, centre_url: str) -> Iterator[Path]:
        yield self._put("organisation.key", organisation_key, PRIVATE)
        yield self._put("ca.pem", answer.ca.encode())
        yield self._put(f"{self._pair()}.pem", answer.certificate.encode())
        if answer.centre_key:
            yield self._put("centre.pub", answer.centre_key.encode())
        yield self._put_drop_in(_tables(answer, self._pair(), centre_url))

    @property
    def _drop_in(self) -> Path:
        return self._config.with_name(f"{self._config.name}.d") / DROP_IN

    def _told(self) -> Tables:
        """The drop-in's tables; none where there is none."""
        try:
            return tomllib.loads(self._drop_in.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{self._drop_in}: {error}", remedy="mend it, or take it away") from error

    def _pair(self) -> str:
        """Which of PAIRS is in force."""
        named = Path(str(self._told().get("uplink", {}).get("key_file", ""))).stem
        return named if named in PAIRS else PAIRS[0]

    def _spare(self) -> str:
        return PAIRS[1 - PAIRS.index(self._pair())]

    def _put_drop_in(self, tables: Tables) -> Path:
        self._drop_in.parent.mkdir(exist_ok=True)
        return self._put(f"{self._drop_in.parent.name}/{DROP_IN}", _rendered(tables).encode())

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


def _pair_files(pair: str) -> dict[str, object]:
    return {"cert_file": f"../{pair}.pem", "key_file": f"../{pair}.key"}


def _tables(answer: Answer, pair: str, centre_url: str) -> Tables:
    uplink: dict[str, object] = {
        "url": answer.url,
        "prefix": answer.prefix,
        "ca_file": "../ca.pem",
        **_pair_files(pair),
    }
    if answer.centre_key:
        uplink["centre_key_file"] = "../centre.pub"
    if centre_url:
        uplink["centre_url"] = centre_url
    return {"uplink": uplink, "privacy": {"key_file": "../organisation.key"}, "sign": {"key_file": "../sign.key"}}


def _rendered(tables: Tables) -> str:
    lines = ["# Made by `punchgate enrol`; written anew with each answer."]
    for table, keys in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
