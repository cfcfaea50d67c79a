"""The parts of a bundle, in the order in which one reads them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from config import Blanked, ConfigError, DriverFacts, Settings, blanked, load
from drivers import registry
from gateway import assembly
from gateway.backup.named import named_files
from gateway.check import Case, examine
from gateway.clock import Clock
from gateway.errors import Misconfigured, NotDurable, Unavailable
from gateway.journal import Reader, find_journal
from gateway.journal.schema import Error
from gateway.port import list_ports
from gateway.scrubber import Scrubber
from gateway.status import ask
from gateway.support import logs, machine
from gateway.support.bundle import Part, secrets_in

MIB = 1024 * 1024
LAST_RECORDS = 2000
LAST_BYTES = 16 * MIB


class Patient:
    """The gateway that needs help: what of its configuration can be used, and what must not be told of it."""

    def __init__(self, config: Path, environ: Mapping[str, str] = os.environ) -> None:
        self.config = config
        self.settings: Settings | None = None
        self.mistakes: list[dict[str, str]] = []
        drivers = self._drivers()
        try:
            self.settings = load(config, drivers=drivers, environ=environ)
        except ConfigError as error:
            self.mistakes += [
                {"file": each.file, "key": each.key, "problem": each.problem, "remedy": each.remedy}
                for each in error.findings
            ]
        self.shown: Blanked = blanked(config, drivers, environ)
        secrets = secrets_in(self._secret_files()) | self.shown.values
        self.scrubber = Scrubber(secrets, self._names())

    @property
    def state_dir(self) -> Path | None:
        """Where its state is, if the configuration can be used."""
        return None if self.settings is None else self.settings.gateway.state_dir

    def status(self) -> dict[str, Any]:
        """What its daemon says. Raises Unavailable."""
        if self.state_dir is None:
            raise Unavailable("the configuration cannot be used")
        return ask(self.state_dir)

    def reader(self) -> Reader:
        """Its journal. Raises Unavailable, NotDurable."""
        if self.state_dir is None:
            raise Unavailable("the configuration cannot be used")
        return Reader(find_journal(self.state_dir))

    def _drivers(self) -> dict[str, DriverFacts]:
        try:
            return assembly.driver_facts()
        except Misconfigured as error:
            self.mistakes.append({"file": "", "key": "", "problem": error.message, "remedy": error.remedy})
            return {}

    def _secret_files(self) -> Iterator[Path]:
        """Where the configuration cannot be used, at least everything in its folder that is called a key."""
        if self.settings is not None:
            yield from (named.path for named in named_files(self.settings) if named.secret)
        for pattern in ("*.key", "*.password", "*.secret"):
            yield from self.config.parent.glob(pattern)

    def _names(self) -> set[str]:
        names = set(self.shown.names)
        try:
            status = self.status()
            names |= {status["epoch"], status["uplink"]["ledger"] or "", str(status["version"])}
        except (Unavailable, LookupError):
            pass
        try:
            reader = self.reader()
            names.add(reader.meta("epoch") or "")
            reader.close()
        except (Unavailable, NotDurable, Error):
            pass
        return names | {name for port in list_ports() for name in (port.path, port.stable or "")}


def parts(patient: Patient, clock: Clock, *, unit: str, log: Path | None) -> Iterator[Part]:
    """All there are; each is called when its turn comes."""
    scrubber = patient.scrubber
    yield "versions.json", "punchgate and what it is made of", lambda: scrubber.tree(machine.versions())
    yield "configuration.json", "the configuration, redacted", partial(_configuration, patient)
    yield "check.json", "what `punchgate check` finds", partial(_check, patient, clock)
    yield "status.json", "what the running daemon says", lambda: scrubber.tree(patient.status())
    yield "journal.json", "figures of the journal", partial(_journal, patient)
    yield "state-directory.json", "names, sizes and modes of the files of the state", partial(_state, patient)
    yield "ports.json", "serial ports", lambda: [asdict(port) for port in list_ports()]
    yield "udev.json", "what udev knows of them", lambda: machine.udev(port.path for port in list_ports())
    yield "drivers.json", "drivers", _drivers
    yield "machine.json", "kernel, system, memory, disk, clock", lambda: machine.machine(patient.state_dir, clock)
    yield "unit.json", "the unit, as systemd has it", lambda: scrubber.tree(machine.unit(unit))
    yield "kernel.log", "what the kernel says of ports, disks and memory", lambda: logs.kernel_log(scrubber)
    if log is None:
        yield "punchgate.log", "the daemon's last lines", lambda: logs.daemon_log(unit, scrubber)
    else:
        yield "punchgate.log", "the daemon's last lines", lambda: logs.log_file(log, scrubber)


def _configuration(patient: Patient) -> dict[str, Any]:
    shown = patient.shown
    unusable = [{"file": each.file, "problem": each.problem, "remedy": each.remedy} for each in shown.unusable]
    return {
        "configuration": patient.scrubber.tree(shown.tree),
        "not_shown": patient.scrubber.tree(shown.hidden),
        "mistakes": patient.scrubber.tree([*patient.mistakes, *([] if patient.mistakes else unusable)]),
        "variables": sorted(name for name in os.environ if name.startswith("PUNCHGATE_")),
    }


def _check(patient: Patient, clock: Clock) -> list[dict[str, Any]]:
    if patient.settings is None:
        raise Unavailable("the configuration cannot be used; see configuration.json")
    found = examine(Case.of(patient.settings, clock))
    return [dict(patient.scrubber.tree(asdict(finding))) for finding in found]


def _journal(patient: Patient) -> dict[str, Any]:
    """Figures, and how many records of each type are among the newest: what they say stays where it is."""
    reader = patient.reader()
    try:
        stats = reader.stats()
        first = max(stats.oldest, stats.newest - LAST_RECORDS + 1)
        newest = reader.lines(first, stats.newest, LAST_RECORDS, LAST_BYTES)
        kinds = Counter(str(json.loads(entry.line).get("type")) for entry in newest)
        reasons = Counter(reason for _, reason, _ in reader.quarantine())
        max_bytes = 0 if patient.settings is None else patient.settings.journal.max_mb * MIB
        room = reader.room(max_bytes)
        return asdict(stats) | {
            "schema": reader.version(),
            "percent": room.percent,
            "level": room.level(),
            "devices_with_marks": sorted(reader.marks()),
            "newest_types": {"records": len(newest), "types": patient.scrubber.tree(dict(kinds))},
            "quarantine": patient.scrubber.tree(dict(reasons.most_common(20))),
        }
    except Error as error:
        raise NotDurable(f"the journal cannot be read: {error}") from error
    finally:
        reader.close()


def _state(patient: Patient) -> list[dict[str, Any]]:
    if patient.state_dir is None:
        raise Unavailable("the configuration cannot be used")
    return machine.folder(patient.state_dir)


def _drivers() -> list[dict[str, str]]:
    """Those that load, and why the others do not."""
    found = []
    for name in registry.names():
        try:
            found.append({"name": name, "title": registry.find(name).title})
        except LookupError as error:
            found.append({"name": name, "trouble": type(error).__name__})
    return found
