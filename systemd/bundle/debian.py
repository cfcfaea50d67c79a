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
CENTRE_HOME = "usr/lib/punchgate-centre"
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
    layout.add_release(tree, f"{HOME}/dist/", parts, version)
    text = layout.launcher(parts.root, "/usr/bin/python3", f"/{CENTRE_HOME}", list(RELEASES))
    layout.add_program(tree, f"{HOME}/dist/bin/punchgate", text)
    layout.add_program(tree, f"{HOME}/keeper", layout.keeper(parts.root, f"/{HOME}"))
    tree.link("usr/bin/punchgate", "../lib/punchgate/current/bin/punchgate")
    tree.link("usr/sbin/punchgate-release", "../lib/punchgate/keeper")
    tree.add("usr/lib/systemd/system/punchgate.service", layout.unit(parts.root, "punchgate"))
    tree.add("usr/lib/systemd/system/punchgate.service.d/release.conf", layout.release_drop_in(parts.root))
    for name in layout.RENEWAL:
        tree.add(f"usr/lib/systemd/system/{name}", layout.renewal(parts.root, name))
    tree.link("usr/lib/systemd/system/timers.target.wants/punchgate-renew.timer", "../punchgate-renew.timer")
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


def centre(parts: Parts, version: str, arch: str) -> Package:
    """The package `punchgate-centre`: the same for all architectures, unless it has libraries of its own."""
    root, tree = parts.root, Tree()
    layout.add_libraries(tree, f"{CENTRE_HOME}/", parts.centre)
    if parts.centre_wheels:
        layout.add_licences(tree, "usr/share/punchgate-centre/doc", parts.centre_wheels)
    tree.add("usr/lib/systemd/system/punchgate-centre.service", layout.unit(root, "punchgate-centre"))
    for name in layout.BROKER:
        tree.add(f"usr/lib/systemd/system/{name}", layout.broker(root, name))
    tree.link("usr/lib/systemd/system/multi-user.target.wants/punchgate-broker.path", "../punchgate-broker.path")
    layout.add_program(tree, f"{CENTRE_HOME}/broker", layout.broker(root, "broker.sh"))
    layout.add_examples(tree, "usr/share/punchgate-centre/examples", root, centre=True)
    tree.link("usr/share/doc/punchgate-centre", "punchgate")
    tree.folder("etc/punchgate")
    fields = _fields(CENTRE_TEXT, f"punchgate (= {version}), passwd") | {"Recommends": "systemd"}
    architecture = arch if parts.centre_wheels else "all"
    scripts = _scripts(root, "punchgate-centre")
    return Package("punchgate-centre", version, architecture, _ordered(fields), tree, scripts)


def _fields(text: str, needs: str) -> dict[str, str]:
    return {"Maintainer": MAINTAINER, "Section": "net", "Priority": "optional", "Depends": needs, "Description": text}


def _ordered(fields: dict[str, str]) -> dict[str, str]:
    """The description last, as people are used to."""
    return {key: fields[key] for key in sorted(fields, key=lambda key: key == "Description")}


def _scripts(root: Path, package: str) -> dict[str, str]:
    names = ("preinst", "postinst", "prerm", "postrm")
    found = [name for name in names if (root / "systemd" / "debian" / f"{package}.{name}").exists()]
    return {name: _debian(root, f"{package}.{name}") for name in found}


def _debian(root: Path, name: str) -> str:
    return (root / "systemd" / "debian" / name).read_text("utf-8")
