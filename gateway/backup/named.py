"""The files that a configuration names: certificates, keys, passwords. Each belongs into its folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config import Settings
from gateway import assembly


@dataclass(frozen=True, slots=True)
class NamedFile:
    """One of them: its key in the configuration, its absolute path, whether nobody else may know it."""

    key: str
    path: Path
    secret: bool


def named_files(settings: Settings) -> Iterator[NamedFile]:
    """All files that are named, whether they are there or not; of a device's options those that end in `_file`."""
    for key, secret in assembly.secret_files(settings):
        yield NamedFile(key, secret, secret=True)
    for key in ("ca_file", "cert_file", "centre_key_file"):
        public = getattr(settings.uplink, key)
        if public is not None:
            yield NamedFile(f"uplink.{key}", public, secret=False)
    for number, port in enumerate(settings.ports):
        for place, device in enumerate(port.devices):
            for option, value in device.options.items():
                if option.endswith("_file") and value:
                    yield NamedFile(
                        f"ports[{number}].devices[{place}].options.{option}", Path(str(value)), secret=True
                    )


def folder_of(config: Path) -> Path:
    """Where relative paths of a configuration start."""
    return Path(os.path.abspath(config)).parent  # noqa: PTH100 (resolve() would follow symlinks)


def place_in(folder: Path, path: Path) -> str | None:
    """The place of a file in the configuration's folder, `/` between its parts; None: it lies elsewhere."""
    try:
        return Path(os.path.normpath(path)).relative_to(folder).as_posix()
    except ValueError:
        return None
