"""The list of supported devices: what the captures, the shared vectors, the specs and the simulated devices say."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from docs_mistakes import table

from drivers import registry
from drivers.contract import START, Command, DriverSpec
from drivers.events import DeviceChange
from gateway.simulation import devices, talkers

TESTS = Path(__file__).parents[1]
CAPTURES = TESTS / "captures"
MODELS: dict[str, dict[str, str]] = tomllib.loads((CAPTURES / "models.toml").read_text("utf-8"))
GROUPS = {
    "Cards": ("em4100", "wiegand_line", "osdp"),
    "HF cards": ("pn532", "hf_aabb"),
    "ID documents": ("sdt_idcard",),
    "UHF tags": ("uhf_bb", "uhf_a0", "uhf_len"),
    "Turnstiles": ("eb_turnstile", "digicon_turnstile", "tpw_turnstile", "modbus_turnstile"),
    "Terminals": ("zk_terminal",),
    "Codes, and everything else": ("scanner", "line"),
}
"""Every driver in one group: the order of the page, and of the table in the README."""
FAMILIES = {
    "em4100_ascii": "em4100",
    "wiegand_serial_line": "wiegand_line",
    "scanner_line": "scanner",
    "gm_scanner_cmd": "scanner",
    "idteck_sr30_serial": "wiegand_line",
    "turnstile_eb": "eb_turnstile",
    "turnstile_digicon": "digicon_turnstile",
    "turnstile_tpw": "tpw_turnstile",
    "modbus_rtu": "modbus_turnstile",
    "pn532_hsu": "pn532",
    "zk_attlog40": "zk_terminal",
    "zk_payload_checksum": "zk_terminal",
    "cn_id_number": "sdt_idcard",
}
"""Families of the vectors that have another name than their driver."""
PLAIN: dict[str, dict[str, object]] = {"osdp": {"secure": "off"}}
"""Options without which a driver asks nobody: a reader's key is a file."""
PATIENCE_S = 60.0
ORIGINS = ("printed", "recorded", "computed")


def drivers() -> list[str]:
    """All drivers in the order of the page."""
    return [name for group in GROUPS.values() for name in group]


def captures(driver: str) -> list[Path]:
    return sorted((CAPTURES / driver).glob("*.hex"))


def model_of(capture: Path) -> str:
    return capture.stem.partition("_")[0]


def first_line(capture: Path) -> str:
    """What a capture says of itself first."""
    lines = capture.read_text("utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("#")), "")


def simulated(driver: str) -> list[str]:
    """The models that `punchgate simulate` plays for a driver."""
    return devices.models_of(driver) + talkers.models_of(driver)


@cache
def origins() -> dict[str, Counter[str]]:
    """For each driver how many vectors are printed somewhere, recorded from other software, or computed."""
    found: dict[str, Counter[str]] = {}
    for file in ("vectors.json", "zk_vectors.json"):
        vectors: list[dict[str, Any]] = json.loads((TESTS / "drivers" / file).read_text("utf-8"))
        for vector in vectors:
            driver = FAMILIES.get(vector["protocol"], vector["protocol"])
            found.setdefault(driver, Counter())[origin(vector["source"])] += 1
    return found


def origin(source: str) -> str:
    """One of ORIGINS. What was changed (cut, noise added) is no longer what somebody printed or recorded."""
    if source.endswith((", cut", "noise added")) or "computed" in source:
        return "computed"
    return "recorded" if "captured here" in source else "printed"


def silence_s(spec: DriverSpec) -> float | None:
    """Seconds without an answer until a device that is asked is down, with the defaults; None: it is not asked."""
    if not spec.asks:
        return None
    driver = spec.new(registry.make_options(spec, PLAIN.get(spec.name, {})))
    driver.send(Command(START), 0.0)
    while (due := driver.next_poll()) is not None and due < PATIENCE_S:
        down = [event for event in driver.poll(due) if isinstance(event, DeviceChange) and event.kind == "down"]
        driver.commands()
        if down:
            return due
    raise AssertionError(f"{spec.name} never says that nobody answers")


# --- what is drawn


def overview() -> str:
    head = ("driver", "devices", "speed", "says", "line", "down after", "memory", "simulated")
    return table(head, [_row(registry.find(name)) for name in drivers()])


def _row(spec: DriverSpec) -> tuple[str, ...]:
    speeds = ", ".join(str(baud) for baud in spec.bauds)
    port = f"TCP {spec.tcp_port}" if spec.tcp_port else ""
    return (
        f"[`{spec.name}`](drivers/{spec.name}.md)",
        spec.title,
        "; ".join(part for part in (speeds, port) if part),
        ", ".join(sorted(spec.emits)),
        ("is asked" if spec.asks else "listened to") + (", several on a line" if spec.bus else ""),
        "–" if (seconds := silence_s(spec)) is None else f"{seconds:.1f} s",
        "yes" if spec.has_memory else "–",
        ", ".join(f"`{model}`" for model in simulated(spec.name)),
    )


def proofs() -> str:
    head = ("driver", *ORIGINS, "captures", "one frame proves", "card numbers in a recording")
    rows = []
    for name in drivers():
        spec, counts = registry.find(name), origins().get(name, Counter())
        proof = f"{spec.proof_bits} bits" if spec.proof_bits else "by its options"
        told = "are replaced" if spec.redact else "there are none"
        figures = (str(counts[origin]) for origin in ORIGINS)
        rows.append((f"`{name}`", *figures, str(len(captures(name))), proof, told))
    return table(head, rows)


def models() -> str:
    parts = []
    for group, names in GROUPS.items():
        parts.append(f"### {group}")
        rows = [_capture_row(name, capture) for name in names for capture in captures(name)]
        parts.append(table(("driver", "model", "capture", "its first line"), rows))
    return "\n\n".join(parts)


def _capture_row(driver: str, capture: Path) -> tuple[str, ...]:
    scene = capture.stem.partition("_")[2]
    link = f"[{scene}](../tests/captures/{driver}/{capture.name})"
    return (f"`{driver}`", MODELS[driver][model_of(capture)], link, first_line(capture))


def readme() -> str:
    """The README's table: the drivers by what they read."""
    rows = []
    for group, names in GROUPS.items():
        rows += [
            (group if not n else "", f"[`{name}`](docs/drivers/{name}.md)", registry.find(name).title)
            for n, name in enumerate(names)
        ]
    return table(("reads", "driver", "hardware"), rows)
