"""The pages are true: options as in the dataclasses, examples as in the specs, commands run, the tutorial works."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from drivers import registry, template
from drivers.suite import CHECKS
from gateway.commands import decode
from gateway.commands.drivers import options

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs/drivers"
TUTORIAL = (ROOT / "docs/adding-a-driver.md").read_text(encoding="utf-8")
SECTIONS = [
    "Device family", "Wiring and speed", "Frame", "Options", "Events", "Quirks", "Example configuration",
    "A capture and what it means",
]  # fmt: skip
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DECODE = "import sys; from gateway.commands.decode import command; sys.argv[0] = 'punchgate'; command()"


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def commands(text: str) -> list[tuple[list[str], list[object]]]:
    """The console blocks: arguments behind `punchgate decode`, and the objects they are said to print."""
    found = []
    for language, _, body in BLOCK.findall(text):
        if language == "console":
            call, *printed = body.strip().splitlines()
            found.append(
                (shlex.split(call.removeprefix("$ punchgate decode ")), [json.loads(line) for line in printed])
            )
    return found


@pytest.mark.parametrize("name", registry.names())
def test_every_driver_has_a_page_of_the_same_shape(name: str) -> None:
    assert re.findall(r"^## (.*)$", page(name), re.MULTILINE) == SECTIONS
    assert page(name).startswith(f"# {name}\n\n{registry.find(name).title}.\n")


@pytest.mark.parametrize("name", registry.names())
def test_the_options_table_is_the_dataclass(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| `(.*?)` \| ", page(name), re.MULTILINE)
    expected = [
        (option["name"], option["type"], json.dumps(option["default"], ensure_ascii=False))
        for option in options(registry.find(name))
    ]
    assert rows == expected


@pytest.mark.parametrize("name", registry.names())
def test_the_example_configuration_is_the_specs_and_makes_options(name: str) -> None:
    spec = registry.find(name)
    examples = [body for language, _, body in BLOCK.findall(page(name)) if language == "toml"]
    assert examples == [spec.example]
    for port in tomllib.loads(spec.example)["ports"]:
        for device in port["devices"]:
            assert device["driver"] == name
            registry.make_options(spec, device.get("options", {}))


@pytest.mark.parametrize("name", registry.names())
def test_the_commands_of_a_page_print_what_it_says(name: str) -> None:
    assert commands(page(name))
    for arguments, printed in commands(page(name)):
        result = CliRunner().invoke(decode.command, arguments)
        assert [json.loads(line) for line in result.stdout.splitlines()] == printed


def test_the_tutorials_driver_is_the_template() -> None:
    (source,) = [body for _, name, body in BLOCK.findall(TUTORIAL) if name == "acme_reader.py"]
    assert source == Path(template.__file__).read_text(encoding="utf-8")


def test_a_stranger_who_follows_the_tutorial_has_a_working_driver(tmp_path: Path) -> None:
    project, target = tmp_path / "project", tmp_path / "site"
    for _, name, body in BLOCK.findall(TUTORIAL):
        if name:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            (project / name).write_text(body, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(project)], check=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(target), str(ROOT)])}
    for arguments, printed in commands(TUTORIAL):
        call = [sys.executable, "-c", DECODE, *arguments]
        done = subprocess.run(call, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert [json.loads(line) for line in done.stdout.splitlines()] == printed
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(project)]
    done = subprocess.run(suite, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    talks = TUTORIAL.count("\ndef test_") - TUTORIAL.count("\ndef test_the_driver_keeps_the_contract")
    assert f"{2 * len(CHECKS) + talks} passed" in done.stdout
