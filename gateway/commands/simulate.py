"""`punchgate simulate`: a device that behaves like the real one, on a pseudo-terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TypeVar

import click

from gateway.commands.options import NumberRange
from gateway.simulation import solo, talkers
from gateway.simulation.children import endings_as_interrupt
from gateway.simulation.desk import Desk
from gateway.simulation.devices import Reader
from gateway.simulation.peers import Peer
from gateway.simulation.pty import Pty

Found = TypeVar("Found")


@click.command("simulate")
@click.argument("driver")
@click.option("--model", help="Which device of this driver, e.g. rdm6300 or id20la; the first by default.")
@click.option("--pty", "link", type=click.Path(path_type=Path), help="A stable name for the port (symbolic link).")
@click.option("--rate", type=NumberRange(0.001, 1000), default=1.0, show_default=True, help="Deeds a second.")
@click.option("--count", type=click.IntRange(1), help="End after so many cards or passes.")
@click.option("--seed", type=int, help="The same seed plays the same cards.")
@click.option("--cards", type=click.IntRange(1), default=20, show_default=True, help="How many different cards.")
@click.option("--noise", type=NumberRange(0, 1), default=0.0, help="Share of deeds with noise before them.")
@click.option(
    "--repeat",
    "held",
    is_flag=True,
    help="Cards are held at the reader, which may repeat them. Nothing to a device that is asked.",
)
@click.option(
    "--baud",
    type=click.IntRange(300),
    help="Send byte by byte at this line speed. Nothing to a device that is asked: it has its own.",
)
@click.option("--interactive", "-i", is_flag=True, help="Present the cards typed on stdin, one a line.")
def command(
    driver: str,
    model: str | None,
    link: Path | None,
    rate: float,
    count: int | None,
    seed: int | None,
    cards: int,
    noise: float,
    held: bool,
    baud: int | None,
    interactive: bool,
) -> None:
    """Play a device: print the path of its port, then what it sends, one JSON object a line."""
    rng = Random(seed)
    if talkers.models_of(driver):
        peer = _named(lambda: talkers.peer_of(driver, model))
        _talk(peer, link, rng, cards=cards, count=count, rate=rate, noise=noise, interactive=interactive)
        return
    device = _named(lambda: solo.device_of(driver, model))
    try:
        port = Pty(link)
    except OSError as error:
        raise click.BadParameter(str(error), param_hint="--pty") from error
    with port, endings_as_interrupt():
        click.echo(port.path)
        click.echo(solo.snippet(device, str(port.path)), err=True)
        try:
            if interactive:
                _play_typed(port, device, rng, held=held, baud=baud)
            else:
                endless = solo.deeds(device, rng, cards=cards, noise_share=noise, held=held)
                _play(port, endless, pause_s=1 / rate, count=count, baud=baud)
            if unread := solo.wait_until_read(port):
                click.echo(f"{unread} bytes were never read", err=True)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be what went away
                click.echo("unplugged", err=True)


def _talk(
    peer: Peer,
    link: Path | None,
    rng: Random,
    *,
    cards: int,
    count: int | None,
    rate: float,
    noise: float,
    interactive: bool,
) -> None:
    """A device that is asked; its line has its speed, and what goes wrong on it is drawn from the same seed."""
    try:
        wire = talkers.wire_for(peer, link)
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="--pty") from error
    typed = (line.strip() for line in sys.stdin)
    deeds = typed if interactive else talkers.people(peer, rng, cards, count)
    with wire, endings_as_interrupt():
        click.echo(wire.path)
        click.echo(talkers.snippet(peer, str(wire.path)), err=True)
        desk = Desk(peer, wire, rng, spoilt=noise)
        desk.start()
        try:
            talkers.play(desk, deeds, 1 / rate, click.echo)
            talkers.settle(desk)
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be what went away
                click.echo("unplugged", err=True)
        finally:
            desk.stop()


def _named(find: Callable[[], Found]) -> Found:
    try:
        return find()
    except LookupError as error:
        raise click.BadParameter(error.args[0], param_hint="DRIVER, --model") from error


def _play(port: Pty, deeds: Iterator[solo.Deed], *, pause_s: float, count: int | None, baud: int | None) -> None:
    done = 0
    for deed in deeds:
        due = time.monotonic() + pause_s
        solo.play(port, deed, click.echo, baud)
        done += deed.value is not None
        if done == count:
            return
        time.sleep(max(0.0, due - time.monotonic()) if deed.value is not None else 0.1)


def _play_typed(port: Pty, device: solo.Device, rng: Random, *, held: bool, baud: int | None) -> None:
    for line in sys.stdin:
        value = line.strip()
        try:
            if isinstance(device, Reader):
                deed = solo.presentation(device, value, rng, held=held)
            else:
                deed = solo.passage(device, value)
        except ValueError as error:
            click.echo(f"{value}: {error}", err=True)
        else:
            solo.play(port, deed, click.echo, baud)
