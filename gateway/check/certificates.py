"""Will TLS work, and for how long: the files, whether they go together, their names and their dates."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.broker import is_loopback
from gateway import assembly
from gateway.check.case import Case
from gateway.check.finding import Finding
from gateway.uplink.x509 import Certificate, read_certificates

SOON = timedelta(days=30)
NO_UPLINK = "no connection to the broker; the daemon captures meanwhile"
RENEW = "have a new one issued; the daemon takes it up at its next connection"


def certificates(case: Case) -> Iterator[Finding]:
    """The TLS files of the uplink; the broker's own certificate is looked at when it is visited."""
    uplink = case.settings.uplink
    if not uplink.tls:
        yield from _in_the_clear(case)
        return
    if uplink.ca_file is not None:
        yield from _anchors(uplink.ca_file, case)
    if uplink.cert_file is not None and uplink.key_file is not None:
        yield from _own(uplink.cert_file, case)
        yield from _renewal(case)
        yield from _pair(uplink.cert_file, uplink.key_file)


def dates(name: str, certificate: Certificate, case: Case) -> Finding:
    """Whether a certificate is valid now and stays so for a while."""
    now = datetime.fromtimestamp(case.clock.unix_ms() / 1000, UTC)
    until = f"{certificate.valid_until:%Y-%m-%d}"
    if case.clock_is_wrong():
        return Finding("note", f"{name}: valid until {until}", "the clock is not set, so this cannot be judged")
    if now >= certificate.valid_until:
        return Finding("finding", f"{name}: expired on {until}", NO_UPLINK, RENEW)
    if now < certificate.valid_from:
        what = f"{name}: not valid before {certificate.valid_from:%Y-%m-%d %H:%M} UTC"
        return Finding("finding", what, NO_UPLINK, "set the clock, or have it issued anew")
    if certificate.valid_until - now <= SOON:
        left = (certificate.valid_until - now).days
        return Finding(
            "warning", f"{name}: expires in {left} days, on {until}", f"from then on there is {NO_UPLINK}", RENEW
        )
    return Finding("ok", f"{name}: valid until {until}")


def _in_the_clear(case: Case) -> Iterator[Finding]:
    if not is_loopback(case.settings.uplink.host):
        yield Finding(
            "warning",
            "uplink.url: mqtt:// leaves this machine without encryption",
            "whoever is on the way can read the records and the password, and forge receipts",
            "use mqtts:// and take insecure = true out",
        )


def _anchors(path: Path, case: Case) -> Iterator[Finding]:
    found = _read("uplink.ca_file", path)
    if isinstance(found, Finding):
        yield found
    else:
        yield dates("uplink.ca_file", max(found, key=lambda one: one.valid_until), case)


def _own(path: Path, case: Case) -> Iterator[Finding]:
    found = _read("uplink.cert_file", path)
    if isinstance(found, Finding):
        yield found
        return
    yield dates("uplink.cert_file", found[0], case)
    wanted = assembly.link(case.settings).client_id
    if found[0].common_name != wanted:
        yield Finding(
            "warning",
            f"uplink.cert_file: its CN is {found[0].common_name!r}, not {wanted!r}",
            "a broker that takes the CN for the user will give it the rights of another, or none",
            f"have it issued for CN={wanted}, or correct gateway.site and gateway.id",
        )


def _renewal(case: Case) -> Iterator[Finding]:
    """Nothing where nobody renews by itself: `dates` warns in time."""
    if case.settings.uplink.centre_url is not None:
        yield Finding("ok", f"uplink.centre_url: {case.settings.uplink.centre_url} renews it: punchgate enrol renew")


def _pair(cert: Path, key: Path) -> Iterator[Finding]:
    try:
        ssl.create_default_context().load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        what = f"uplink.key_file: {key} is not the key of cert_file, has a pass phrase, or is no PEM ({error.reason})"
        yield Finding(
            "finding", what, NO_UPLINK, "give the private key of that certificate, in PEM, without a pass phrase"
        )
    except OSError as error:
        if os.access(cert, os.R_OK):
            yield _unreadable("uplink.key_file", key, error)


def _read(name: str, path: Path) -> list[Certificate] | Finding:
    try:
        return read_certificates(path)
    except OSError as error:
        return _unreadable(name, path, error)
    except ValueError as error:
        return Finding("finding", f"{name}: {path} {error}", NO_UPLINK, "name the PEM file of the certificate")


def _unreadable(name: str, path: Path, error: OSError) -> Finding:
    mend = "correct the path, and let the daemon's user read the file"
    return Finding("finding", f"{name}: {path}: {error.strerror}", NO_UPLINK, mend)
