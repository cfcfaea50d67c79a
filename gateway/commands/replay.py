"""`punchgate replay`: play a capture back as a port."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click

from drivers import registry
from gateway.bench.advice import snippet
from gateway.bench.playback import play
from gateway.bench.recording import Recording, read_capture
from gateway.commands.options import NumberRange
from gateway.errors import PunchgateError
from gateway.simulation import solo
from gateway.simulation.children import endings_as_interrupt
from gateway.simulation.pty import Pty

BETWEEN_S = 1.0


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--pty", "link", type=click.Path(path_type=Path), help="A stable name for the port (symbolic link).")
@click.option("--speed", type=NumberRange(0.01, 1000), default=1.0, show_default=True, help="So many times as fast.")
@click.option("--loop", is_flag=True, help="Again and again, until Ctrl-C.")
def command(file: Path, link: Path | None, speed: float, loop: bool) -> None:
    """Play FILE, a capture or a fixture (.hex).

    Prints the path of the port, then what it sends, one JSON object a line.
    """
    recording = read_capture(file)
    if not recording.received:
        raise PunchgateError(f"{file}: there is nothing in it that a device said")
    try:
        port = Pty(link)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--pty") from error
    with port, endings_as_interrupt():
        click.echo(port.path)
        _advise(recording, str(port.path.absolute()))
        try:
            play(recording, port, click.echo, speed=speed)
            while loop:
                time.sleep(BETWEEN_S / speed)
                play(recording, port, click.echo, speed=speed)
            if unread := solo.wait_until_read(port):
                click.echo(f"{unread} bytes were never read", err=True)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be what went away
                click.echo("unplugged", err=True)


def _advise(recording: Recording, path: str) -> None:
    """What to paste into the configuration, if the driver is installed here."""
    with suppress(LookupError, ValueError):
        spec = registry.find(recording.driver)
        click.echo(snippet(spec, recording.options, path, recording.baud), err=True)
