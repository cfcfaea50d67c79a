"""What the answers leave open is found out: the port called "any", the driver called "identify"."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from config import ConfigError, Finding
from config.answers import ANY, IDENTIFY, Answered
from drivers import registry
from drivers.contract import DriverSpec
from gateway.bench.probing import Search, probe
from gateway.bench.recognition import Candidate, best_are_tied
from gateway.bench.talk import port_url
from gateway.errors import PunchgateError
from gateway.setup.ports import Found, better_name

Say = Callable[[str], None]
GOOD = ("sure", "likely")
SHOWN = 3
HELD_BY_US = "held by punchgate"
STOP_IT = "stop the daemon while it is found out: systemctl stop punchgate"


def search(
    url: str, folder: Path, specs: Sequence[DriverSpec], *, baud: int | None, listen_s: float, ask: bool, say: Say
) -> list[Candidate]:
    """The drivers that understand what is on a port, the best first. Raises Transient: it cannot be opened."""
    place = url if "://" in url else os.path.normpath(folder / url)
    return probe(Search(port_url(place), specs, {}, (baud,) if baud else (), listen_s, ask, say))


def as_device(found: Candidate) -> dict[str, Any]:
    """What a candidate means for [[ports.devices]]."""
    made = registry.make_options(found.spec, found.options)
    options = {key: getattr(made, key) for key in found.options}
    return {"driver": found.spec.name} | ({"options": options} if options else {})


def speed(found: Candidate, url: str) -> dict[str, int]:
    """What it means for [[ports]]: a speed, where the port has one and it is not the driver's own."""
    is_usual = "://" in url or found.baud in (None, found.spec.baud)
    return {} if is_usual else {"baud": found.baud or found.spec.baud}


def settle(
    answered: Answered, config: Path, specs: Sequence[DriverSpec], ports: Callable[[], Sequence[Found]], say: Say
) -> None:
    """Fill in, in the tree, every "any" and "identify". Raises ConfigError with all that stay open.

    What is not as good as it might be, or in use, is said and stays.
    """
    findings: list[Finding] = []
    listed, known = answered.tree.get("ports"), ports()
    for index, port in enumerate(listed if isinstance(listed, list) else []):
        try:
            _settle(port, answered, config, specs, known, say)
        except _Open as why:
            where = f"ports[{index}].{why.key}"
            findings.append(Finding("", where, why.value, why.problem, why.remedy))
        else:
            _remark(port["url"], known, say)
    if findings:
        raise ConfigError(findings)


class _Open(Exception):
    """It stays open."""

    def __init__(self, key: str, value: str, problem: str, remedy: str) -> None:
        self.key, self.value, self.problem, self.remedy = key, f'"{value}"', problem, remedy
        super().__init__(problem)


def _settle(
    port: dict[str, Any],
    answered: Answered,
    config: Path,
    specs: Sequence[DriverSpec],
    ports: Sequence[Found],
    say: Say,
) -> None:
    if port["url"] == ANY:
        port["url"] = _the_only_one(answered, ports)
    for number, device in enumerate(port["devices"]):
        if device["driver"] != IDENTIFY:
            continue
        key = f"devices[{number}].driver"
        say(f"{port['url']}: what is there?")
        setup = answered.setup
        try:
            found = search(
                port["url"],
                config.parent,
                specs,
                baud=port.get("baud"),
                listen_s=setup.listen_s,
                ask=not setup.listen_only,
                say=say,
            )
        except PunchgateError as why:
            remedy = STOP_IT if HELD_BY_US in why.message else why.remedy
            raise _Open(key, IDENTIFY, why.message, remedy) from why
        best = _the_best(key, found)
        say(f"{port['url']}: {best.spec.name}, {best.certainty}")
        device.update(as_device(best))
        port.update(speed(best, port["url"]))


def _remark(url: str, ports: Sequence[Found], say: Say) -> None:
    if better := better_name(url, ports):
        say(f"{url}: this name may change when a cable is moved; {better} is the same port")
    held = next((port.held_by for port in ports if os.path.realpath(url) == port.device), None)
    if held:
        say(f"{url}: held by {held}; a port has one owner, the daemon waits until it is free")


def _the_only_one(answered: Answered, ports: Sequence[Found]) -> str:
    listed: Any = answered.tree["ports"]
    taken = {os.path.realpath(each["url"]) for each in listed if each["url"] != ANY}
    free = [port for port in ports if os.path.realpath(port.name) not in taken and port.device not in taken]
    if len(free) == 1:
        return free[0].name
    if not free:
        raise _Open("url", ANY, "no serial port is free", "plug the adapter in: punchgate ports")
    raise _Open("url", ANY, "there is more than one port", f"name one of {', '.join(port.name for port in free)}")


def _the_best(key: str, found: Sequence[Candidate]) -> Candidate:
    if not found:
        remedy = "present a card meanwhile, see to power and wires, or name the driver"
        raise _Open(key, IDENTIFY, "nothing that was heard there fits a driver", remedy)
    tied = best_are_tied(found)
    if tied or found[0].certainty not in GOOD:
        names = ", ".join(each.spec.name for each in (tied or found)[:SHOWN])
        raise _Open(key, IDENTIFY, f"is not sure: {names}", "present more cards, or name the driver")
    return found[0]
