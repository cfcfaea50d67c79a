"""Rewrite a stream so that it speaks of other cards: what a recording must go through before it leaves the site.

Each valid frame is edited by its family (`DriverSpec.redact`). What belongs to no valid frame may still be most of a
card number, so nothing of it is kept but its length, its first byte, which tells what was begun, and its line ends,
without which a damaged line would swallow the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from drivers.contract import Driver
from drivers.framing import FrameStream

FILLER = 0xFF
LINE_ENDS = b"\t\r\n"

Edit = Callable[[bytes], bytes]


class CannotRewrite(TypeError):
    """The driver does not say where its frames lie. Example: a foreign one that is not built on FrameStream."""


def rewrite(driver: Driver, data: bytes, edit: Edit) -> bytes:
    """The stream `data`, fed at one instant to a fresh `driver`, edited. Same length. Raises CannotRewrite."""
    return rewrite_timed(driver, [(0.0, data)], edit)


def rewrite_timed(driver: Driver, chunks: Iterable[tuple[float, bytes]], edit: Edit) -> bytes:
    """The same for bytes that came at different times (seconds): silences end frames as they did then."""
    stream = _stream_of(driver)
    spans: list[tuple[int, int]] = []
    stream.on_frame = lambda start, size: spans.append((start, size))
    data = b""
    for at, chunk in chunks:
        driver.poll(at)
        driver.feed(chunk, at)
        data += chunk
    driver.close()
    return _edited(data, spans, edit)


def _edited(data: bytes, spans: list[tuple[int, int]], edit: Edit) -> bytes:
    made, at = b"", 0
    for start, size in spans:
        made += _blank(data[at:start]) + edit(data[start : start + size])
        at = start + size
    return made + _blank(data[at:])


def _blank(refused: bytes) -> bytes:
    return refused[:1] + bytes(byte if byte in LINE_ENDS else FILLER for byte in refused[1:])


def _stream_of(driver: Driver) -> FrameStream:
    stream = driver if isinstance(driver, FrameStream) else getattr(driver, "stream", None)
    if not isinstance(stream, FrameStream):
        raise CannotRewrite(f"{type(driver).__name__} does not say where its frames lie")
    return stream
