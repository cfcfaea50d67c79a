"""Collecting a bundle and packing it: each part by itself, scrubbed, and at the end looked through for secrets."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gateway.errors import PunchgateError, Rejected
from gateway.scrubber import Scrubber
from gateway.uplink.presence import VERSION
from gateway.wire import timestamp

FOLDER = "punchgate-support"
MANIFEST = "manifest.json"
FORMAT = 1
RULES = (
    "configuration: merged, without comments; not shown are secrets, user names, unknown keys, values that their "
    "keys do not allow, and paths of files that are not there",
    "texts and logs: without the content of secret files, tokens, six or more digits in a row, bytes in hex, what is "
    "not ASCII, and names in /home; names of the configuration and times stay",
    "journal: figures only, no record",
    "machine: no host name, no user names, no addresses",
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the bundle, and what it is."""

    name: str
    what: str
    data: bytes


@dataclass(slots=True)
class Bundle:
    """What was collected, what was left out and why, and the manifest's head."""

    site: str | None = None
    gateway: str | None = None
    members: list[Member] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def manifest(self, now_ms: int) -> dict[str, Any]:
        """What is in it and what is not."""
        return {
            "punchgate": "support-bundle",
            "format": FORMAT,
            "version": VERSION,
            "made": timestamp(now_ms),
            "site": self.site,
            "gateway": self.gateway,
            "members": [
                {
                    "name": member.name,
                    "what": member.what,
                    "size": len(member.data),
                    "sha256": hashlib.sha256(member.data).hexdigest(),
                }
                for member in self.members
            ],
            "left_out": [{"what": what, "why": why} for what, why in self.left_out],
            "redacted": list(RULES),
        }


Part = tuple[str, str, Callable[[], Any]]
"""Name of the member, what it is, and what makes it: a text, or a JSON document."""


def collect(bundle: Bundle, parts: Iterable[Part], scrubber: Scrubber, say: Callable[[str], None]) -> None:
    """Make each part, `say` what it is; one that fails is left out with the reason, and takes no other with it."""
    for name, what, make in parts:
        say(what)
        try:
            made = make()
        except PunchgateError as error:
            bundle.left_out.append((name, scrubber.text(error.message)))
        except OSError as error:
            bundle.left_out.append((name, f"cannot be read: {error.strerror or type(error).__name__}"))
        except Exception as error:  # noqa: BLE001 - a bundle is asked for when something does not work
            bundle.left_out.append((name, f"failed: {type(error).__name__}"))
        else:
            text = (
                made if isinstance(made, str) else json.dumps(made, ensure_ascii=False, indent=1, default=str) + "\n"
            )
            bundle.members.append(Member(name, what, text.encode(errors="replace")))


def pack(out: IO[bytes], bundle: Bundle, now_ms: int, scrubber: Scrubber) -> None:
    """Write the bundle. Raises Rejected if a secret is in it after all: then nothing may leave."""
    manifest = json.dumps(bundle.manifest(now_ms), ensure_ascii=False, indent=1) + "\n"
    members = [Member(MANIFEST, "", manifest.encode(errors="replace")), *bundle.members]
    _require_clean(members, scrubber)
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in members:
            head = tarfile.TarInfo(f"{FOLDER}/{member.name}")
            head.size, head.mode, head.mtime = len(member.data), 0o600, now_ms // 1000
            tar.addfile(head, io.BytesIO(member.data))


def secrets_in(files: Iterable[Path]) -> set[str]:
    """The lines of secret files, as far as we may read them: what must not be in any part."""
    found: set[str] = set()
    for path in files:
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            if not line.startswith("-----"):
                found |= {line.strip(), line.strip().rpartition(":")[2]}
    return found


def _require_clean(members: Iterable[Member], scrubber: Scrubber) -> None:
    for member in members:
        if scrubber.finds_secret(member.data.decode(errors="replace")):
            raise Rejected(
                f"a secret of this gateway would be in {member.name}; nothing was written",
                remedy="this is a bug of punchgate: report it, without the file",
            )
