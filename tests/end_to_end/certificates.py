"""A certificate authority of our own, made with openssl as docs and administrators do."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

DAY = "1"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, PEM."""

    cert: Path
    key: Path


class Certificates:
    """`ca` signed `server` (for 127.0.0.1), `elsewhere` (another host), `client`; `stranger` is another CA's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = self._authority("ca")
        self.other_ca = self._authority("other-ca")
        self.server = self.issue("server", self.ca, "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.elsewhere = self.issue("elsewhere", self.ca, "subjectAltName=DNS:broker.example")
        self.client = self.issue("hq.edge-01", self.ca)
        self.stranger = self.issue("stranger", self.other_ca)
        self.expired = self.issue("expired", self.ca, "subjectAltName=IP:127.0.0.1", days="-1")

    def issue(self, name: str, ca: Pair, extension: str = "", days: str = DAY) -> Pair:
        """A certificate for `name`; negative `days` are over already."""
        pair = self._paths(name)
        request = self._folder / f"{name}.csr"
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(extension or "basicConstraints=CA:FALSE")
        self._openssl("req", "-new", *_new_key(pair.key), "-subj", f"/CN={name}", "-out", request)
        signing = ["-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-days", days, "-extfile", extensions]
        self._openssl("x509", "-req", "-in", request, "-out", pair.cert, *signing)
        return pair

    def _authority(self, name: str) -> Pair:
        pair = self._paths(name)
        self._openssl(
            "req", "-x509", *_new_key(pair.key), "-subj", f"/CN={name}", "-days", DAY, "-out", pair.cert,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
        return pair

    def _paths(self, name: str) -> Pair:
        return Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def _openssl(self, *arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self._folder)


def _new_key(path: Path) -> list[object]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", path]
