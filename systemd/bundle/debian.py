"""The two Debian packages: the program with the gateway's service, and the centre's, which needs the first."""

from __future__ import annotations

from pathlib import Path

from bundle import layout
from bundle.deb import Package
from bundle.layout import Parts
from bundle.tree import PROGRAM, Tree
from bundle.wheels import GLIBC

RELEASES = {"3.11": "12", "3.13": "13"}
"""The Python of each Debian release that the package is for."""

HOME = "usr/lib/punchgate"
MAINTAINER = "punchgate maintainers <maintainers@punchgate.invalid>"
PYTHONS = "python3 (>= 3.11~), python3 (<< 3.12~) | python3 (>= 3.13~), python3 (<< 3.14~)"

GATEWAY_TEXT = """gateway daemon for turnstiles and card readers
 Reads turnstiles and card readers over serial lines and TCP, keeps what they say
 in a durable journal, and carries it over MQTT to a central traceability service.
 .
 Brings all libraries it needs, so that it installs without a network."""

CENTRE_TEXT = """traceability service for punchgate gateways
 Takes the records of all punchgate gateways from the broker and keeps each of
 them once in its ledger. The program is that of the package punchgate; this one
 adds the service, its user and its example."""


def full_version(version: str) -> str:
    """Says for which releases the package is: 0.1.0+deb12.13."""
    return f"{version}+deb{'.'.join(RELEASES.values())}"


def gateway(parts: Parts, version: str, arch: str, papers: dict[str, bytes]) -> Package:
    """The package `punchgate`; `papers` go beside its licences."""
    tree = Tree()
    layout.add_libraries(tree, f"{HOME}/", parts)
    text = layout.launcher(parts.root, "/usr/bin/python3", f"/{HOME}", list(RELEASES))
    layout.add_program(tree, "usr/bin/punchgate", text)
    tree.add("usr/lib/systemd/system/punchgate.service", layout.unit(parts.root, "punchgate"))
    tree.add(f"usr/lib/udev/rules.d/{layout.RULES}", layout.rules(parts.root))
    tree.add("usr/share/python3/runtime.d/punchgate.rtupdate", _debian(parts.root, "punchgate.rtupdate"), PROGRAM)
    tree.add(f"usr/share/punchgate/{layout.DROP_IN}", layout.drop_in(parts.root))
    layout.add_examples(tree, "usr/share/punchgate/examples", parts.root, centre=False)
    layout.add_licences(tree, "usr/share/doc/punchgate", [parts.own, *parts.wheels])
    for name, data in papers.items():
        tree.add(f"usr/share/doc/punchgate/{name}", data)
    tree.folder("etc/punchgate")
    needs = f"{PYTHONS}, libc6 (>= {GLIBC}), libgcc-s1, passwd, tzdata"
    fields = _fields(GATEWAY_TEXT, needs) | {"Recommends": "systemd, udev"}
    return Package("punchgate", version, arch, _ordered(fields), tree, _scripts(parts.root, "punchgate"))


def centre(root: Path, version: str) -> Package:
    """The package `punchgate-centre`, the same for all architectures."""
    tree = Tree()
    tree.add("usr/lib/systemd/system/punchgate-centre.service", layout.unit(root, "punchgate-centre"))
    layout.add_examples(tree, "usr/share/punchgate-centre/examples", root, centre=True)
    tree.link("usr/share/doc/punchgate-centre", "punchgate")
    tree.folder("etc/punchgate")
    fields = _fields(CENTRE_TEXT, f"punchgate (= {version}), passwd") | {"Recommends": "systemd"}
    return Package("punchgate-centre", version, "all", _ordered(fields), tree, _scripts(root, "punchgate-centre"))


def _fields(text: str, needs: str) -> dict[str, str]:
    return {"Maintainer": MAINTAINER, "Section": "net", "Priority": "optional", "Depends": needs, "Description": text}


def _ordered(fields: dict[str, str]) -> dict[str, str]:
    """The description last, as people are used to."""
    return {key: fields[key] for key in sorted(fields, key=lambda key: key == "Description")}


def _scripts(root: Path, package: str) -> dict[str, str]:
    return {name: _debian(root, f"{package}.{name}") for name in ("postinst", "prerm", "postrm")}


def _debian(root: Path, name: str) -> str:
    return (root / "systemd" / "debian" / name).read_text("utf-8")
