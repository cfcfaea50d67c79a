"""Will one card be one token, and two cards two?"""

from __future__ import annotations

from collections.abc import Iterator

from config.settings import Device
from drivers import registry
from gateway import assembly
from gateway.check.case import Case
from gateway.check.finding import Finding

SHORT = "wiegand26"
NO_NUMBERS = frozenset({"scanner", "sdt_idcard", "zk_terminal"})
"""Drivers whose credentials are texts of their own: no other reader sees the same."""


def short_views(case: Case) -> Iterator[Finding]:
    """Readers whose card numbers are cut so short that two cards may be equal."""
    short = [device.id for device in _readers(case) if _scheme(device) == SHORT]
    if short:
        yield Finding(
            "note",
            f"view: {', '.join(short)} keep 24 bits of a card's number ({SHORT})",
            "there are 16 777 216 such numbers: two cards can collide and are one person from then on",
            "use native, wiegand34 or low32 where every reader of the organisation can; all must agree",
        )


def schemes(case: Case) -> Iterator[Finding]:
    """Lanes on which the same card would get different tokens."""
    for lane in case.settings.lanes:
        forms = {device.id: _scheme(device) for device in _readers(case) if device.lane == lane.id}
        if len(set(forms.values())) > 1:
            listed = ", ".join(f"{device} {form}" for device, form in forms.items())
            yield Finding(
                "note",
                f"lane {lane.id}: its readers see a card in different forms: {listed}",
                "a card presented to both has two tokens and is two people",
                'give them one view, such as view = "low32", if they read the same cards',
            )


def _readers(case: Case) -> list[Device]:
    emits = {rules.id: rules.emits for rules in assembly.device_rules(case.settings)}
    devices = [device for port in case.settings.ports for device in port.devices]
    return [device for device in devices if "credential" in emits[device.id] and not _is_text(device)]


def _is_text(device: Device) -> bool:
    return device.driver in NO_NUMBERS or getattr(_options(device), "kind", None) == "scan"


def _scheme(device: Device) -> str:
    """The form the device's cards are hashed in: its view's, else the reader's own as far as it is configured."""
    narrow, *reversals = device.view.split("+")
    options = _options(device)
    own = [getattr(options, name, "auto") for name in ("scheme", "form")]
    native = next((name for name in own if name != "auto"), device.driver)
    return "+".join([native if narrow == "native" else narrow, *reversals])


def _options(device: Device) -> object:
    return registry.make_options(registry.find(device.driver), device.options)
