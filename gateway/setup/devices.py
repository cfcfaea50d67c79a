"""Which readers and turnstiles there are: on which port, which driver, in which lane, on which side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from config.settings import Device, InputMeaning, Lane, Port
from drivers import registry
from drivers.contract import DriverSpec
from gateway.bench.recognition import Candidate
from gateway.errors import PunchgateError
from gateway.setup import identifying
from gateway.setup.asking import agree, ask, ask_key, choose, say
from gateway.setup.draft import Draft
from gateway.setup.ports import Found, better_name, found_ports

IDENTIFY, SKIP, AGAIN, NOTHING = "identify", "skip", "again", "-"
SHOWN = 3


class Lines:
    """The part of the dialogue about ports; fills [[lanes]] and [[ports]] of the draft, a device at a time."""

    def __init__(self, draft: Draft, config: Path, specs: Sequence[DriverSpec]) -> None:
        self._draft, self._config = draft, config
        self._specs = {spec.name: spec for spec in specs}

    def ask(self) -> None:
        """All of them, until there is no more."""
        ports = self._ports()
        if ports:
            say("\nReaders and turnstiles so far: " + ", ".join(device["id"] for device in self._devices()))
            if not agree("Keep them?", default=True):
                self._draft.tree["ports"] = self._draft.tree["lanes"] = []
        while url := self._ask_port():
            self._ask_line(url)

    def _ask_port(self) -> str:
        """A port's name for the configuration; "": no more."""
        found = found_ports()
        say("\nReaders and turnstiles")
        for number, port in enumerate(found, 1):
            notes = [port.what, f"held by {port.held_by}" if port.held_by else ""]
            notes += [] if port.lasting else ["this name may change when a cable is moved"]
            say(f"  {number}  {port.name}  {', '.join(filter(None, notes))}")
        if not found:
            say("  no serial port is connected")

        def check(text: str) -> str:
            return self._port(text, found)

        more = "another" if self._ports() else "a"
        question = f"Port with {more} device: its number, a path or URL" + (
            "; empty: no more" if self._ports() else ""
        )
        return ask(question, check, "" if self._ports() else None)

    def _port(self, text: str, found: Sequence[Found]) -> str:
        if not text:
            return ""
        if text.isascii() and text.isdigit():
            if not 1 <= int(text) <= len(found):
                raise ValueError(f"there is no port {text} in the list")
            text = found[int(text) - 1].name
        elif better := better_name(text, found):
            say(f"{text} is {better}: that name stays when a cable is moved")
            text = better
        if "/" not in text:
            raise ValueError(f"{text!r} is neither a number of the list, nor a path, nor a URL")
        if any(port["url"] == text for port in self._ports()):
            raise ValueError(f"{text} has a device already")
        from config.answers import complaint

        if why := complaint(Port, "url", text):
            raise ValueError(f"{text!r} {why}")
        return text

    def _ask_line(self, url: str) -> None:
        """What hangs on one port; with nothing, the port is left out."""
        while True:
            words = f'Its driver, "{IDENTIFY}" to find out, or "{SKIP}"'
            word = ask(words, self._driver, IDENTIFY)
            if word == SKIP:
                return
            port: dict[str, Any] = {"url": url}
            device: dict[str, Any] = {"driver": word}
            if word == IDENTIFY:
                best = self._identified(url)
                if best is None:
                    continue
                device = identifying.as_device(best)
                port |= identifying.speed(best, url)
            else:
                self._ask_options(device)
            port["devices"] = [device]
            break
        self._ask_place(device, [])
        spec = self._specs[device["driver"]]
        while spec.bus and agree(f"Another {spec.name} on this line?", default=False):
            port["devices"].append(another := {"driver": spec.name})
            self._ask_options(another)
            self._ask_place(another, [each["id"] for each in port["devices"][:-1]])
        self._ports().append(port)
        self._draft.save()

    def _driver(self, text: str) -> str:
        if text in (IDENTIFY, SKIP):
            return text
        try:
            return registry.find(text).name
        except LookupError as why:
            raise ValueError(str(why.args[0])) from None

    def _identified(self, url: str) -> Candidate | None:
        """The candidate that is chosen; None: none, and it was said why."""
        asks = agree("May it be asked? Many devices only answer; no question opens anything", default=True)
        try:
            found = identifying.search(
                url, self._config.parent, list(self._specs.values()), baud=None, listen_s=3.0, ask=asks, say=say
            )
        except PunchgateError as why:
            say(str(why))
            return None
        for number, each in enumerate(found[:SHOWN], 1):
            say(f"  {number}  {each.spec.name} at {each.baud} baud: {each.certainty}; {each.reasons[0]}")
        if not found:
            say("nothing fits: see to power and wires, and use the device meanwhile; or name the driver")
            return None
        words = [str(number) for number, _ in enumerate(found[:SHOWN], 1)]
        word = choose("Which one is it?", [*words, AGAIN], words[0])
        return None if word == AGAIN else found[int(word) - 1]

    def _ask_options(self, device: dict[str, Any]) -> None:
        """Options that differ from the driver's own values; `punchgate drivers NAME` lists them."""
        spec = self._specs[device["driver"]]
        said: dict[str, str] = {}

        def check(text: str) -> str:
            key, _, value = text.partition("=")
            if text:
                registry.make_options(spec, {**said, key.strip(): value.strip()}, "")
            elif said:
                registry.make_options(spec, said, "")
            return text

        while text := ask("An option, KEY=VALUE; empty: no more", check, ""):
            key, _, value = text.partition("=")
            said[key.strip()] = value.strip()
        if said:
            made = registry.make_options(spec, said)
            device["options"] = {key: getattr(made, key) for key in said}

    def _ask_place(self, device: dict[str, Any], beside: list[str]) -> None:
        """Its name, its lane, and what the lane makes of it."""
        spec = self._specs[device["driver"]]
        options = registry.make_options(spec, device.get("options", {}))
        emits = spec.emits_with(options)
        device["lane"] = self._ask_lane()
        taken = {each["id"] for each in self._devices()} | set(beside)

        def check(text: str) -> str:
            from config.answers import complaint

            if why := complaint(Device, "id", text):
                raise ValueError(f"{text!r} {why}")
            if text in taken:
                raise ValueError(f"{text!r} is used already")
            return text

        if "credential" in emits:
            device["side"] = choose("On which side of the lane does it stand?", ("in", "out", "both"), "in")
        name = f"{device['lane']}-{device.get('side', 'arm')}"[:32]
        device["id"] = ask("Name of the device", check, None if name in taken else name)
        self._ask_meanings(device, spec, options)

    def _ask_meanings(self, device: dict[str, Any], spec: DriverSpec, options: object) -> None:
        ways: dict[str, str] = {}
        if "passage" in spec.emits_with(options):
            for word in spec.directions_with(options):
                way = choose(f'Where does "{word}" lead?', ("in", "out", NOTHING), NOTHING)
                ways |= {} if way == NOTHING else {word: way}
            device |= {"directions": ways} if ways else {}
        inputs: dict[str, str] = {}
        for word in spec.inputs if "input" in spec.emits_with(options) else ():
            means = choose(f'What does input "{word}" mean?', (*get_args(InputMeaning), NOTHING), NOTHING)
            inputs |= {} if means == NOTHING else {word: means}
        device |= {"inputs": inputs} if inputs else {}
        told = set(ways.values()) | {means[5:] for means in inputs.values() if means.startswith("pass_")}
        if told:
            lane = next(each for each in self._lanes() if each["id"] == device["lane"])
            lane["sensor"] = "per_direction" if len(told) > 1 else "one"

    def _ask_lane(self) -> str:
        known = [each["id"] for each in self._lanes()]
        question = "Name of its lane" + (f", a new one or of {', '.join(known)}" if known else "")
        name = ask_key(question, Lane, "id", known[-1] if known else "lane-1")
        if name not in known:
            lane: dict[str, Any] = {"id": name}
            lane["portal"] = ask_key("Gate the lane belongs to", Lane, "portal", name)
            lane["from_zone"] = ask_key("Zone before it: in leads from here", Lane, "from_zone", "outside")
            lane["to_zone"] = ask_key("… to this zone", Lane, "to_zone", "inside")
            self._lanes().append(lane)
        return name

    def _lanes(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = self._draft.tree.setdefault("lanes", [])
        return made

    def _ports(self) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = self._draft.tree.setdefault("ports", [])
        return made

    def _devices(self) -> list[dict[str, Any]]:
        return [device for port in self._ports() for device in port["devices"]]
