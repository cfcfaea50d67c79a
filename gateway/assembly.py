"""From settings to the rules each station is told: the only place that knows both.

Stations import no configuration and no driver registry; they get small frozen rules, so each can be tested with
literals and none can read what is not its business.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from config import (
    ConfigError,
    DriverFacts,
    Settings,
    exposure,
    load,
    read_organisation_key,
    read_password,
    read_secret,
)
from config.settings import Device
from drivers import registry
from gateway import releases
from gateway.capture import Place
from gateway.errors import Misconfigured, Transient
from gateway.journal import Limits
from gateway.passage import DeviceRules, LaneRules, Privacy
from gateway.port import LineRules, PortSettings
from gateway.signature import Signer, signer, unsigned
from gateway.uplink import CentreKey, Link, NoKey, PublicKey, UplinkRules, WindowLimits
from gateway.wire import Topics

MIB = 1024 * 1024
DAY_MS = 86_400_000
FIXED = ("gateway", "privacy", "journal")


def read_settings(path: Path) -> Settings:
    """The gateway's configuration, checked against the installed drivers. Raises Misconfigured."""
    try:
        return load(path, drivers=driver_facts(), environ=os.environ)
    except ConfigError as error:
        raise Misconfigured(str(error)) from error


def driver_facts() -> dict[str, DriverFacts]:
    """What the configuration may say of each registered driver. Raises Misconfigured for a broken plug-in."""
    try:
        return {spec.name: DriverFacts.of(spec, registry.make_options) for spec in registry.catalog()}
    except LookupError as error:
        raise Misconfigured(str(error.args[0])) from error


def lane_rules(settings: Settings) -> list[LaneRules]:
    """The lanes, as pairing knows them."""
    return [
        LaneRules(
            id=lane.id,
            portal=lane.portal,
            from_zone=lane.from_zone,
            to_zone=lane.to_zone,
            mode=lane.mode,
            sensor=lane.sensor,
            pass_timeout_s=lane.pass_timeout_s,
            repeat_window_s=lane.repeat_window_s,
            reorder_s=lane.reorder_s,
        )
        for lane in settings.lanes
    ]


def device_rules(settings: Settings) -> list[DeviceRules]:
    """The devices, as pairing knows them; direction aliases are resolved by the configuration already."""
    latencies_s = {
        device: rules.spec.latency_with(options, rules.options)
        for rules in line_rules(settings)
        for device, options in zip(rules.devices, rules.options, strict=True)
    }
    return [
        DeviceRules(
            id=device.id,
            driver=device.driver,
            lane=device.lane,
            side=device.side,
            view=device.view,
            emits=_emits(device),
            directions=dict(device.directions),
            inputs=dict(device.inputs),
            latency_s=latencies_s[device.id],
        )
        for port in settings.ports
        for device in port.devices
    ]


def places(settings: Settings) -> dict[str, Place]:
    """Where each device stands, by its id."""
    portals = {lane.id: lane.portal for lane in settings.lanes}
    devices = [device for port in settings.ports for device in port.devices]
    return {device.id: Place(device.lane, portals[device.lane]) for device in devices}


@dataclass(frozen=True, slots=True)
class Layout:
    """The ports and what stands behind them, as each station is told."""

    lines: list[LineRules]
    lanes: list[LaneRules]
    devices: list[DeviceRules]
    places: dict[str, Place]


def layout(settings: Settings) -> Layout:
    """All of it."""
    return Layout(line_rules(settings), lane_rules(settings), device_rules(settings), places(settings))


def line_rules(settings: Settings) -> list[LineRules]:
    """The lines with their drivers; one driver serves all devices of a line."""
    rules = []
    for port in settings.ports:
        spec = registry.find(port.devices[0].driver)
        where = PortSettings(port.url, port.baud or spec.baud, port.bytesize, port.parity, port.stopbits)
        options = tuple(registry.make_options(spec, device.options) for device in port.devices)
        rules.append(LineRules(where, spec, tuple(device.id for device in port.devices), options))
    return rules


def privacy(settings: Settings) -> Privacy:
    """How tokens are made. Raises Misconfigured if the organisation's key cannot be used."""
    try:
        key_id, key = read_organisation_key(settings.privacy.key_file)
    except ConfigError as error:
        raise Misconfigured(str(error)) from error
    return Privacy(key_id, key, clear=settings.privacy.credentials == "clear")


