"""`punchgate capture`: record a device on its port, with the card numbers replaced unless they are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import click

from drivers.contract import DriverSpec
from drivers.events import CardRead, Event, Scan
from gateway.bench.fixture import events_text, hex_text
from gateway.bench.probing import Search, probe
from gateway.bench.recording import Piece, Recording, lines
from gateway.bench.redacting import redacted
from gateway.bench.talk import open_port, port_url, talk
from gateway.clock import Clock
from gateway.commands.bench_options import driver_named, installed_drivers, options_of, settings_of
from gateway.commands.options import NumberRange
from gateway.errors import EXIT_FAILED, PunchgateError, Transient
from gateway.simulation.children import endings_as_interrupt
from gateway.whole_file import whole_file
from gateway.wire import timestamp

HIDDEN = "…"


@click.command("capture")
@click.argument("port")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="The capture file to write.")
@click.option(
    "--fixture",
    type=click.Path(path_type=Path),
    metavar="FOLDER/NAME",
    help="Write NAME.hex and NAME.json for tests/captures.",
)
@click.option("--driver", metavar="NAME", help="Its driver; without it the device is recognised first.")
@click.option("--set", "pairs", multiple=True, metavar="K=V", help="One of the driver's options; may be repeated.")
@click.option("--baud", type=click.IntRange(50), help="Line speed; the driver's usual one by default.")
@click.option(
    "--for", "seconds", type=NumberRange(0.1), metavar="S", help="End after so many seconds; else with Ctrl-C."
)
@click.option("--ask", is_flag=True, help="Ask the device, as the daemon does; else only listen.")
@click.option("--raw", is_flag=True, help="Keep the card numbers.")
def command(
    port: str,
    output: Path | None,
    fixture: Path | None,
    driver: str | None,
    pairs: Sequence[str],
    baud: int | None,
    seconds: float | None,
    ask: bool,
    raw: bool,
) -> int:
    """Record what the device on PORT (a path or a pyserial URL) says; play it back with `punchgate replay`.

    Card numbers are replaced, checks computed anew, and what belongs to no frame is blanked.
    """
    port = port_url(port)
    targets = _targets(output, fixture, raw=raw)
    settings = settings_of(pairs)
    if settings and not driver:
        raise click.UsageError("--set needs --driver NAME: options belong to one driver")
    spec = driver_named(driver, "--driver") if driver else None
    if spec is None:
        spec, settings, baud = _recognised(port, baud, ask=ask)
    options = options_of(spec, settings)
    settings = {key: getattr(options, key) for key in settings}
    if not raw:
        redacted(Recording(()), spec, options)  # say now, not after the recording, that it cannot be done
    recording = _record(port, spec, options, baud or spec.baud, seconds, ask=ask, raw=raw)
    recording = Recording(recording.pieces, spec.name, recording.baud, settings, False, recording.started)
    if not recording.pieces:
        click.echo("nothing was heard; nothing was written", err=True)
        return EXIT_FAILED
    kept = recording if raw else redacted(recording, spec, options)
    _write(targets, kept, spec, settings, options)
    return 0


def _targets(output: Path | None, fixture: Path | None, *, raw: bool) -> dict[str, Path]:
    """The files to write, by kind. UsageError: none, one that exists, or card numbers in a fixture."""
    if output is None and fixture is None:
        raise click.UsageError("say where to: -o FILE, or --fixture FOLDER/NAME")
    if fixture is not None and raw:
        raise click.UsageError("--fixture is for a repository, and card numbers do not go there: leave out --raw")
    targets = {"capture": output} if output is not None else {}
    if fixture is not None:
        targets |= {kind: fixture.with_name(f"{fixture.name}.{kind}") for kind in ("hex", "json")}
    for path in targets.values():
        if path.exists() or path.is_symlink():
            raise click.UsageError(f"{path} exists; it is not overwritten")
        if not path.absolute().parent.is_dir():
            raise click.UsageError(f"{path}: there is no folder {path.parent}")
    return targets


def _recognised(port: str, baud: int | None, *, ask: bool) -> tuple[DriverSpec, dict[str, object], int | None]:
    """The driver, options and speed that fit best. PunchgateError: none."""
    say = partial(click.echo, err=True)
    found = probe(Search(port, installed_drivers(), {}, (baud,) if baud else (), ask=ask, say=say))
    if not found:
        remedy = "name its driver with --driver" + ("" if ask else ", or let it be asked with --ask")
        raise PunchgateError(f"{port}: the device was not recognised", remedy=remedy)
    best = found[0]
    say(f"recorded as {best.spec.name} at {best.baud} baud: {best.reasons[0]}")
    return best.spec, dict(best.options), best.baud


def _record(
    port: str, spec: DriverSpec, options: Any, baud: int, seconds: float | None, *, ask: bool, raw: bool
) -> Recording:
    """Listen until the time is over, Ctrl-C or the device is gone; print what is understood."""
    pieces: list[Piece] = []
    started, begun = timestamp(Clock().unix_ms()), time.monotonic()
    driver = spec.new(options)
    with closing(open_port(port, baud)) as line, endings_as_interrupt():
        click.echo(f"recording {port} at {baud} baud as {spec.name}; Ctrl-C ends it", err=True)
        try:
            for step in talk(line, driver, ask=ask, until=None if seconds is None else begun + seconds):
                if step.sent:
                    pieces.append(Piece(step.at - begun, "tx", step.sent))
                if step.received:
                    pieces.append(Piece(step.at - begun, "rx", step.received))
                for event in step.events:
                    _print(event, raw=raw)
        except KeyboardInterrupt:
            click.echo("ended", err=True)
        except Transient as trouble:
            click.echo(f"{port}: {trouble}", err=True)
    for event in driver.close():
        _print(event, raw=raw)
    return Recording(tuple(pieces), baud=baud, started=started)


def _print(event: Event, *, raw: bool) -> None:
    told = event.as_dict() if raw else {"event": event.event, **event.words()}
    if not raw and isinstance(event, (CardRead, Scan)):
        told["value"] = HIDDEN
    click.echo(json.dumps(told, ensure_ascii=False))


def _write(
    targets: Mapping[str, Path], kept: Recording, spec: DriverSpec, settings: Mapping[str, object], options: Any
) -> None:
    texts = {"capture": "\n".join(lines(kept)) + "\n"}
    if "hex" in targets:
        texts |= {"hex": hex_text(kept), "json": events_text(kept, spec, settings, options)}
    for kind, path in targets.items():
        with whole_file(path) as file:
            file.write(texts[kind].encode())
        click.echo(
            f"{path}: {len(kept.pieces)} chunks, {'card numbers replaced' if kept.redacted else 'as it was'}",
            err=True,
        )
