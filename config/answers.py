"""What `punchgate setup` is told: the tables of the configuration itself, and one more, `[setup]`.

The answers are checked by the models and cross checks of the configuration before anything is done. Three things may
be left open, for setup to find out or to bring: the driver of a device ("identify"), the port of one line ("any"),
and what an enrolment gives: broker, keys and certificates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, create_model

from config.broker import is_loopback
from config.crosschecks import broker_problems
from config.driverfacts import DriverFacts
from config.explain import explain
from config.fields import Seconds, Switch, Table, Text, refusal
from config.findings import ConfigError, Loc, Problem
from config.layers import Document, Origin, Tree, read_layers
from config.load import cross_problems, model_problems, raise_any
from config.settings import Settings
from config.views import DeviceView, ports_of

IDENTIFY, ANY, NEW = "identify", "any", "new"
KEY_FILE = "organisation.key"
ENROLLED = ("code", "files")
BROUGHT: tuple[Loc, ...] = (
    ("uplink", "url"),
    ("uplink", "prefix"),
    ("uplink", "ca_file"),
    ("uplink", "cert_file"),
    ("uplink", "key_file"),
    ("uplink", "centre_key_file"),
    ("privacy", "key_file"),
    ("sign", "key_file"),
)
"""The keys that an enrolment brings, in a file that is laid over the configuration."""
STAND_INS: Mapping[Loc, str] = {BROUGHT[0]: "mqtts://enrolment.invalid", BROUGHT[6]: KEY_FILE}
"""Values for the required ones of them while the enrolment is still to come."""


def _centre_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.scheme not in ("https", "http"):
        raise refusal("is not the URL of a centre", "for example https://centre.example:8443")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise refusal("http:// leaves this machine without encryption", "use https://")
    return url


class Setup(Table):
    """What `punchgate setup` does besides writing the configuration."""

    enrol: Literal["key", "code", "files"] = Field(
        default="key",
        description="code: at the centre, over the network; files: two files are carried; key: there is no "
        "authority, the organisation's key comes by hand.",
    )
    centre: Annotated[Text, AfterValidator(_centre_url)] | None = Field(
        default=None, description="With code: where the centre answers, https://host:port."
    )
    code: Text | None = Field(default=None, description="With code: the code the centre has given out for this box.")
    organisation_key: Text | None = Field(
        default=None,
        description='With key: the file to take the organisation\'s key from, or "new" to make one; without it the '
        "key is where privacy.key_file says.",
    )
    listen_only: Switch = Field(default=False, description="While a device is identified, write nothing to it.")
    listen_s: Seconds = Field(
        default=3.0, ge=0.1, le=600, description="While a device is identified, seconds to listen at each speed."
    )
    start: Switch = Field(default=False, description="Start the service at the end; `--start` says the same.")


class Answers(Settings):
    """The whole of an answers file."""

    setup: Setup = Field(default_factory=Setup, description="What to do besides writing the configuration.")


@dataclass(frozen=True, slots=True)
class Answered:
    """`tree`: the tables of the configuration to write, as they were said; `folder`: of the answers file."""

    tree: Tree
    setup: Setup
    folder: Path

    @property
    def gateway(self) -> str:
        """`{site}.{id}`."""
        table: Any = self.tree["gateway"]
        return f"{table['site']}.{table['id']}"

    @property
    def key_file(self) -> str:
        """Where the organisation's key is to be, from the configuration's folder; not with an enrolment."""
        table: Any = self.tree["privacy"]
        return str(table["key_file"])


def read_answers(
    path: Path, *, drivers: Mapping[str, DriverFacts], instead: bytes | None = None, alone: bool = False
) -> Answered:
    """Read FILE and, unless `alone`, FILE.d/*.toml; `instead` stands for what is in FILE.

    Raises ConfigError with every mistake in them.
    """
    document, unusable = read_layers(path, instead, alone=alone)
    if unusable:
        raise ConfigError(unusable)
    problems = list(_setup_problems(document))
    enrolled = document.value(("setup", "enrol")) in ENROLLED
    if not enrolled:
        _default(document, BROUGHT[6], KEY_FILE)
    tree = deepcopy(document.tree)
    for loc, value in STAND_INS.items() if enrolled else ():
        _default(document, loc, value)
    problems += model_problems(Answers, document)
    uplink = document.tree.get("uplink")
    problems += broker_problems(uplink if isinstance(uplink, dict) else {}, ("uplink",), "key_file")
    problems += _open_problems(document)
    told = {each.loc[:1] for each in problems}
    known = {**drivers, IDENTIFY: _unknown(drivers)}
    problems += cross_problems(document, known, sound=not told & {("lanes",), ("ports",)})
    raise_any(document, [], problems)
    setup = TypeAdapter(Setup).validate_python(tree.pop("setup", {}))
    return Answered(tree, setup, document.main.folder)


def complaint(table: type[BaseModel], key: str, value: object) -> str:
    """What is wrong with one value of a table, with the remedy; "": nothing."""
    field = table.model_fields[key]
    one = create_model("One", __base__=Table, **{key: (field.annotation, field)})  # type: ignore[call-overload]
    try:
        one(**{key: value})
    except ValidationError as why:
        return "; ".join(
            f"{each.problem}; {each.remedy}" if each.remedy else each.problem for each in explain(why, one)
        )
    return ""


def _setup_problems(document: Document) -> Iterator[Problem]:
    """Keys that need each other, and what nobody should say who lets the centre say it."""
    table = document.value(("setup",))
    said = table if isinstance(table, dict) else {}
    enrol = said.get("enrol", "key")
    for key in ("centre", "code"):
        if enrol == "code" and key not in said:
            info = Setup.model_fields[key].description
            yield Problem(("setup", key), "is required", f"add it: {info}")
        elif enrol in ("key", "files") and key in said:
            yield Problem(
                ("setup", key), f'is of no use with enrol = "{enrol}"', 'set enrol = "code", or take it out'
            )
    if enrol not in ENROLLED:
        return
    if "organisation_key" in said:
        yield Problem(("setup", "organisation_key"), "comes with the enrolment", 'take it out, or set enrol = "key"')
    for loc in BROUGHT:
        if document.value(loc) is not None:
            yield Problem(loc, "comes with the enrolment", 'take it out, or set setup.enrol = "key"')


def _open_problems(document: Document) -> Iterator[Problem]:
    """What cannot be said of a device that nobody knows yet."""
    for port in ports_of(document.tree):
        for device in port.devices:
            if device.driver == IDENTIFY:
                yield from _said_too_early(device)


def _said_too_early(device: DeviceView) -> Iterator[Problem]:
    for key in ("options", "directions", "inputs"):
        if getattr(device, key):
            yield Problem((*device.loc, key), "are words of a driver", "name the driver instead of identifying it")


def _unknown(drivers: Mapping[str, DriverFacts]) -> DriverFacts:
    """A device that is to be identified: a reader, for all we know."""
    some = next(iter(drivers.values()))
    return replace(
        some,
        name=IDENTIFY,
        emits=frozenset({"credential"}),
        bus=False,
        directions=(),
        aliases={},
        inputs=(),
        check_options=lambda _values: None,
        options=None,
        narrowed=None,
        check_line=None,
        latency=None,
    )


def _default(document: Document, loc: Loc, value: str) -> None:
    table, key = map(str, loc)
    holder = document.tree.get(table, {})
    if isinstance(holder, dict) and key not in holder:
        document.put((table, key), value, Origin(document.main.name, document.main.folder, loc))
