"""A journal full of records in a few seconds: heaps of frames, as fast as the daemon reads them."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.simulation import frames

from .site import Reader, Site, cards, eventually

HEAP = 200


def fill(site: Site, readers: Sequence[Reader], records: int) -> None:
    """Swipe until the journal has this many records: two for each frame."""
    frames_of = [frames.rdm6300(card) for card in cards(records // 2)]
    heaps = [b"".join(frames_of[at : at + HEAP]) for at in range(0, len(frames_of), HEAP)]
    for number, heap in enumerate(heaps):
        port = readers[number % len(readers)].port
        eventually(lambda port=port, heap=heap: port.write(heap), "the daemon reading", 30.0)
    for reader in readers:  # what the kernel had no room for is pushed by looking
        eventually(lambda port=reader.port: not port.unread(), "the daemon reading the rest", 30.0)
    eventually(lambda: site.status()["newest"] >= records, "capturing all", 60.0)
