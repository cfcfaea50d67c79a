"""The way to the broker: address, name, credentials; files are read anew at each connection."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Link:
    """How to reach the broker; a renewed certificate is taken up by the next connection."""

    host: str
    port: int
    tls: bool
    client_id: str
    protocol: Literal["5", "3.1.1"] = "5"
    username: str | None = None
    password: Callable[[], str] | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def tls_context(self) -> ssl.SSLContext:
        """From the files as they are now. Raises OSError that names the file, and ssl.SSLError."""
        for file in (self.ca_file, self.cert_file, self.key_file):
            if file is not None:
                file.open("rb").close()
        context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        if self.cert_file is not None:
            context.load_cert_chain(self.cert_file, self.key_file, password="")
        return context
