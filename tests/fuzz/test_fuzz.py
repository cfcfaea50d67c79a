"""Each fuzz target for a moment, and the inputs that were worth keeping. See README.md here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fuzz_checks import Plan, Target, target

from drivers import em4100, registry
from drivers.captures import Capture
from drivers.events import Event, Frame
from drivers.framing import FrameStream, Good, Noise, Verdict

HERE = Path(__file__).parent
RUNS = 150


@pytest.mark.needs("atheris")
@pytest.mark.parametrize("mode", [[], ["--trusting"]], ids=["strict", "trusting"])
@pytest.mark.parametrize("name", registry.names())
def test_a_target_finds_nothing_in_a_moment(name: str, mode: list[str], tmp_path: Path) -> None:
    program = [sys.executable, str(HERE / "fuzz_driver.py"), name, str(tmp_path / "corpus"), *mode]
    options = [f"-runs={RUNS}", "-seed=1", f"-artifact_prefix={tmp_path}/"]
    ended = subprocess.run([*program, *options], capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.parametrize("name", registry.names())
def test_every_capture_keeps_the_rules_of_the_fuzzer(name: str) -> None:
    on_trial = target(name)
    for data in on_trial.seeds():
        on_trial.examine(data)


def test_what_was_found_once_is_mended() -> None:
    for path in (HERE / "inputs").glob("*/*"):
        target(path.parent.name).examine(path.read_bytes())


def test_a_plan_cuts_the_stream_in_pieces_of_two_sizes_by_turns() -> None:
    assert Plan.of(bytes([7, 0, 0, 1])) == Plan(7, 1, (1, 2))
    assert Plan(0, 1, (1, 2)).pieces(b"abcdefg") == [b"a", b"bc", b"d", b"ef", b"g"]


def raising(data: bytearray, start: int, stop: int, at: float) -> Verdict:
    raise RuntimeError("broken")


def telling_sizes(data: bytearray, start: int, stop: int, at: float) -> Verdict:
    return Good(stop - start, (Frame(name=str(stop - start)),))


def greedy(data: bytearray, start: int, stop: int, at: float) -> Verdict:
    return Noise(stop - start + 1)


class Talkative(FrameStream):
    def close(self) -> list[Event]:
        return [*super().close(), Frame(name="bye")]


class Hoarding(FrameStream):
    def _scan(self, events: list[Event], *, silent: bool = False) -> None:
        """Nothing is ever judged."""


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: FrameStream(raising, max_bytes=8), "broken"),
        (lambda: FrameStream(telling_sizes, max_bytes=8), "another split"),
        (lambda: FrameStream(greedy, max_bytes=8), "are refused of"),
        (lambda: Talkative(em4100.judge, max_bytes=64), "speaks at a second close"),
        (lambda: Hoarding(em4100.judge, max_bytes=8), "more waits"),
    ],
)
def test_what_is_wrong_is_seen(make: Callable[[], FrameStream], complaint: str) -> None:
    spec = replace(em4100.DRIVER, build=lambda _: make())
    on_trial = Target(spec, [Capture("wrong", b"", [])])
    with pytest.raises((AssertionError, RuntimeError), match=complaint):
        on_trial.examine(bytes(3) + b"\x02" + b"0123456789\x00")
