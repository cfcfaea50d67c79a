"""What is inside, as a CycloneDX 1.5 document: from the wheels' metadata, with what is compiled into them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bundle import licences
from bundle.lock import normal
from bundle.wheels import Wheel

NAMESPACE = uuid.UUID("0e1d2b2f-5a57-5c07-9a53-8f1f9d2f2c11")
TAKEN = ("type", "name", "version", "purl", "hashes", "licenses")

Component = dict[str, Any]


def document(name: str, version: str, made: datetime, own: Wheel, wheels: Sequence[Wheel]) -> bytes:
    """The document of one package: `name` and `version` are the package's, `own` our wheel, `wheels` all others."""
    packed = [component(wheel) for wheel in wheels]
    known = {normal(wheel.name) for wheel in wheels}
    top = {"type": "application", "bom-ref": name, "name": name, "version": version} | _licence(own)
    content = {
        "metadata": {"timestamp": f"{made:%Y-%m-%dT%H:%M:%SZ}", "component": top},
        "components": packed,
        "dependencies": [
            {"ref": name, "dependsOn": _needs(own, wheels, known)},
            *({"ref": _ref(wheel), "dependsOn": _needs(wheel, wheels, known)} for wheel in wheels),
        ],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": serial.urn, "version": 1}
    return (json.dumps(head | content, indent=1) + "\n").encode()


def component(wheel: Wheel) -> Component:
    """One wheel; `components` are what its makers say is compiled into it."""
    found: Component = {
        "type": "library",
        "bom-ref": _ref(wheel),
        "name": wheel.name,
        "version": wheel.version,
        "purl": f"pkg:pypi/{normal(wheel.name)}@{wheel.version}",
        "hashes": [{"alg": "SHA-256", "content": wheel.sha256}],
        "properties": [{"name": "punchgate:wheel", "value": wheel.path.name}],
    } | _licence(wheel)
    inner = _compiled_in(wheel)
    return found | ({"components": inner} if inner else {})


def _licence(wheel: Wheel) -> Component:
    return {"licenses": [{"expression": licences.expression(wheel)}]}


def _ref(wheel: Wheel) -> str:
    return wheel.path.name


def _compiled_in(wheel: Wheel) -> list[Component]:
    found: list[Component] = []
    for path, data in sorted(wheel.contents.items()):
        if path.startswith(f"{wheel.info}/sboms/") and path.endswith(".json"):
            inside = json.loads(data).get("components", [])
            found += [{key: part[key] for key in TAKEN if key in part} for part in inside]
    return found


def _needs(wheel: Wheel, wheels: Sequence[Wheel], known: set[str]) -> list[str]:
    """References to all wheels that it requires, whichever extra or platform asks for them."""
    said = (re.match(r"[A-Za-z0-9._-]+", line) for line in wheel.facts.get_all("Requires-Dist", []))
    wanted = {normal(match[0]) for match in said if match} & known
    return sorted(_ref(other) for other in wheels if normal(other.name) in wanted)
