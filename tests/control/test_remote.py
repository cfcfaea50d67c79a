"""Commands from the centre: once, signed, for this gateway, for now; everything else changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from orders_desk import SIGN, START_MS, STRANGER, Box, order
from structlog.testing import capture_logs

from gateway.control.once import FILE_NAME, Once
from gateway.downward import MAX_COMMAND_BYTES, bounded, read_command
from gateway.errors import Rejected, Transient
from gateway.signature import unsigned


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_command_is_carried_out_once_and_answered_once(box: Box) -> None:
    for _ in range(3):
        box.hear(order())
    assert [command.command for command in box.done] == ["ping"]
    assert [(reply["result"], reply["answer"]) for reply in box.said] == [("done", {"ok": True})]
    assert box.remote.counts == {"taken": 1, "replayed": 2}


def test_an_id_is_remembered_over_a_kill(box: Box) -> None:
    box.hear(order())
    box.start()
    box.hear(order())
    assert (len(box.done), len(box.said)) == (1, 1)


def test_a_command_whose_id_cannot_be_written_down_is_not_carried_out(box: Box) -> None:
    (box.folder / f".{FILE_NAME}.part").mkdir()
    box.hear(order())
    assert box.done == []
    assert box.said[0]["result"] == "refused"
    assert "cannot be remembered" in box.said[0]["reason"]


@pytest.mark.parametrize("kept", [b"", b"[]", b'{"taken": 3, "floor": 0}', b"{" * 5000])
def test_where_the_memory_of_ids_is_damaged_no_command_passes(box: Box, kept: bytes) -> None:
    (box.folder / FILE_NAME).write_bytes(kept)
    box.start()
    box.hear(order())
    assert box.done == []


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    once = Once(tmp_path)
    once.take("0" * 16, 60.0, 0.0)
    with pytest.raises(Rejected, match="taken before"):
        once.take("0" * 16, 60.0, 0.0)


def test_an_id_is_forgotten_when_its_command_has_ended_and_no_clock_brings_it_back(box: Box) -> None:
    box.hear(order())
    box.watch.at_ms += 120_000
    box.hear(order(since_s=119, id="1" * 16))
    assert list(json.loads((box.folder / FILE_NAME).read_bytes())["taken"]) == ["1" * 16]
    box.watch.at_ms = START_MS
    box.start()
    box.hear(order())
    assert [command.id for command in box.done] == ["0123456789abcdef", "1" * 16]


FORGED: dict[str, tuple[bytes, str]] = {
    "unsigned": (order(unsigned), "forged"),
    "signed by a stranger": (order(STRANGER), "forged"),
    "changed after it was signed": (order().replace(b"ping", b"check"), "forged"),
    "for another gateway": (order(gateway="hq/edge-02"), "foreign"),
    "not a command": (order(command="open"), "malformed"),
    "a command with more to it": (order(door="lobby-1"), "malformed"),
    "another document of the centre's": (order(punchgate="directory/lists"), "malformed"),
    "without an end": (order(expires="never"), "malformed"),
    "valid for a day": (order(life_s=86_400), "malformed"),
    "ended before it began": (order(life_s=-1), "malformed"),
    "too large": (order(id="0" * MAX_COMMAND_BYTES), "oversized"),
    "deep": (b"[" * 4000, "oversized"),
    "nothing": (b"", "forged"),
    "no text": (b"\xff\xfe", "forged"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_the_centre_has_not_said_to_us_changes_nothing_and_has_no_answer(box: Box, name: str) -> None:
    payload, kind = FORGED[name]
    with capture_logs() as logs:
        for _ in range(5):
            box.hear(payload)
    assert (box.done, box.said) == ([], [])
    assert box.remote.counts == {kind: 5}
    assert [row["kind"] for row in logs if row["event"] == "command.refused"] == [kind]
    assert not (box.folder / FILE_NAME).exists()


def test_a_command_the_broker_has_kept_is_refused(box: Box) -> None:
    box.hear(order(), retained=True)
    assert (box.done, box.said, box.remote.counts["retained"]) == ([], [], 1)


def test_without_the_centres_key_no_command_is_read(box: Box) -> None:
    box.remote.key = None
    box.hear(order())
    assert (box.done, box.said, box.remote.counts["no_key"]) == ([], [], 1)


@pytest.mark.parametrize(("since_s", "kind"), [(-61, "expired"), (-60, "expired"), (61, "early")])
def test_a_command_of_another_time_is_refused_and_told_so(box: Box, since_s: float, kind: str) -> None:
    box.hear(order(since_s=since_s))
    box.hear(order(since_s=since_s))
    assert box.done == []
    assert [reply["result"] for reply in box.said] == ["refused"]
    assert box.remote.counts[kind] == 1


@pytest.mark.parametrize("state", ["unset", "restored"])
def test_with_a_clock_nobody_vouches_for_every_command_is_refused_for_good(box: Box, state: Any) -> None:
    box.watch.state = state
    box.hear(order())
    box.watch.state = "synced"
    box.hear(order())
    assert box.done == []
    assert [(reply["result"], "clock" in reply["reason"]) for reply in box.said] == [("refused", True)]


def test_what_could_not_be_done_is_answered_with_the_reason_and_not_tried_again(box: Box) -> None:
    box.trouble = Transient("the journal cannot be written now")
    box.hear(order())
    box.hear(order())
    assert len(box.done) == 1
    assert [(reply["result"], reply["reason"]) for reply in box.said] == [
        ("failed", "the journal cannot be written now")
    ]


JSON = st.recursive(st.none() | st.text(max_size=5), lambda part: st.lists(part, max_size=3), max_leaves=10)


@given(st.binary(max_size=200) | JSON.map(lambda it: json.dumps(it).encode()))
def test_no_bytes_are_a_command_or_a_crash(payload: bytes) -> None:
    with pytest.raises(Rejected):
        read_command(bounded(payload, MAX_COMMAND_BYTES))


@given(st.integers(1, 20), st.text('[{}]"\\a', max_size=20))
def test_depth_counts_brackets_and_not_what_strings_say(depth: int, text: str) -> None:
    payload = b"[" * depth + json.dumps(text).encode() + b"]" * depth
    if depth <= 8:
        assert bounded(payload, 10_000) == payload
    else:
        with pytest.raises(Rejected, match="deeper"):
            bounded(payload, 10_000)


def test_only_resend_takes_a_range(box: Box) -> None:
    box.hear(order(command="resend", args={"first": 3, "last": 4}))
    box.hear(order(command="ping", args={"first": 3, "last": 4}, id="1" * 16))
    box.hear(order(command="resend", id="2" * 16))
    assert [command.args.last for command in box.done if command.args] == [4]
    assert box.remote.counts == {"taken": 1, "malformed": 2}


def test_the_centre_and_the_gateway_mean_the_same_by_signed() -> None:
    assert json.loads(order(SIGN))["sig"]


class Adversary(RuleBasedStateMachine):
    """Commands, old and new, in any order, with kills and a clock that goes anywhere in between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.box = Box(Path(self.folder.name))
        self.sent: list[bytes] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule(since_s=st.integers(-90, 90), life_s=st.integers(1, 3600))
    def a_new_command(self, since_s: int, life_s: int) -> None:
        now_s = (self.box.watch.at_ms - START_MS) / 1000
        self.sent.append(order(since_s=now_s + since_s, life_s=life_s, id=f"{len(self.sent):016x}"))
        self.box.hear(self.sent[-1])

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), retained=st.booleans())
    def one_from_before(self, data: st.DataObject, retained: bool) -> None:
        self.box.hear(data.draw(st.sampled_from(self.sent)), retained=retained)

    @rule()
    def a_kill(self) -> None:
        self.box.start()

    @rule(by_s=st.integers(-4000, 4000), state=st.sampled_from(["synced", "holdover", "restored", "unset"]))
    def the_clock_is_set(self, by_s: int, state: Any) -> None:
        self.box.watch.at_ms += by_s * 1000
        self.box.watch.state = state

    @invariant()
    def each_was_carried_out_once_at_most(self) -> None:
        names = [command.id for command in self.box.done]
        assert len(names) == len(set(names))
        answered = [reply["id"] for reply in self.box.said if reply["result"] == "done"]
        assert answered == names


TestAdversary = Adversary.TestCase
TestAdversary.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
