"""`punchgate setup`: the first start of a box, asking a person or reading answers from a file."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import click

from config import ConfigError, Settings, load
from config.answers import Answered, read_answers
from config.findings import Finding
from gateway import assembly
from gateway.check import Case, examine
from gateway.clock import Clock
from gateway.commands.bench_options import installed_drivers
from gateway.commands.check import shown, summary
from gateway.commands.options import config_option
from gateway.errors import EXIT_FAILED, Misconfigured
from gateway.setup import enrolling, identifying, placing, service
from gateway.setup.devices import Lines
from gateway.setup.dialogue import ask_centre, ask_where
from gateway.setup.draft import Draft
from gateway.setup.ports import found_ports
from gateway.whole_file import put


@click.command("setup")
@config_option
@click.option(
    "--answers",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Ask nothing; TOML, see docs/setup.md.",
)
@click.option(
    "--dump-answers",
    "dump",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="After a dialogue: write answers that repeat it.",
)
@click.option("--replace", is_flag=True, help="Put it in place of a configuration; the old one is kept beside it.")
@click.option("--start/--no-start", default=None, help="Start the service at the end; without it you are asked.")
def command(config: Path, answers: Path | None, dump: Path | None, replace: bool, start: bool | None) -> int:
    """Set this box up: its readers, its lanes, its centre; then check it and start the service.

    Nothing is written before all of it is right. A configuration that is there stays, unless --replace is given. Exit
    1: it is in place, and the check has findings; 78: an answer is missing or wrong.
    """
    config = config.absolute()
    try:
        if answers is None:
            return _talk(config, dump, replace=replace, start=start)
        answered = read_answers(answers, drivers=assembly.driver_facts())
        _settle(answered, config, answers)
        return _carry_out(answered, config, replace=replace, start=start)
    except ConfigError as error:
        raise Misconfigured(str(error)) from error


def _talk(config: Path, dump: Path | None, *, replace: bool, start: bool | None) -> int:
    """Ask a person, show what comes of it, and carry it out if it is agreed to."""
    if not sys.stdin.isatty():
        raise click.UsageError("stdin is no terminal; to be asked nothing, give --answers FILE")
    draft = Draft(config)
    placing.require_room(config, replace=replace or draft.resumed)
    if draft.resumed:
        click.echo(f"going on where the last dialogue ended; its answers are in brackets ({draft.path})")
    while True:
        ask_where(draft, config)
        Lines(draft, config, installed_drivers()).ask()
        ask_centre(draft, config)
        try:
            answered = read_answers(config, drivers=assembly.driver_facts(), instead=draft.text(), alone=True)
            text = placing.checked(answered, config, assembly.driver_facts(), os.environ)
            placing.require_room(config, replace=replace, same_as=text)
            break
        except ConfigError as error:
            click.echo("\n".join(["", *(str(_nowhere(each)) for each in error.findings), "once more:"]))
    click.echo(f"\n{config}:\n\n{text.decode()}")
    click.confirm("Write it?", default=True, abort=True)
    if start is None and not service.why_not(config):
        start = click.confirm("Start the service then?", default=True)
    draft.table("setup")["start"] = bool(start)
    draft.save()
    if dump is not None:
        put(dump, draft.text(), 0o600)
        click.echo(f"wrote {dump}")
    code = _carry_out(answered, config, replace=replace, start=bool(start))
    draft.forget()
    return code


def _nowhere(finding: Finding) -> Finding:
    return Finding("", *_rest(finding))


def _settle(answered: Answered, config: Path, answers: Path) -> None:
    """Find out what was left open. Raises ConfigError in the words of the answers file."""
    try:
        identifying.settle(answered, config, installed_drivers(), found_ports, partial(click.echo, err=True))
    except ConfigError as error:
        raise _in(answers, error.findings) from error


def _in(file: Path, findings: list[Finding]) -> ConfigError:
    return ConfigError([Finding(each.file or str(file), *_rest(each)) for each in findings])


def _rest(finding: Finding) -> tuple[str, str, str, str]:
    return finding.key, finding.value, finding.problem, finding.remedy


def _carry_out(answered: Answered, config: Path, *, replace: bool, start: bool | None) -> int:
    """Write, enrol, check, start. Everything that can be refused is refused before the first file is written."""
    setup, name = answered.setup, answered.gateway
    text = placing.checked(answered, config, assembly.driver_facts(), os.environ)
    placing.require_room(config, replace=replace, same_as=text)
    if wrong := placing.check_organisation_key(answered, config):
        raise ConfigError(wrong)
    config.parent.mkdir(parents=True, exist_ok=True)
    if said := placing.organisation_key(answered, config):
        click.echo(f"wrote {said}")
    if setup.enrol == "code":
        for path in enrolling.by_code(setup, name, config):
            click.echo(f"wrote {path}")
    written = placing.place(config, text)
    if written.kept:
        click.echo(f"kept {written.kept}: the configuration so far")
    click.echo(f"{config}: is as it should be already" if written.was_there else f"wrote {config}")
    if setup.enrol == "files":
        return _carry_files(name, config)
    settings = load(config, drivers=assembly.driver_facts(), environ=os.environ)
    for path in placing.hand_over(settings, config):
        click.echo(f"{path}: readable for the daemon's user now")
    code = _check(settings)
    _start(config, setup.start if start is None else start)
    return code


def _carry_files(name: str, config: Path) -> int:
    paper, mark = enrolling.by_files(name, config)
    click.echo(f"wrote {paper}\nfingerprint {mark}")
    click.echo(f"next: carry it to the centre: punchgate centre enrol {paper.name}")
    click.echo(f"then, here: punchgate enrol accept -c {config} ANSWER; punchgate check; systemctl start punchgate")
    return 0


def _check(settings: Settings) -> int:
    found = [shown(finding) for finding in examine(Case.of(settings, Clock()))]
    click.echo(summary(found))
    return EXIT_FAILED if any(finding.severity == "finding" for finding in found) else 0


def _start(config: Path, wanted: bool) -> None:
    reason = service.why_not(config)
    if reason:
        click.echo(f"not started: {reason}")
    elif wanted:
        service.start()
        click.echo("the service runs: punchgate status")
    else:
        click.echo("not started: systemctl start punchgate")
