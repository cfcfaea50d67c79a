"""The house keeps its shape: who may import whom, how large a room may grow, what every driver must bring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import registry
from gateway.log import EVENTS

ROOT = Path(__file__).parent.parent
PACKAGES = ("config", "drivers", "gateway", "traceability")
MAX_LINES = 300
STATIONS = {"port", "passage", "journal", "uplink"}
SHARED_WORDS = {"records", "wire", "carry", "signature", "errors", "clock", "spans", "log", "blocking", "downward"}
CENTRE_WORDS = {"records", "wire", "carry", "signature", "errors", "spans", "identity", "whole_file", "downward"}
MAY_IMPORT = {
    "port": {"port"},
    "passage": {"passage"},
    "journal": {"journal"},
    "uplink": {"uplink", "journal"},
}
ONE_PLACE = {
    "serial": {"gateway/port/serial_port.py"},
    "sqlite3": {"gateway/journal/schema.py", "traceability/database/sqlite.py"},
    "alembic": {"traceability/migration.py", "traceability/database/migrations"},
    "paho": {
        "gateway/uplink/connection.py",
        "gateway/simulation/listener.py",
        "traceability/subscription.py",
        "traceability/dispatch.py",
    },
    "pg8000": {"traceability/database/driver.py"},
    "tinydb": {"gateway/directory/registry.py"},
    "cryptography": {
        "gateway/signature.py",
        "gateway/identity/seal.py",
        "gateway/identity/certificates.py",
        "traceability/authority/certificates.py",
        "traceability/authority/authority.py",
    },
    "fastapi": {
        "traceability/api/application.py",
        "traceability/api/audits.py",
        "traceability/api/enrolment.py",
        "traceability/api/parameters.py",
        "traceability/api/questions.py",
        "traceability/api/server.py",
        "traceability/front.py",
    },
    "uvicorn": {"traceability/api/server.py"},
    "rfc8785": {"gateway/signature.py"},
    "osdp": {"drivers/osdp/panel.py"},
    "osdp_sys": {"drivers/osdp/panel.py", "gateway/simulation/peers/osdp_reader.py"},
}
CLOCK_READERS = {"gateway/clock.py"}
LOG_CALLS = {"debug", "info", "warning", "error", "exception", "critical"}


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top_levels(path: Path) -> set[str]:
    return {module.split(".")[0] for module in imports(path)}


def ours(path: Path) -> set[str]:
    return {module for module in imports(path) if module.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", sources("drivers"), ids=name)
def test_drivers_know_the_standard_library_and_each_other(path: Path) -> None:
    closed = {library for library, doors in ONE_PLACE.items() if name(path) not in doors}
    assert not top_levels(path) & {"config", "gateway", "traceability", *closed}
    assert not top_levels(path) & {"socket", "threading", "time", "logging"}


@pytest.mark.parametrize("path", sources("config"), ids=name)
def test_the_configuration_knows_nothing_of_ours(path: Path) -> None:
    assert all(module.split(".")[0] == "config" for module in ours(path))


@pytest.mark.parametrize("path", sources(*(f"gateway/{station}" for station in sorted(STATIONS))), ids=name)
def test_stations_do_not_import_each_other_sideways(path: Path) -> None:
    station = path.relative_to(ROOT / "gateway").parts[0]
    for module in ours(path):
        parts = module.split(".")
        if parts[0] == "gateway" and len(parts) > 1:
            assert parts[1] in SHARED_WORDS | MAY_IMPORT[station], f"{name(path)} imports {module}"
        else:
            assert parts[0] in {"gateway", "drivers"}, f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", sources("gateway/control", "gateway/directory", "gateway/downward"), ids=name)
def test_what_comes_down_reaches_no_device(path: Path) -> None:
    for module in ours(path):
        assert module.split(".")[0] != "drivers", f"{name(path)} imports {module}"
        assert module.split(".")[:2] not in (["gateway", "port"], ["gateway", "passage"]), (
            f"{name(path)} imports {module}"
        )


@pytest.mark.parametrize("path", sources("traceability"), ids=name)
def test_the_centre_shares_words_with_the_gateway_and_nothing_else(path: Path) -> None:
    for module in ours(path):
        parts = module.split(".")
        if parts[0] == "gateway" and len(parts) > 1:
            assert parts[1] in CENTRE_WORDS, f"{name(path)} imports {module}"
        assert parts[0] != "drivers"


@pytest.mark.parametrize("path", sources("gateway"), ids=name)
def test_the_gateway_knows_nothing_of_the_centre(path: Path) -> None:
    if "commands" not in path.parts:
        assert not any(module.startswith("traceability") for module in imports(path))


@pytest.mark.parametrize("library", ONE_PLACE)
def test_a_foreign_library_has_one_door(library: str) -> None:
    for path in sources(*PACKAGES):
        if library in top_levels(path):
            assert {name(path), *map(str, path.relative_to(ROOT).parents)} & ONE_PLACE[library], name(path)


@pytest.mark.parametrize("path", sources("gateway"), ids=name)
def test_the_wall_clock_is_read_in_one_place(path: Path) -> None:
    if name(path) not in CLOCK_READERS and "simulation" not in path.parts:
        assert "time.time(" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sources("gateway"), ids=name)
def test_log_events_have_fixed_names(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_CALLS):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "log" and node.args:
            event = node.args[0]
            assert not isinstance(event, ast.Constant) or event.value in EVENTS, f"{event!r} is not in gateway/log.py"


@pytest.mark.parametrize("driver", registry.names())
def test_every_driver_is_documented_and_captured(driver: str) -> None:
    assert (ROOT / "docs" / "drivers" / f"{driver}.md").exists()
    captures = ROOT / "tests" / "captures" / driver
    assert list(captures.glob("*.hex"))
    assert all(path.with_suffix(".json").exists() for path in captures.glob("*.hex"))


def test_every_driver_module_is_registered() -> None:
    paths = [path for path in sources("drivers") if re.search(r"^DRIVER\b", path.read_text(), re.MULTILINE)]
    families = {path.parent.name if path.stem == "__init__" else path.stem for path in paths}
    assert families - {"template"} <= set(registry.names())