def warnings(settings: Settings) -> list[str]:
    """Keys that others can get at or that cannot be used, each with its remedy, and a release that did not stay up;
    capture goes on nevertheless."""
    found = [exposure(path, key=key) for key, path in secret_files(settings)]
    key = centre_key(settings)
    unusable = [f"{key.trouble}; until then no receipt is believed"] if isinstance(key, NoKey) else []
    try:
        own_signer(settings)
    except Misconfigured as trouble:
        unusable.append(f"{trouble}; until then nothing is signed")
    return [str(finding) for finding in found if finding is not None] + unusable + releases.warnings()


def secret_files(settings: Settings) -> list[tuple[str, Path]]:
    """The files nobody else may read: key path and path of those that are configured."""
    files = {
        "privacy.key_file": settings.privacy.key_file,
        "uplink.password_file": settings.uplink.password_file,
        "uplink.key_file": settings.uplink.key_file,
        "sign.key_file": settings.sign.key_file,
    }
    return [(key, path) for key, path in files.items() if path is not None]


def limits(settings: Settings) -> Limits:
    """What the journal may hold."""
    return Limits(
        settings.journal.max_mb * MIB,
        settings.journal.keep_settled_days * DAY_MS,
        keep_ms=settings.privacy.keep_days * DAY_MS,
    )


def link(settings: Settings) -> Link:
    """The way to the broker; secrets are read at each connection."""
    uplink = settings.uplink
    password_file = uplink.password_file
    return Link(
        host=uplink.host,
        port=uplink.port,
        tls=uplink.tls,
        client_id=f"{settings.gateway.site}.{settings.gateway.id}",
        protocol=uplink.protocol,
        username=uplink.username,
        password=None if password_file is None else lambda: _password(password_file),
        ca_file=uplink.ca_file,
        cert_file=uplink.cert_file,
        key_file=uplink.key_file,
    )


def topics(settings: Settings) -> Topics:
    """The gateway's topics."""
    return Topics(settings.uplink.prefix, settings.gateway.site, settings.gateway.id)


def uplink_rules(settings: Settings) -> UplinkRules:
    """How records travel."""
    uplink = settings.uplink
    by_receipt = uplink.settle == "receipt"
    window = WindowLimits(
        window=uplink.window,
        batch_records=uplink.batch_records,
        batch_bytes=uplink.batch_bytes,
        unreceipted_max=uplink.unreceipted_max if by_receipt else None,
    )
    deflate = uplink.compress == "auto" and uplink.protocol == "5"
    try:
        sign = own_signer(settings)
    except Misconfigured:
        sign = unsigned
    return UplinkRules(uplink.settle, deflate, window, sign)


def own_signer(settings: Settings) -> Signer:
    """What signs for this gateway. Raises Misconfigured if its key cannot be used; that stops nobody."""
    path = settings.sign.key_file
    if path is None:
        return unsigned
    try:
        return signer(read_secret(path, key="sign.key_file"), f"{path}: sign.key_file")
    except ConfigError as error:
        (flaw,) = error.findings
        raise Misconfigured(f"{flaw.file}: {flaw.key}: {flaw.problem}", remedy=flaw.remedy) from error


def centre_key(settings: Settings) -> CentreKey | None:
    """Who may speak for the centre; a key that cannot be used lets nobody, and capture goes on."""
    path = settings.uplink.centre_key_file
    if path is None:
        return None
    try:
        return PublicKey(path)
    except Misconfigured as trouble:
        return NoKey(trouble)


def fixed_parts(old: Settings, new: Settings) -> list[str]:
    """What has changed and needs a restart: key paths."""
    parts = [part for part in FIXED if getattr(old, part) != getattr(new, part)]
    return parts + (["uplink.prefix"] if old.uplink.prefix != new.uplink.prefix else [])


def adopt(old: Settings, new: Settings) -> Settings:
    """The settings in force after a reload: all that is new, but what is fixed as it was."""
    uplink = new.uplink.model_copy(update={"prefix": old.uplink.prefix})
    return new.model_copy(update={"uplink": uplink, **{part: getattr(old, part) for part in FIXED}})


def fingerprint(settings: Settings) -> str:
    """A short name for the configuration in force; secrets are not in it, only their paths."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


def _emits(device: Device) -> frozenset[str]:
    spec = registry.find(device.driver)
    return frozenset(spec.emits_with(registry.make_options(spec, device.options)))


def _password(path: Path) -> str:
    try:
        return read_password(path)
    except ConfigError as error:
        raise Transient(str(error)) from error
