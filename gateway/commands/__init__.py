"""The command line: `punchgate COMMAND`, one file per command, loaded when it is called.

Errors a person can cause are one message on stderr with the exit code of sysexits(3); machine output goes to stdout.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from gateway.errors import EXIT_BUG, EXIT_FAILED, EXIT_JOURNAL, PunchgateError
from gateway.tracebacks import discreet

COMMANDS = {
    "backup": "configuration, journal and registry in one file, and back",
    "capture": "record a device, card numbers replaced",
    "centre": "the traceability service and its questions",
    "check": "the doctor: configuration, ports, keys, clock, disk, broker",
    "decode": "what do these bytes mean",
    "demo": "the whole loop on this machine, with simulated readers",
    "drill": "break a simulated site in every way, and count what is lost",
    "drivers": "what hardware is supported",
    "enrol": "this box at its centre: ask for a certificate, take the answer",
    "identify": "which driver, at which speed, understands this device",
    "journal": "the local journal: figures, one record, chain check",
    "monitor": "watch devices live through the running daemon",
    "muster": "evacuation list of this site, network or not",
    "ports": "serial ports with their stable names",
    "replay": "play a capture back as a port",
    "roster": "who is on this site now, network or not",
    "run": "the daemon",
    "setup": "the first start: readers, lanes, centre, in a dialogue or from a file",
    "simulate": "a device that behaves like the real one",
    "status": "the running daemon",
    "support-bundle": "what helps somebody far away to help, redacted",
}

STANDARD_STREAMS = (0, 1, 2)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_FOR_US = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP)


class Commands(click.Group):
    """Finds a command's module by its name; importing one does not import the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command's object, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"gateway.commands.{cmd_name.replace('-', '_')}").command
        if not isinstance(command, click.Group) and all("-c" not in option.opts for option in command.params):
            command.params.append(_unused_config())
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for --help, without importing every command."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))


def _unused_config() -> click.Option:
    """Every command takes -c FILE; one that reads no configuration takes it and lets it be."""
    return click.Option(["-c", "--config"], type=click.Path(), metavar="FILE", expose_value=False, hidden=True)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="punchgate", prog_name="punchgate")
def cli() -> None:
    """punchgate: gateway daemon for turnstiles and card readers.

    Every command that needs a configuration takes -c FILE; without it $PUNCHGATE_CONFIG, then
    /etc/punchgate/punchgate.toml (for `centre`: /etc/punchgate/centre.toml).
    """


def main(arguments: list[str] | None = None) -> None:
    """The entry point `punchgate`."""
    _open_what_is_closed()
    try:
        code: Any = cli.main(args=arguments, prog_name="punchgate", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except PunchgateError as error:
        click.echo(f"punchgate: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is a bug of ours
        sys.exit(_end_of(error))
    sys.exit(code if isinstance(code, int) else 0)


def _open_what_is_closed() -> None:
    """Whoever closes a standard stream wants nothing of it; no file of ours may get its number. None can be read."""
    while (descriptor := os.open(os.devnull, os.O_WRONLY)) <= STANDARD_STREAMS[-1]:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - for as long as the process lives


def _end_of(error: Exception) -> int:
    """Say it; the exit code. A file system that refuses what it was asked for is no bug."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        where = error.filename or "standard output or a file"
        click.echo(f"punchgate: {where}: {error.strerror}; what was written is cut; make room", err=True)
        with suppress(OSError):
            sys.stdout.close()
        return EXIT_JOURNAL
    if isinstance(error, OSError) and error.errno in NOT_FOR_US and error.filename:
        click.echo(f"punchgate: {error.filename}: {error.strerror}; ask as root, or name another", err=True)
        return EXIT_FAILED
    sys.stderr.write(f"{discreet(error)}\n")
    return EXIT_BUG
