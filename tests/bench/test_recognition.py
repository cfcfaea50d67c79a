"""Bytes alone tell the driver: the shared vectors, whole, cut and damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bench_devices import ASKED, QUESTION

from drivers import registry
from drivers.captures import load
from gateway.bench.recognition import Candidate, best_are_tied, ranked, recognise, variants
from gateway.simulation import frames

TESTS = Path(__file__).parent.parent
VECTORS: list[dict[str, Any]] = json.loads((TESTS / "drivers/vectors.json").read_text(encoding="utf-8"))
PROTOCOLS = {
    "em4100_ascii": "em4100",
    "wiegand_serial_line": "wiegand_line",
    "scanner_line": "scanner",
    "gm_scanner_cmd": "scanner",
    "idteck_sr30_serial": "line",
    "turnstile_eb": "eb_turnstile",
    "turnstile_digicon": "digicon_turnstile",
    "turnstile_tpw": "tpw_turnstile",
    "osdp": "osdp",
    "modbus_rtu": "modbus_turnstile",
    "uhf_a0": "uhf_a0",
    "uhf_bb": "uhf_bb",
    "uhf_len_adr": "uhf_len",
    "pn532_hsu": "pn532",
    "hf_aabb": "hf_aabb",
    "sdt_idcard": "sdt_idcard",
}
"""Stream protocols of the shared vectors and who understands them, also those whose drivers are still to come."""
GOAL = 0.95
CAPTURES_GOAL = 0.9
INSTALLED = registry.catalog()
NAMES = {spec.name for spec in INSTALLED}


def recognised(data: bytes) -> list[Candidate]:
    return recognise([(0.0, data)], INSTALLED, settings={})


def first(data: bytes) -> str:
    found = recognised(data)
    return found[0].spec.name if found else "nothing"


def test_nearly_every_shared_vector_puts_its_driver_first() -> None:
    known = [vector for vector in VECTORS if PROTOCOLS.get(vector["protocol"]) in NAMES]
    wrong = {
        vector["description"]: first(bytes.fromhex(vector["hex"]))
        for vector in known
        if first(bytes.fromhex(vector["hex"])) != PROTOCOLS[vector["protocol"]]
    }
    assert len(known) >= 25
    assert len(wrong) <= (1 - GOAL) * len(known), wrong


def test_nearly_every_capture_puts_its_driver_first() -> None:
    told = {
        capture.name: first(capture.data)
        for name in sorted(NAMES)
        for capture in load(TESTS / "captures" / name)
        if not capture.options
    }
    wrong = {name: driver for name, driver in told.items() if driver != name.partition("/")[0]}
    assert len(wrong) <= (1 - CAPTURES_GOAL) * len(told), wrong


@pytest.mark.parametrize(
    ("driver", "data"),
    [
        ("em4100", frames.id20la("0C000621A5")),
        ("em4100", frames.rdm6300("67003B51C6")),
        ("wiegand_line", frames.wiegand("6F6C3A")),
        ("scanner", frames.scanned("V1|20261123-0042")),
        ("line", frames.sr30("0006572982")),
        ("eb_turnstile", frames.eb(frames.EB_ENTRY_DONE)),
    ],
)
@pytest.mark.parametrize("noise", [b"", b"\x00", b"\xff\x00\xff"])
def test_one_frame_with_noise_before_it_is_enough(driver: str, data: bytes, noise: bytes) -> None:
    assert first(noise + data) == driver


def test_reasons_are_sentences_with_figures_and_hold_no_content() -> None:
    (best, *_) = recognised(frames.rdm6300("67003B51C6") * 2)
    assert best.certainty == "sure"
    assert best.reasons == ["2 of 2 frames, check right, 28 of 28 bytes explained", "2 cards"]
    assert "67003B51C6" not in json.dumps(best.as_dict())


def test_a_frame_without_a_check_proves_little_and_says_so() -> None:
    (best, *_) = recognised(frames.wiegand("0006572982"))
    assert best.certainty != "sure"
    assert "its frames have no check, so this proves little" in best.reasons


@pytest.mark.parametrize(
    ("driver", "data"),
    [
        ("wiegand_line", frames.wiegand("6F6C3A") + frames.wiegand("0006572982")),
        ("scanner", frames.scanned("V1|20261123-0042") + frames.scanned("HELLO")),
        ("tpw_turnstile", b"\x02\x28\x010\x04\x02\x21\x03100\x04"),
    ],
)
def test_a_family_without_a_check_is_never_sure(driver: str, data: bytes) -> None:
    (best, *_) = recognised(data * 20)
    assert (best.spec.name, best.certainty) == (driver, "likely")


def test_a_line_with_marks_and_no_check_is_never_sure() -> None:
    settings = {"start": "STX", "end": "ETX", "pattern": "N(?P<value>[0-9]+)"}
    (best,) = recognise([(0.0, b"\x02N123456\x03" * 20)], [registry.find("line")], settings=settings)
    assert (best.certainty, best.has_check) == ("likely", False)


@pytest.mark.parametrize("text", ["4142433132330D4445463435360D0A", "3646364333410D"])
def test_what_may_be_a_code_or_a_card_is_a_tie(text: str) -> None:
    found = recognised(bytes.fromhex(text))
    assert [each.spec.name for each in best_are_tied(found)] == ["wiegand_line", "scanner"]
    assert "sure" not in [each.certainty for each in found]


@pytest.mark.parametrize(
    "data", [frames.scanned("V1|20261123-0042"), frames.sr30("0006572982"), frames.id20la("0C000621A5") * 3]
)
def test_a_generic_line_or_a_weaker_frame_makes_no_tie(data: bytes) -> None:
    assert best_are_tied(recognised(data)) == []


def test_a_driver_without_a_check_does_not_beat_one_whose_check_explains_the_same_bytes() -> None:
    assert first(frames.id20la("0C000621A5")) == "em4100"
    scores = {each.spec.name: each.score for each in recognised(frames.id20la("0C000621A5") * 20)}
    assert scores["em4100"] > 2 * max(score for name, score in scores.items() if name != "em4100")


def test_a_damaged_frame_and_the_beginning_of_one_count_a_little() -> None:
    whole = frames.rdm6300("67003B51C6")
    for part in (whole[:-3], whole[:5] + b"0" + whole[6:]):
        (best, *_) = recognised(part)
        assert best.spec.name == "em4100"
        assert best.certainty != "sure"
        assert best.reasons[0].startswith("no valid frame")


def test_noise_fits_nothing() -> None:
    assert recognised(b"\xff" * 50) == []
    assert recognised(bytes(50)) == []


def test_what_two_drivers_explain_equally_well_is_a_tie() -> None:
    found = recognised(frames.rdm6300("67003B51C6"))
    twin = Candidate(ASKED, found[0].evidence)
    assert best_are_tied(found) == []
    assert {each.spec.name for each in best_are_tied(ranked([found[0], twin]))} == {"em4100", "asked"}


def test_a_driver_that_asks_understands_what_others_asked() -> None:
    (best,) = recognise([(0.0, QUESTION)], [ASKED], settings={})
    assert best.evidence.frames == 1


def test_options_that_choose_a_framing_are_all_tried() -> None:
    line = registry.find("line")
    assert variants(line, {})[0] == {}
    assert len(variants(line, {})) > 1
    assert variants(line, {"end": "03"}) == [{"end": "03"}]


def test_recognition_takes_no_time_on_a_kilobyte_of_anything() -> None:
    recognised(bytes(range(256)) * 4)
