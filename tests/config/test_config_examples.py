"""The examples, the schema and the page say what the code does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

import config
from config.reference import redrawn

ROOT = Path(config.__file__).parent.parent
EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.toml"))
GATEWAYS = [path for path in EXAMPLES if path.stem != "centre"]


@pytest.fixture(scope="session")
def registered() -> dict[str, config.DriverFacts]:
    from drivers import registry

    return {spec.name: config.DriverFacts.of(spec, registry.make_options) for spec in registry.catalog()}


@pytest.mark.parametrize("example", GATEWAYS, ids=lambda path: path.stem)
def test_an_example_loads_and_its_key_is_read(
    example: Path, registered: dict[str, config.DriverFacts], tmp_path: Path
) -> None:
    file = Path(shutil.copy(example, tmp_path))
    (tmp_path / "organisation.key").write_text("ab" * 32)
    (tmp_path / "organisation.key").chmod(0o600)
    settings = config.load(file, drivers=registered, environ={})
    assert config.read_organisation_key(settings.privacy.key_file)[0] == "k1"


def test_the_centres_example_loads() -> None:
    settings = config.load_centre(ROOT / "config" / "examples" / "centre.toml", {})
    assert settings.centre.key_file == ROOT / "config" / "examples" / "centre-signing.pem"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_the_schema(example: Path) -> None:
    schema = config.schema(config.CentreSettings if example.stem == "centre" else config.Settings)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(tomllib.loads(example.read_text("utf-8")))


def test_the_schema_refuses_an_unknown_key() -> None:
    broken = tomllib.loads(GATEWAYS[0].read_text("utf-8")) | {"gatway": {}}
    assert not jsonschema.Draft202012Validator(config.schema()).is_valid(broken)


def test_every_key_of_the_schema_has_a_description() -> None:
    for model in (config.Settings, config.CentreSettings):
        tables = config.schema(model)["$defs"].values()
        assert all("description" in key for table in tables for key in table["properties"].values())


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == redrawn(page), "run: python -m config.reference docs/configuration.md"


def test_importing_the_configuration_brings_in_no_other_room() -> None:
    code = "import sys, config; print(*{name.split('.')[0] for name in sys.modules})"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert not {"drivers", "gateway", "traceability", "serial", "paho", "structlog"} & set(done.stdout.split())
