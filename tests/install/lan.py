"""A wire between two boxes that run: each gets an address of it, and sees nothing else."""

from __future__ import annotations

import subprocess

from box import Box

CENTRE_AT, GATEWAY_AT = "10.77.0.1", "10.77.0.2"
NAME = "lan0"


def join(centre: Box, gateway: Box) -> None:
    """The wire goes with the boxes."""
    ends = (f"pg{centre.init}", f"pg{gateway.init}")
    _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for box, end, address in ((centre, ends[0], CENTRE_AT), (gateway, ends[1], GATEWAY_AT)):
        _ip("link", "set", end, "netns", str(box.init), "name", NAME)
        _ip("address", "add", f"{address}/24", "dev", NAME, inside=box)
        _ip("link", "set", NAME, "up", inside=box)


def _ip(*words: str, inside: Box | None = None) -> None:
    entered = ["nsenter", f"--target={inside.init}", "--net"] if inside else []
    done = subprocess.run([*entered, "ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
