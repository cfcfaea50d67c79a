"""Are the secrets there, well formed, and nobody else's to read?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config import ConfigError, exposure, read_organisation_key, read_password, read_secret
from config import Finding as Mistake
from gateway import assembly
from gateway.check.case import Case
from gateway.check.finding import Finding
from gateway.errors import Misconfigured
from gateway.uplink import NoKey

NO_TOKENS = "without the organisation's key no card becomes a token: the daemon does not start"
NO_LOGIN = "the broker will not let the daemon in; it captures meanwhile"
EXPOSED = "whoever has an account on this machine can take it"
UNSIGNED = (
    "`state` goes out unsigned: a centre that knows this gateway's key refuses it, and nothing proves the chain"
)
NO_DEVICE = "the device is not talked to without its key; all others work"
NO_RECEIPTS = "the daemon does not start without the key it was told to check receipts with"


def keys(case: Case) -> Iterator[Finding]:
    """The organisation's key, the password, the centre's public key, our own; then who else can read them."""
    yield from _organisation_key(case)
    yield from _password(case)
    yield from _centre_key(case)
    yield from _own_key(case)
    yield from _device_keys(case)
    for key, path in assembly.secret_files(case.settings):
        exposed = exposure(path, key=key)
        if exposed is not None:
            yield _from(exposed, EXPOSED)


def _organisation_key(case: Case) -> Iterator[Finding]:
    try:
        key_id, _ = read_organisation_key(case.settings.privacy.key_file)
        yield Finding("ok", f"privacy.key_file: key {key_id}")
    except ConfigError as error:
        yield from (_from(mistake, NO_TOKENS) for mistake in error.findings)


def _password(case: Case) -> Iterator[Finding]:
    path = case.settings.uplink.password_file
    if path is None:
        return
    try:
        read_password(path)
        yield Finding("ok", "uplink.password_file: a password")
    except ConfigError as error:
        yield from (_from(mistake, NO_LOGIN) for mistake in error.findings)


def _centre_key(case: Case) -> Iterator[Finding]:
    key = assembly.centre_key(case.settings)
    if isinstance(key, NoKey):
        yield Finding("finding", key.trouble.message, NO_RECEIPTS, key.trouble.remedy)
    elif key is not None:
        yield Finding("ok", "uplink.centre_key_file: an Ed25519 key")


def _own_key(case: Case) -> Iterator[Finding]:
    if case.settings.sign.key_file is None:
        return
    try:
        assembly.own_signer(case.settings)
        yield Finding("ok", "sign.key_file: an Ed25519 key")
    except Misconfigured as trouble:
        yield Finding("finding", trouble.message, UNSIGNED, trouble.remedy)


def _device_keys(case: Case) -> Iterator[Finding]:
    """Files that drivers read at their start: options whose names end in `_file`."""
    for number, port in enumerate(case.settings.ports):
        for place, device in enumerate(port.devices):
            for option, value in device.options.items():
                if option.endswith("_file") and value:
                    key = f"ports[{number}].devices[{place}].options.{option}"
                    yield from _device_key(key, Path(str(value)))


def _device_key(key: str, path: Path) -> Iterator[Finding]:
    try:
        read_secret(path, key=key)
    except ConfigError as error:
        yield from (_from(mistake, NO_DEVICE) for mistake in error.findings)
        return
    exposed = exposure(path, key=key)
    yield Finding("ok", f"{key}: a file of ours") if exposed is None else _from(exposed, NO_DEVICE)


def _from(mistake: Mistake, why: str) -> Finding:
    return Finding("finding", f"{mistake.key}: {mistake.file}: {mistake.problem}", why, mistake.remedy)
