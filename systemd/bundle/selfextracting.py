"""The self-extracting installer: install.sh with a compressed tar behind it."""

from __future__ import annotations

import gzip
from hashlib import sha256

from bundle import layout
from bundle.layout import Parts
from bundle.tree import Tree
from bundle.wheels import MACHINES

HOME = "/opt/punchgate"
CENTRE = "centre"
LENGTH = "@HEAD_BYTES@"


def file_name(version: str, arch: str) -> str:
    return f"punchgate-{version}-{arch}.run"


def write(parts: Parts, version: str, arch: str, epoch: int, papers: dict[str, bytes]) -> bytes:
    """The whole file; its head knows its own length and the checksum of what follows."""
    payload = gzip.compress(_contents(parts, version, papers).tar(epoch), compresslevel=9, mtime=epoch)
    head = (parts.root / "systemd" / "install.sh").read_text("utf-8")
    words = {
        "@VERSION@": version,
        "@ARCH@": arch,
        "@MACHINE@": MACHINES[arch],
        "@MINORS@": " ".join(parts.minors),
        "@PAYLOAD_SHA256@": sha256(payload).hexdigest(),
    }
    for word, value in words.items():
        head = head.replace(word, value)
    return _with_length(head).encode() + payload


def _contents(parts: Parts, version: str, papers: dict[str, bytes]) -> Tree:
    tree = Tree()
    layout.add_release(tree, "", parts, version)
    layout.add_libraries(tree, f"{CENTRE}/", parts.centre)
    tree.folder("bin")
    tree.add("share/launcher", layout.launcher(parts.root, "@PYTHON@", CENTRE, parts.minors))
    tree.add("share/keeper", layout.keeper(parts.root, HOME))
    tree.add(f"share/{layout.RELEASE_DROP_IN}", layout.release_drop_in(parts.root))
    for name in layout.UNITS:
        tree.add(f"share/{name}.service", layout.unit(parts.root, name))
    for name in layout.RENEWAL:
        tree.add(f"share/{name}", layout.renewal(parts.root, name))
    for name in layout.BROKER:
        tree.add(f"share/{name}", layout.broker(parts.root, name))
    tree.add("share/broker", layout.broker(parts.root, "broker.sh"))
    tree.add(f"share/{layout.RULES}", layout.rules(parts.root))
    tree.add(f"share/{layout.DROP_IN}", layout.drop_in(parts.root))
    for centre in (False, True):
        layout.add_examples(tree, "share/examples", parts.root, centre=centre)
    layout.add_licences(tree, "share/doc", [parts.own, *parts.wheels, *parts.centre_wheels])
    for name, data in papers.items():
        tree.add(f"share/doc/{name}", data)
    return tree


def _with_length(head: str) -> str:
    """The head with its own length in bytes in it."""
    for digits in range(3, 7):
        length = len(head.encode()) - len(LENGTH) + digits
        if len(str(length)) == digits:
            return head.replace(LENGTH, str(length))
    raise ValueError("a head of this length cannot name its own length")
