"""Whatever a TOML file or the environment holds, the answer is settings or a ConfigError, never another error."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from config_desk import GOOD
from config_facts import drivers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config import CentreSettings, ConfigError, Settings, load, load_centre, schema


def _names(node: object) -> set[str]:
    """Every key and every allowed word of a schema: what mistakes are made of."""
    if isinstance(node, dict):
        own = set(node.get("properties", ())) if isinstance(node.get("properties"), dict) else set()
        own |= {word for word in node.get("enum", ()) if isinstance(word, str)}
        return own.union(*map(_names, node.values()))
    return set().union(*map(_names, node)) if isinstance(node, list) else set()


WORDS = sorted(_names(schema()) | _names(schema(CentreSettings)) | {"lobby-1", "em4100", "eb_turnstile", "left", "a"})
KEYS = st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.sampled_from([*WORDS, "mqtt://x", "mqtts://[", "./a", "socket://x:1", "a\0b", "../.."])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=5), max_leaves=12
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=6)
ENVIRON = st.dictionaries(
    st.sampled_from(
        ["PUNCHGATE_PORTS", "PUNCHGATE_UPLINK", "PUNCHGATE_GATEWAY__ID", "PUNCHGATE_X", "PUNCHGATE_LOG__LEVEL"]
    ),
    st.text(st.characters(exclude_characters="\0"), max_size=12) | VALUES.map(json.dumps),
    max_size=2,
)


def toml(value: object) -> str:
    """Write a value as inline TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {toml(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return quoted(value)
    return str(value).lower()


def quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'


def answer(loading: Callable[[], Settings | CentreSettings]) -> ConfigError | None:
    try:
        loading()
    except ConfigError as why:
        return why
    return None


def attempt(text: str, environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "punchgate.toml"
        file.write_text(text, "utf-8")
        for loading in (
            lambda: load(file, drivers=drivers(), environ=environ),
            lambda: load_centre(file, environ),
        ):
            told = answer(loading)
            assert told is None or len(str(told).splitlines()) == len(told.findings) > 0
            assert told is None or str(told).encode()


@settings(deadline=None)
@given(TABLES, ENVIRON)
@example({"[key]": {}}, {})
@example({}, {"PUNCHGATE_PORTS": '[{"devices": [{"inputs": {"\\ud800": "fire"}}]}]'})
@example({}, {"PUNCHGATE_UPLINK": '{"\\ud800\\n": "\\udfff"}'})
def test_any_mapping_gives_settings_or_a_config_error(tree: dict[str, object], environ: dict[str, str]) -> None:
    attempt("\n".join(f"{quoted(key)} = {toml(value)}" for key, value in tree.items()), environ)


@settings(deadline=None)
@given(st.sampled_from(GOOD.splitlines()), st.sampled_from(WORDS), VALUES)
def test_any_value_in_any_line_of_a_good_file_is_answered(line: str, key: str, value: object) -> None:
    attempt(GOOD.replace(line, f"{line.partition('=')[0] if '=' in line else key} = {toml(value)}", 1), {})


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_answered(data: bytes) -> None:
    with contextlib.suppress(UnicodeDecodeError):
        attempt(data.decode(), {})
