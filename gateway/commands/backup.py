"""`punchgate backup create`, `verify` and `restore`: a gateway in one file, and back again."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway import assembly
from gateway.backup import BackupReader, Made, Manifest, Restored, restore, write_backup
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.commands.progress import progress
from gateway.commands.signing import own_signer
from gateway.errors import Misconfigured, NotDurable, Rejected
from gateway.signature import PublicKey
from gateway.whole_file import whole_file
from gateway.wire import timestamp

MIB = 1024 * 1024

backup_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
key_option = click.option(
    "--key",
    "key_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The gateway's public key (PEM): take nothing that it has not signed.",
)


@click.group("backup")
def command() -> None:
    """Keep a gateway in one file, and set a box up from it again."""


@command.command("create")
@config_option
@click.option("--with-secrets", is_flag=True, help="Take keys and passwords along; guard the file like them.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def create(config: Path, with_secrets: bool, force: bool, file: Path | None) -> None:
    """Write configuration, journal, device registry and marks into FILE; safe beside the running daemon.

    Without FILE: punchgate-SITE-ID-TIME.backup in this folder. The file is for its owner only, appears when it is
    complete, and is signed where sign.key_file names a key. Needs as much room beside it as the journal takes.
    """
    settings = assembly.read_settings(config)
    gateway, now_ms = settings.gateway, Clock().unix_ms()
    if file is None:
        file = Path(f"punchgate-{gateway.site}-{gateway.id}-{re.sub('[-:]|[.]...', '', timestamp(now_ms))}.backup")
    if file.exists() and not force:
        raise Rejected(f"{file}: is there already", remedy="name another file, or replace it with --force")
    with whole_file(file) as out, tempfile.TemporaryDirectory(prefix=".punchgate-", dir=file.parent) as scratch:
        made = write_backup(
            out,
            Path(scratch),
            config,
            settings,
            secrets=with_secrets,
            sign=own_signer(settings),
            now_ms=now_ms,
            progress=progress("copying the journal", "MiB"),
        )
    _told(file, made)


@command.command("verify")
@key_option
@click.option("--json", "as_json", is_flag=True, help="The manifest, for machines.")
@backup_file
def verify(key_file: Path | None, as_json: bool, file: Path) -> None:
    """Read FILE to its end, compare every hash, and say what is in it. Exit 1 if it is damaged."""
    with _opened(file, key_file) as reader:
        reader.small_parts()
        reader.journal(None, progress("reading", "MiB"))
        manifest = reader.manifest
    if as_json:
        click.echo(json.dumps(manifest.model_dump(mode="json"), ensure_ascii=False))
        return
    click.echo(f"{file}: whole; {_described(manifest, checked=key_file is not None)}")
    for part in manifest.parts:
        click.echo(f"  {part.size:>12}  {part.name}{'  (secret)' if part.secret else ''}")
    for each in manifest.left_out:
        click.echo(f"  not in it: {each.what}: {each.why}")


@command.command("restore")
@config_option
@key_option
@click.option("--force", is_flag=True, help="Set what is there aside, under another name, and go on.")
@backup_file
def restore_command(config: Path, key_file: Path | None, force: bool, file: Path) -> None:
    """Set this box up from FILE: the configuration at -c, the state where that says. Stop the daemon first.

    The journal begins a new epoch: whoever made the backup may have used the numbers that follow in the old one.
    Nothing is overwritten, and a file that is damaged, of something else, or of a newer version changes nothing.
    """
    with _opened(file, key_file) as reader:
        done = restore(reader, config, force=force, clock=Clock(), progress=progress("unpacking", "MiB"))
    click.echo(f"restored {_described(done.manifest, checked=key_file is not None)}")
    for path in done.put:
        click.echo(f"  {path}")
    for path in done.aside:
        click.echo(f"  set aside: {path}")
    for remark in _remarks(done):
        click.echo(f"note: {remark}", err=True)
    click.echo(f"next: punchgate check -c {config}, then start the daemon")


@contextmanager
def _opened(file: Path, key_file: Path | None) -> Iterator[BackupReader]:
    """Refusals and read errors name the file."""
    key = None if key_file is None else PublicKey(_read(key_file), f"{key_file}: --key")
    try:
        with file.open("rb") as source:
            yield BackupReader(source, key)
    except Rejected as error:
        raise Rejected(f"{file}: {error.message}", remedy=error.remedy) from error
    except OSError as error:
        raise NotDurable(
            f"{file}: cannot be read: {error.strerror or error}", remedy="take another copy of it"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error


def _told(file: Path, made: Made) -> None:
    click.echo(f"{file}: {_described(made.manifest, checked=True)}, {file.stat().st_size / MIB:.1f} MiB")
    for each in made.manifest.left_out:
        click.echo(f"  not in it: {each.what}: {each.why}")
    for remark in made.remarks:
        click.echo(f"note: {remark}", err=True)


def _described(manifest: Manifest, *, checked: bool) -> str:
    """`checked`: somebody has looked whose signature it is."""
    journal = manifest.journal
    held = "no journal" if journal is None else f"epoch {journal.epoch}, records {journal.oldest}..{journal.newest}"
    secrets = "with secrets" if manifest.secrets else "without secrets"
    signed = (
        "" if manifest.sig is None else ", signed" if checked else ", signed (not checked: name the key with --key)"
    )
    return f"{manifest.site}/{manifest.gateway} of {manifest.made}: {held}, {secrets}{signed}"


def _remarks(done: Restored) -> list[str]:
    journal, remarks = done.manifest.journal, list(done.remarks)
    if journal is not None and journal.unsettled:
        remarks.insert(
            0,
            f"{journal.unsettled} records of epoch {journal.epoch} had not reached the centre when the backup was "
            "made. If the box they come from cannot send them any more, carry them: "
            f"punchgate journal export --journal {done.kept} --unsettled",
        )
    return remarks
