"""`punchgate check`: the doctor."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from config import ConfigError, load
from config import schema as json_schema
from gateway import assembly
from gateway.check import Case, Finding, Severity, examine
from gateway.clock import Clock
from gateway.commands.options import config_option
from gateway.errors import EXIT_CONFIG, EXIT_FAILED, Misconfigured

COLOURS: dict[Severity, str] = {"ok": "green", "note": "blue", "warning": "yellow", "finding": "red"}
NO_START = "the daemon does not start with it"


@click.command("check")
@config_option
@click.option("--json", "as_json", is_flag=True, help="One document, for machines.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the configuration and do nothing else.")
def command(config: Path, as_json: bool, schema: bool) -> int:
    """Examine configuration, ports, keys, certificates, clock, disk, broker and receipts.

    Exit 0: clean, or warnings only. 1: something has to be mended. 78: the configuration cannot be used.
    """
    if schema:
        click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
        return 0
    try:
        case = Case.of(load(config, drivers=assembly.driver_facts(), environ=os.environ), Clock())
    except ConfigError as error:
        if not as_json:
            raise Misconfigured(str(error)) from error
        _print_json([_mistake(each.file, each.key, each.value, each.problem, each.remedy) for each in error.findings])
        return EXIT_CONFIG
    if as_json:
        found = list(examine(case))
        _print_json(found)
    else:
        click.echo(f"{config}: {len(case.settings.lanes)} lanes, {len(case.settings.ports)} ports")
        found = [shown(finding) for finding in examine(case)]
        click.echo(summary(found))
    return EXIT_FAILED if any(finding.severity == "finding" for finding in found) else 0


def _mistake(file: str, key: str, value: str, problem: str, remedy: str) -> Finding:
    subject = f"{key} = {value}" if key and value else key
    return Finding("finding", ": ".join(part for part in (file, subject, problem) if part), NO_START, remedy)


def _print_json(findings: Iterable[Finding]) -> None:
    click.echo(json.dumps({"findings": [asdict(finding) for finding in findings]}, ensure_ascii=False))


def shown(finding: Finding) -> Finding:
    """Print one finding as soon as it is known; the next may take seconds."""
    click.echo(f"{click.style(f'{finding.severity:8}', fg=COLOURS[finding.severity])} {finding.what}")
    for word, text in (("why", finding.why), ("mend", finding.mend)):
        if text:
            click.echo(f"         {word:4}  {text}")
    return finding


def summary(findings: Iterable[Finding]) -> str:
    count = Counter(finding.severity for finding in findings)
    return f"{count['finding']} findings, {count['warning']} warnings, {count['note']} notes"
