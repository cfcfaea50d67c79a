"""The drill's parts, each for itself: the draw, the watch, the table."""

import itertools
import json
from pathlib import Path

from gateway.simulation.drill_faults import FAULTS, Wall, draw
from gateway.simulation.drill_show import figures, notes, table
from gateway.simulation.drill_verdict import Row, Verdict
from gateway.simulation.drill_watch import Watch
from gateway.simulation.listener import Heard
from gateway.wire import pack


def test_the_same_seed_is_the_same_drill_and_another_is_another() -> None:
    faults = list(FAULTS.values())
    one, same, other = (list(itertools.islice(draw(seed, faults), 3)) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_each_round_strikes_each_fault_once_within_its_bounds() -> None:
    for strokes in itertools.islice(draw(1, list(FAULTS.values())), 5):
        assert sorted(stroke.fault.name for stroke in strokes) == sorted(FAULTS)
        assert all(s.fault.lasts_s[0] <= s.lasts_s <= s.fault.lasts_s[1] for s in strokes)


def test_the_wall_is_never_without_an_hour(tmp_path: Path) -> None:
    wall = Wall(tmp_path / "wall")
    assert (tmp_path / "wall").read_text() == "+0\n"
    wall.set(-3600)
    assert (tmp_path / "wall").read_text() == "-3600\n"


def read(seq: int, at_s: float, device: str = "in", topic: str = "records") -> Heard:
    data = {"seq": seq, "epoch": "e", "device": device}
    line = json.dumps({"type": "punchgate.credential.read.v1", "data": data}).encode()
    return Heard(at_s, topic, *_packed(line))


def _packed(line: bytes) -> tuple[bytes, str | None]:
    batch = pack([line], deflate=True)
    return batch.body, batch.encoding


def receipt(through: int, at_s: float) -> Heard:
    body = {"epoch": "e", "through": through, "seen": through, "missing": []}
    return Heard(at_s, "receipt", json.dumps(body).encode(), None)


def test_the_first_record_after_a_mend_is_one_that_was_sent_after_it_and_receipted() -> None:
    watch = Watch()
    watch.hear(read(1, 9.0))
    watch.expect(10.0, None)
    watch.hear(receipt(1, 10.1))
    assert watch.first_s is None
    watch.hear(read(2, 10.2, topic="replay"))
    watch.hear(receipt(1, 10.3))
    assert watch.first_s is None
    watch.hear(receipt(2, 10.5))
    watch.hear(receipt(3, 10.9))
    assert watch.first_s == 0.5
    assert (watch.through, watch.newest) == (3, 2)


def test_after_a_cable_was_pulled_only_records_of_its_device_count() -> None:
    watch = Watch()
    watch.expect(10.0, "in")
    watch.hear(read(1, 10.1, device="out"))
    watch.hear(receipt(1, 10.2))
    assert watch.first_s is None
    watch.hear(read(2, 10.3, device="in"))
    watch.hear(receipt(2, 10.4))
    assert watch.first_s is not None


def test_what_is_no_message_of_ours_is_not_counted() -> None:
    watch = Watch()
    for topic, body in (("records", b"\xff"), ("receipt", b"[]"), ("receipt", b"{}"), ("state", b"?")):
        watch.hear(Heard(1.0, topic, body, None))
    assert (watch.through, watch.newest) == (0, 0)


def verdict() -> Verdict:
    kill = Row("kill", struck=2, frames=40, in_hand=1, first_s=0.314)
    return Verdict({"kill": kill, "broker": Row("broker", struck=1, frames=1234)}, records=99)


def test_the_table_is_aligned_and_names_what_was_not_run() -> None:
    lines = table(verdict(), [(FAULTS["clock"], "apt install faketime")])
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[0].split("  ")[0].strip() == "fault"
    assert lines[1].split() == ["kill", "2", "40", "0", "0", "0", "0", "1", "0", "0.31", "s"]
    assert lines[2].endswith("–")
    assert lines[3].split(maxsplit=1) == ["clock", "not run: apt install faketime"]


def test_the_limit_of_what_can_be_known_is_stated_where_it_matters() -> None:
    (note,) = notes(verdict())
    assert "cannot be unread" in note
    assert notes(Verdict()) == []


def test_machines_are_told_the_same() -> None:
    said = json.loads(json.dumps(figures(verdict(), [(FAULTS["clock"], "why")], 7)))
    assert said["ok"]
    assert said["seed"] == 7
    assert said["totals"]["frames"] == 1274
    assert said["totals"]["records"] == 99
    assert said["faults"][0]["first_s"] == 0.314
    assert said["not_run"] == {"clock": "why"}
