"""What a backup says of itself. It is read before everything else, and believed only as far as the hashes fit."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gateway.carry import EPOCH, HASH, NAME
from gateway.errors import Rejected
from gateway.journal.schema import SCHEMA_VERSION

FORMAT = 1
MANIFEST = "manifest.json"
CONFIGURATION = "punchgate.toml"
DROP_INS = "drop-ins/"
FILES = "files/"
REGISTRY = "devices.json"
JOURNAL = "journal.sqlite"
MAX_MANIFEST_BYTES = 1024 * 1024
MAX_SMALL_BYTES = 16 * 1024 * 1024
"""What any part may have but the journal; parts of that size are held in memory."""

_SEGMENT = re.compile(r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]{0,199}")


def _safe(name: str) -> str:
    """A part cannot name a place outside of its folder, nor a hidden one in it."""
    folder, _, rest = name.partition("/")
    if name in (CONFIGURATION, REGISTRY, JOURNAL):
        return name
    segments = rest.split("/")
    if f"{folder}/" not in (DROP_INS, FILES) or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(f"{name[:80]!r} is no place in a backup")
    if f"{folder}/" == DROP_INS and (len(segments) > 1 or not rest.endswith(".toml")):
        raise ValueError(f"{name[:80]!r} is no drop-in")
    return name


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Part(_Model):
    """One file in the backup; `user` and `group` are names, not numbers, which differ from box to box."""

    name: Annotated[str, AfterValidator(_safe)]
    size: int = Field(ge=0, lt=2**50)
    sha256: str = Field(pattern=HASH)
    mode: int = Field(ge=0, le=0o777)
    user: str = Field(default="", max_length=64)
    group: str = Field(default="", max_length=64)
    secret: bool = False

    @property
    def place(self) -> PurePosixPath:
        """Of a file that the configuration names: where it lies in the configuration's folder."""
        return PurePosixPath(self.name.removeprefix(FILES))


class JournalFacts(_Model):
    """The journal at that instant; `version` is the oldest schema whose releases may go on with it."""

    epoch: str = Field(pattern=EPOCH)
    oldest: int
    newest: int
    settled: int
    unsettled: int
    head: str = Field(pattern=HASH)
    version: int


class LeftOut(_Model):
    """What is not in the file, and why."""

    what: str = Field(max_length=4096)
    why: str = Field(max_length=1024)


class Manifest(_Model):
    """The whole manifest; `made` is RFC 3339 in UTC, `version` that of the punchgate that made it."""

    punchgate: Literal["backup"] = "backup"
    format: int = FORMAT
    version: str = Field(max_length=64)
    made: str = Field(max_length=40)
    site: str = Field(pattern=NAME)
    gateway: str = Field(pattern=NAME)
    secrets: bool
    journal: JournalFacts | None
    parts: tuple[Part, ...] = Field(max_length=1000)
    left_out: tuple[LeftOut, ...] = Field(default=(), max_length=1000)
    sig: str | None = Field(default=None, max_length=100)

    def part(self, name: str) -> Part | None:
        """The part of that name."""
        return next((part for part in self.parts if part.name == name), None)

    def size(self) -> int:
        """Bytes of all it holds."""
        return sum(part.size for part in self.parts)


class _Stamp(BaseModel):
    """The part of a manifest that every version has."""

    punchgate: Literal["backup"]
    format: int
    version: str = ""


def read_manifest(data: bytes) -> Manifest:
    """Raises Rejected: no backup, one of a newer punchgate, or one that contradicts itself."""
    try:
        stamp = _Stamp.model_validate_json(data)
    except ValidationError as error:
        raise not_a_backup() from error
    if stamp.format > FORMAT:
        raise _newer(f"format {stamp.format}, this one knows {FORMAT}", stamp.version)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        flaw = error.errors()[0]
        where = ".".join(str(part) for part in flaw["loc"])
        raise Rejected(f"its manifest is damaged: {where}: {flaw['msg']}") from error
    if manifest.journal is not None and manifest.journal.version > SCHEMA_VERSION:
        raise _newer(
            f"its journal has schema {manifest.journal.version}, this one knows {SCHEMA_VERSION}", stamp.version
        )
    names = [part.name for part in manifest.parts]
    if names != sorted(names, key=order) or len(set(names)) != len(names) or CONFIGURATION not in names:
        raise Rejected("its manifest is damaged: the parts are not those of a backup")
    if (manifest.journal is None) != (JOURNAL not in names):
        raise Rejected("its manifest is damaged: it does not know whether there is a journal")
    return manifest


def order(name: str) -> tuple[int, str]:
    """The order of the parts: what decides whether the rest can be used comes first."""
    kinds = (name == CONFIGURATION, name.startswith(DROP_INS), name.startswith(FILES), name == REGISTRY, True)
    return kinds.index(True), name


def not_a_backup() -> Rejected:
    """The refusal of a file that is something else."""
    return Rejected("this is no backup of a punchgate gateway", remedy="name a file of `punchgate backup create`")


def _newer(what: str, version: str) -> Rejected:
    by = f"punchgate {version[:32]}" if version else "a newer punchgate"
    return Rejected(f"made by {by}: {what}", remedy="install that version, then restore")
