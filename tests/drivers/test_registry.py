"""Finding drivers by name and making their options from what an operator wrote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from drivers import em4100, registry
from drivers.contract import DriverSpec


@dataclass(frozen=True, slots=True)
class Options:
    count: int = 1
    gap_s: float = 0.5
    polite: bool = True
    mode: Literal["a", "b"] = "a"
    address: int | None = None
    words: tuple[str, ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    label: str = ""

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count: negative")


SPEC = DriverSpec(name="toy", title="", options=Options, build=em4100.build, emits=frozenset())


def made(**values: object) -> Any:
    return registry.make_options(SPEC, values)


def plug_in(folder: Path, name: str, target: str) -> None:
    """An installed distribution, as pip leaves it behind."""
    info = folder / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[punchgate.drivers]\n{name} = {target}\n")


def test_the_built_in_drivers_are_found_by_name() -> None:
    assert {"em4100", "wiegand_line", "scanner", "line", "eb_turnstile"} <= set(registry.names())
    assert registry.find("em4100") is em4100.DRIVER
    assert [spec.name for spec in registry.catalog()] == registry.names()


def test_names_are_listed_without_importing_a_driver() -> None:
    code = "import sys; from drivers import registry; registry.names(); print('drivers.em4100' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_driver_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean em4100"):
        registry.find("EM-4100")


def test_a_plug_in_may_not_replace_a_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "scanner", "stranger:DRIVER")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(registry.DriverConflict, match="stranger:DRIVER of stranger"):
        registry.find("scanner")
    assert registry.find("em4100") is em4100.DRIVER


def test_a_plug_in_that_does_not_load_is_said_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "odd", "no_such_module:DRIVER")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(registry.BrokenDriver, match="no_such_module"):
        registry.find("odd")


def test_a_plug_in_must_name_a_spec_of_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(tmp_path, "odd", "drivers.em4100:DRIVER")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(registry.BrokenDriver, match="no DriverSpec of that name"):
        registry.find("odd")


def test_texts_become_the_types_of_the_fields() -> None:
    options = made(
        count="0x10", gap_s="1", polite="off", mode="b", address="none", words="in, out", codes="C1=1,C2=2", label="7"
    )
    assert options == Options(16, 1.0, False, "b", None, ("in", "out"), {"C1": 1, "C2": 2}, "7")


def test_tables_of_a_configuration_pass_as_they_are() -> None:
    options = made(count=3, gap_s=1, address=4, words=["x"], codes={"a": 1})
    assert (options.count, options.gap_s, options.address, options.words) == (3, 1.0, 4, ("x",))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cuont": 1}, r"options\.cuont: toy has no such option; did you mean count\?"),
        ({"zzz": 1}, "options: count, gap_s"),
        ({"count": "many"}, "'many' is not a whole number"),
        ({"count": 1.5}, "whole number"),
        ({"count": True}, "whole number"),
        ({"gap_s": "soon"}, "a number"),
        ({"polite": "maybe"}, "true or false"),
        ({"mode": "c"}, "one of a, b"),
        ({"label": 7}, "a text"),
        ({"words": 7}, "a list"),
        ({"codes": "C1"}, "a table"),
        ({"codes": 3}, "a table"),
        ({"count": -1}, r"options\.count: negative"),
    ],
)
def test_a_wrong_option_is_refused_with_key_value_and_what_is_allowed(values: dict[str, object], said: str) -> None:
    with pytest.raises(registry.OptionError, match=said):
        made(**values)
