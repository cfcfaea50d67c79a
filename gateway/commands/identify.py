"""`punchgate identify`: which driver, at which speed, understands this device, ranked, with reasons."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from gateway.bench.advice import UNPLUGGED, snippet, stable_name
from gateway.bench.probing import ANSWER_MAX_S, LISTEN_S, Search, probe
from gateway.bench.recognition import Candidate, best_are_tied, recognise
from gateway.bench.recording import read_recording
from gateway.bench.talk import port_url
from gateway.commands.bench_options import bytes_of, driver_named, installed_drivers, options_of, settings_of
from gateway.commands.options import NumberRange
from gateway.errors import EXIT_FAILED

SHOWN = 5


@click.command("identify")
@click.argument("port", required=False)
@click.option("--hex", "hex_text", metavar="HEX", help="Bytes instead of a port; 02:36, 0x02,0x36 too.")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Raw bytes, or a capture."
)
@click.option(
    "--listen",
    "listen_s",
    type=NumberRange(0.1, 600),
    default=LISTEN_S,
    show_default=True,
    help="Seconds to listen at each speed.",
)
@click.option("--only", metavar="DRIVER", help="Try this driver alone.")
@click.option(
    "--set", "pairs", multiple=True, metavar="K=V", help="With --only: one of its options; may be repeated."
)
@click.option(
    "--baud", "bauds", type=click.IntRange(50), multiple=True, help="Try this speed alone; may be repeated."
)
@click.option("--listen-only", is_flag=True, help="Write nothing to the device.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(
    port: str | None,
    hex_text: str | None,
    path: Path | None,
    listen_s: float,
    only: str | None,
    pairs: Sequence[str],
    bauds: Sequence[int],
    listen_only: bool,
    as_json: bool,
) -> int:
    """Find the driver for the device on PORT (a path or a pyserial URL), or for the bytes of --hex or --file.

    On a port it listens at each speed, then asks as each driver that asks. Exit 1: nothing fits.
    """
    if [port is not None, hex_text is not None, path is not None].count(True) != 1:
        raise click.UsageError("give one of PORT, --hex HEX and --file FILE")
    settings = settings_of(pairs)
    if settings and not only:
        raise click.UsageError("--set needs --only DRIVER: options belong to one driver")
    specs = [driver_named(only, "--only")] if only else installed_drivers()
    if settings:
        options_of(specs[0], settings)
    port = port and port_url(port)
    if port is None:
        chunks = read_recording(path).received if path else [(0.0, bytes_of(hex_text or ""))]
        heard = sum(len(data) for _, data in chunks)
        found = recognise(chunks, specs, settings=settings) if heard else []
    else:
        say = partial(click.echo, err=True)
        search = Search(port, specs, settings, tuple(bauds), listen_s, not listen_only, say)
        say(f"this takes {_longest_s(search):.0f} s at most; Ctrl-C ends it")
        found = probe(search)
        heard = search.heard_bytes
    url = UNPLUGGED if port is None else stable_name(port)
    if as_json:
        click.echo(json.dumps(_document(found, heard, url), ensure_ascii=False))
    else:
        _tell(found, heard, url, is_port=port is not None)
    return 0 if found else EXIT_FAILED


def _longest_s(search: Search) -> float:
    """How long a search lasts if nothing is found."""
    asked = [len(search.bauds or spec.bauds or (spec.baud,)) for spec in search.specs if spec.asks and search.ask]
    return len(search.speeds) * 2 * search.listen_s + sum(asked) * ANSWER_MAX_S


def _document(found: Sequence[Candidate], heard: int, url: str) -> dict[str, object]:
    candidates = [
        each.as_dict() | {"configuration": snippet(each.spec, each.options, url, each.baud)} for each in found
    ]
    return {"heard": heard, "tied": [each.spec.name for each in best_are_tied(found)], "candidates": candidates}


def _tell(found: Sequence[Candidate], heard: int, url: str, *, is_port: bool) -> None:
    if not found:
        click.echo(_nothing(heard, is_port=is_port), err=True)
        return
    for place, each in enumerate(found[:SHOWN], 1):
        speed = f" at {each.baud} baud" if each.baud and is_port and url.startswith("/") else ""
        options = "".join(f" {key}={value}" for key, value in each.options.items())
        click.echo(f"{place}. {each.spec.name}{options}{speed}: {each.certainty}")
        for reason in each.reasons:
            click.echo(f"   {reason}")
    if tied := best_are_tied(found):
        names = " and ".join(each.spec.name for each in tied)
        click.echo(f"{names} explain these bytes equally well; more of them may decide")
    best = found[0]
    click.echo("\n# put this into your configuration, then run: punchgate check")
    click.echo(snippet(best.spec, best.options, url, best.baud), nl=False)


def _nothing(heard: int, *, is_port: bool) -> str:
    """What to do now."""
    if not is_port:
        return (
            f"nothing fits: no driver understands these {heard} bytes"
            if heard
            else "nothing fits: there are no bytes"
        )
    if heard:
        return (
            f"nothing fits: {heard} bytes came, and no driver understands them; look for swapped wires, another "
            "parity, or a device that is not supported (`punchgate drivers` lists what is)"
        )
    return (
        "nothing fits: nothing was heard; see that the device has power, that its TX goes to RX (or A to A, B to B), "
        "and use it while this listens (--listen 10)"
    )
