"""The shared protocol vectors: same frames, same refusals, same rests, whole and byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers import registry
from drivers.suite import Said, pieces_of, said

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
FAMILIES: dict[str, tuple[str, dict[str, object]]] = {
    "em4100_ascii": ("em4100", {}),
    "wiegand_serial_line": ("wiegand_line", {}),
    "scanner_line": ("scanner", {}),
    "gm_scanner_cmd": ("scanner", {}),
    "turnstile_eb": ("eb_turnstile", {}),
    "uhf_bb": ("uhf_bb", {}),
    "uhf_a0": ("uhf_a0", {}),
    "idteck_sr30_serial": ("wiegand_line", {}),
    "sdt_idcard": ("sdt_idcard", {"desk": True}),
    "pn532_hsu": ("pn532", {}),
    "hf_aabb": ("hf_aabb", {}),
    "turnstile_digicon": ("digicon_turnstile", {}),
    "turnstile_tpw": ("tpw_turnstile", {}),
    "zk_attlog40": ("zk_terminal", {}),
    "modbus_rtu": ("modbus_turnstile", {}),
    "osdp": ("osdp", {}),
}
RULES = {"cn_id_number"}
"""Vectors that are no stream: tested where their rule stands."""
STREAMS = [vector for vector in VECTORS if vector["protocol"] not in RULES]
UNCOUNTED = {"scanner_line": {"ack"}}
"""Names of valid frames that the vectors of a family do not list."""
FLAWS = {"checksum": "integrity", "crc": "integrity", "format": "format"}
REQUESTS = {"01030486A100014359": "010300440002841E"}
"""Modbus: which register a reply holds, only its request says."""


def decoded(vector: dict[str, Any], size: int) -> Said:
    name, options = FAMILIES[vector["protocol"]]
    spec = registry.find(name)
    data = bytes.fromhex(REQUESTS.get(vector["hex"], "") + vector["hex"])
    driver = spec.new(registry.make_options(spec, options))
    return said(pieces_of(driver, [data[i : i + size] for i in range(0, len(data), size)]))


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("vector", STREAMS, ids=[vector["description"] for vector in STREAMS])
def test_a_shared_vector_gives_its_frames_refusals_and_rest(vector: dict[str, Any], size: int) -> None:
    events = decoded(vector, size)
    uncounted = UNCOUNTED.get(vector["protocol"], set())
    told = [
        event
        for event in events
        if event["event"] not in ("bad_frame", "incomplete") and event.get("name") not in uncounted
    ]
    expected = vector["expect"]
    frames = expected.get("frames", [] if "errors" in expected else [expected])
    told = told[vector["hex"] in REQUESTS :]
    assert len(told) == len(frames)
    for event, frame in zip(told, frames, strict=True):
        name = {"name": event["of"]} if event.get("name") == "repeat" else {}
        own = {"kind"} if event["event"] == "device" else set()
        assert {key: (event | name)[key] for key in frame.keys() - own} == {
            key: frame[key] for key in frame.keys() - own
        }
    flaws = {str(event["flaw"]) for event in events if event["event"] == "bad_frame"} - {"noise", "start"}
    assert flaws == {FLAWS[error] for error in expected.get("errors", [])}
    assert any(event["event"] == "incomplete" for event in events) == expected.get("incomplete", False)
