"""`punchgate decode`: what do these bytes mean, one JSON object a line.

The bytes of `--hex` and `--file` are taken as if they had arrived at one instant; standard input is read as it
comes, on the monotonic clock, so that `cat /dev/ttyUSB0 | punchgate decode em4100 -` times out like the daemon.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from drivers import registry
from drivers.contract import Driver
from drivers.events import Event
from gateway.commands.bench_options import bytes_of

STDIN = 0
CHUNK_BYTES = 65536


@click.command("decode")
@click.argument("driver")
@click.argument("source", required=False, metavar="[-]")
@click.option("--set", "settings", multiple=True, metavar="K=V", help="One of the driver's options; may be repeated.")
@click.option("--hex", "hex_text", metavar="HEX", help="The bytes as hex digits; 02:36, 0x02,0x36 too.")
@click.option("--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Raw bytes.")
@click.option("-c", "--config", expose_value=False, metavar="FILE", help="Accepted as everywhere; not needed here.")
def command(
    driver: str, source: str | None, settings: Sequence[str], hex_text: str | None, path: Path | None
) -> None:
    """Decode bytes of DRIVER: give --hex, --file, or - for standard input."""
    if source not in (None, "-"):
        raise click.UsageError(f"unexpected argument {source!r}; bytes are given with --hex, --file or -")
    if [source is not None, hex_text is not None, path is not None].count(True) != 1:
        raise click.UsageError("give the bytes once: --hex HEX, --file FILE, or - for standard input")
    decoder = _decoder(driver, settings)
    if source == "-":
        batches = _live(decoder)
    else:
        batches = _at_once(decoder, path.read_bytes() if path else bytes_of(hex_text or ""))
    with contextlib.suppress(BrokenPipeError):
        _print(batches)


def _decoder(name: str, settings: Sequence[str]) -> Driver:
    """The driver with its options; UsageError names what is unknown and the nearest that is not."""
    values: dict[str, object] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        if not sign:
            raise click.UsageError(f"--set {setting!r}: write KEY=VALUE")
        values[key.strip()] = value
    try:
        spec = registry.find(name)
        return spec.new(registry.make_options(spec, values, "--set "))
    except (LookupError, ValueError) as error:
        raise click.UsageError(str(error)) from None


def _at_once(decoder: Driver, data: bytes) -> Iterator[list[Event]]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield decoder.feed(data[start : start + CHUNK_BYTES], 0.0)
    yield decoder.close()


def _live(decoder: Driver) -> Iterator[list[Event]]:
    """Standard input until it ends; `poll` is called when the driver asks for it."""
    while True:
        due = decoder.next_poll()
        timeout_s = None if due is None else max(0.0, due - time.monotonic())
        try:
            readable, _, _ = select.select([STDIN], [], [], timeout_s)
            data = os.read(STDIN, CHUNK_BYTES) if readable else b""
        except OSError as error:
            raise click.UsageError(f"-: standard input cannot be read: {error.strerror}") from error
        if not readable:
            yield decoder.poll(time.monotonic())
            continue
        if not data:
            break
        yield decoder.feed(data, time.monotonic())
    yield decoder.close()


def _print(batches: Iterator[list[Event]]) -> None:
    for events in batches:
        for event in events:
            click.echo(json.dumps(event.as_dict(), ensure_ascii=False))
        sys.stdout.flush()
